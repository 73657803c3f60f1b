"""Our own devices: the binary wire format on LoRaWAN ports 1 (readings) and 2 (backlog), and on MQTT.

The format is docs/wire.md; `schemas.wire` does the work.
"""

from collections.abc import Sequence

from gateway.codecs.codec import CodecError, Decoded
from schemas.wire import WireError, WireReading, decode, encode, status_names

NAME = "klimanetz"
NO_PORT, READINGS_PORT, BACKLOG_PORT = 0, 1, 2  # over MQTT there is no port


class Klimanetz:
    """The binary wire format."""

    name = NAME

    def decode(self, payload: bytes, fport: int) -> list[Decoded]:
        """The readings of a frame. Raises CodecError."""
        if fport not in (NO_PORT, READINGS_PORT, BACKLOG_PORT):
            raise CodecError(f"our devices send readings on port {READINGS_PORT} or {BACKLOG_PORT}, not on {fport}")
        try:
            frame = decode(payload)
        except WireError as error:
            raise CodecError(f"not a frame of the wire format: {error}") from None
        return [
            Decoded(
                values=reading.values,
                generation=reading.generation,
                seq=reading.seq,
                time_s=reading.time_s,
                age_s=reading.age_s,
                time_source=reading.time_source,
                uncertainty_s=reading.uncertainty_s,
                status=status_names(reading.status),
            )
            for reading in frame.readings
        ]

    def encode(self, readings: Sequence[Decoded]) -> bytes:
        """One frame; generation and seq count as 0 where they are not given. Raises CodecError."""
        try:
            payload, n = encode([_wire(reading) for reading in readings])
        except WireError as error:
            raise CodecError(str(error)) from None
        if n < len(readings):
            raise CodecError(f"reading {n + 1} cannot follow in the same frame: it has to go back in seq and time")
        return payload


def _wire(reading: Decoded) -> WireReading:
    if reading.unmapped:
        raise CodecError(f"the wire format has no {', '.join(reading.unmapped)}")
    return WireReading(
        reading.generation or 0,
        reading.seq or 0,
        None if reading.time_s is None else round(reading.time_s),
        None if reading.age_s is None else round(reading.age_s),
        reading.time_source,
        reading.uncertainty_s,
        reading.values,
        reading.status or (),
    )
