"""From a LoRaWAN payload to readings, whichever network it came through: the codec, then identity and time.

Our own frames carry both. A device of another make gets (join session, frame counter, position in the frame), and its
time is the frame's own, else the network's, else our clock at reception. What no codec can read is `undecoded` with
the reason, never nothing; values without a channel of ours are `unmapped`. A status of our own devices (port 3) is no
reading: it becomes a note of the device's health.
"""

from dataclasses import dataclass
from datetime import UTC, datetime

from pydantic import ValidationError

from gateway.codecs.codec import CodecError, Decoded
from gateway.codecs.klimanetz import NAME as OWN_CODEC
from gateway.codecs.registry import codec
from gateway.health import Note
from gateway.networks.mapping import Unmapped
from gateway.spool import Undecoded
from schemas.models import Link, Reading, TimeSource
from schemas.readings import to_readings
from schemas.wire_base import WireError
from schemas.wire_status import STATUS_PORT, as_object
from schemas.wire_status import decode as decode_status


@dataclass(frozen=True, slots=True)
class Payload:
    """A decrypted payload and what is known of it."""

    device: str
    codec: str
    data: bytes
    fport: int
    generation: int | None  # the join session; with fcnt the identity of readings that carry none
    fcnt: int | None
    received_ms: int
    link: Link
    time: datetime | None = None  # of reception, by a network's clock


@dataclass(frozen=True, slots=True)
class Read:
    """What a payload gave."""

    readings: tuple[Reading, ...] = ()
    unmapped: tuple[Unmapped, ...] = ()
    undecoded: Undecoded | None = None
    notes: tuple[Note, ...] = ()  # what the device says of its own health


NOTHING = Read()


def decode(payload: Payload) -> Read:
    """Readings with a time, or why there are none."""
    if payload.codec == OWN_CODEC and payload.fport == STATUS_PORT:
        return _status(payload)
    received = payload.time or datetime.fromtimestamp(payload.received_ms / 1000, UTC)
    try:
        decoded = codec(payload.codec).decode(payload.data, payload.fport)
        readings = to_readings(payload.device, decoded, received, payload.link)
    except CodecError as error:
        return Read(undecoded=undecoded(payload, str(error)))
    except ValidationError as error:
        return Read(undecoded=undecoded(payload, "not a reading: %s" % error.errors()[0]["msg"]))
    unmapped = tuple(_unmapped(decoded))
    if not readings:
        return Read((), unmapped, undecoded(payload, "no value that we have a channel for"))
    return Read(tuple(_identified(reading, payload) for reading in readings), unmapped)


def _status(payload: Payload) -> Read:
    try:
        report = as_object(decode_status(payload.data))
    except WireError as error:
        return Read(undecoded=undecoded(payload, "not a status: %s" % error))
    time_ms = round(payload.time.timestamp() * 1000) if payload.time else payload.received_ms
    return Read(notes=(Note(via=payload.link.via or "", time_ms=time_ms, report=report),))


def _identified(reading: Reading, payload: Payload) -> Reading:
    update: dict[str, object] = {}
    if reading.seq is None and payload.generation is not None and payload.fcnt is not None:
        update = {"generation": payload.generation, "seq": payload.fcnt}
    if payload.time is not None and reading.time_source is TimeSource.RECEIVER:
        update["time_source"] = TimeSource.NETWORK
    return reading.model_copy(update=update) if update else reading


def _unmapped(decoded: list[Decoded]) -> list[Unmapped]:
    reason = "no quantity of ours"
    return [Unmapped(name, value, reason) for one in decoded for name, value in one.unmapped.items()]


def undecoded(payload: Payload, reason: str) -> Undecoded:
    """What is kept of a payload that gave no reading."""
    time_ms = round(payload.time.timestamp() * 1000) if payload.time else None
    return Undecoded(
        payload.device, payload.received_ms, reason, payload.data, payload.fport, payload.link, time_ms, payload.codec,
        payload.generation,
    )  # fmt: skip
