"""Cayenne Low Power Payload: records of channel, type and value, big-endian.

Types are IPSO object ids minus 3200. A record on channel 1 is the plain quantity, on any other channel N it has the
place `chN`, whatever else is in the payload: else probe 2 would change its series whenever probe 1 is silent. A
network's own Cayenne LPP decoder gives the same channels (`gateway.networks.mapping`). One Unix time record is the
reading's time. Sources: Cayenne LPP 2.0 (myDevices), types as ChirpStack reads them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.codecs.codec import CodecError, Decoded, numbered, quantity_and_place
from schemas.channels import join
from schemas.wire import EPOCH_S

Value = float | dict[str, float]


@dataclass(frozen=True, slots=True)
class LppType:
    """One type of record: `fields` of (name, bytes, divisor); a single field without a name is a plain number."""

    number: int
    name: str
    fields: tuple[tuple[str, int, int], ...]
    signed: bool = False
    quantity: str = ""


def _xyz(divisor: int) -> tuple[tuple[str, int, int], ...]:
    return ("x", 2, divisor), ("y", 2, divisor), ("z", 2, divisor)


TYPES = (
    LppType(0, "digital_input", (("", 1, 1),)),
    LppType(1, "digital_output", (("", 1, 1),)),
    LppType(2, "analog_input", (("", 2, 100),), signed=True),
    LppType(3, "analog_output", (("", 2, 100),), signed=True),
    LppType(100, "generic", (("", 4, 1),)),
    LppType(101, "illuminance", (("", 2, 1),), quantity="illuminance"),
    LppType(102, "presence", (("", 1, 1),)),
    LppType(103, "temperature", (("", 2, 10),), signed=True, quantity="air_temperature"),
    LppType(104, "humidity", (("", 1, 2),), quantity="relative_humidity"),
    LppType(113, "accelerometer", _xyz(1000), signed=True),
    LppType(115, "barometer", (("", 2, 10),), quantity="air_pressure"),
    LppType(116, "voltage", (("", 2, 100),), quantity="battery"),
    LppType(117, "current", (("", 2, 1000),)),
    LppType(118, "frequency", (("", 4, 1),)),
    LppType(120, "percentage", (("", 1, 1),)),
    LppType(121, "altitude", (("", 2, 1),), signed=True),
    LppType(125, "concentration", (("", 2, 1),), quantity="co2"),
    LppType(128, "power", (("", 2, 1),)),
    LppType(130, "distance", (("", 4, 1000),)),
    LppType(131, "energy", (("", 4, 1000),), quantity="energy_total"),
    LppType(132, "direction", (("", 2, 1),)),  # of what, it does not say
    LppType(133, "unix_time", (("", 4, 1),)),
    LppType(134, "gyrometer", _xyz(100), signed=True),
    LppType(135, "colour", (("r", 1, 1), ("g", 1, 1), ("b", 1, 1))),
    LppType(136, "gps", (("latitude", 3, 10000), ("longitude", 3, 10000), ("altitude", 3, 100)), signed=True),
    LppType(142, "switch", (("", 1, 1),)),
)
BY_NUMBER = {t.number: t for t in TYPES}
BY_QUANTITY = {t.quantity: t for t in TYPES if t.quantity}
UNIX_TIME = BY_NUMBER[133]
_NUMBERS = {numbered(number): number for number in range(256)}  # by place


def records(payload: bytes) -> Iterator[tuple[int, LppType, Value]]:
    """(channel number, type, value) of every record. Raises CodecError."""
    position = 0
    while position < len(payload):
        lpp = BY_NUMBER.get(payload[position + 1]) if position + 1 < len(payload) else None
        if lpp is None and position + 1 < len(payload):
            raise CodecError(f"Cayenne LPP has no type {payload[position + 1]} (at byte {position + 1})")
        start = position + 2
        position = start + sum(size for _, size, _ in lpp.fields) if lpp else position + 2
        if lpp is None or position > len(payload):
            raise CodecError(f"the record at byte {start - 2} is cut off")
        yield payload[start - 2], lpp, _value(lpp, payload[start:position])


def _value(lpp: LppType, raw: bytes) -> Value:
    found: dict[str, float] = {}
    for name, size, divisor in lpp.fields:
        found[name] = int.from_bytes(raw[:size], "big", signed=lpp.signed) / divisor
        raw = raw[size:]
    return found.get("", found)


class CayenneLpp:
    """Cayenne LPP on any port."""

    name = "cayenne-lpp"

    def decode(self, payload: bytes, fport: int) -> list[Decoded]:
        """One reading. Raises CodecError."""
        if not payload:
            raise CodecError("an empty payload has no Cayenne LPP record")
        values: dict[str, float] = {}
        unmapped: dict[str, Any] = {}
        times: list[float] = []
        for number, lpp, value in records(payload):
            channel = join(lpp.quantity, numbered(number))
            if lpp.quantity and channel not in values and isinstance(value, float):
                values[channel] = value
                continue
            if lpp is UNIX_TIME and isinstance(value, float):
                times.append(value)
            key = f"{lpp.name}@ch{number}"
            while key in unmapped:
                key += "+"
            unmapped[key] = value
        time_s = times[0] if len(times) == 1 and times[0] >= EPOCH_S else None  # before 2025: a clock that is not set
        if time_s is not None:
            unmapped = {key: value for key, value in unmapped.items() if not key.startswith(UNIX_TIME.name)}
        source = "none" if time_s is None else "device"
        return [Decoded(values=values, time_s=time_s, time_source=source, unmapped=unmapped)]

    def encode(self, readings: Sequence[Decoded]) -> bytes:
        """One reading: plain quantities on channel 1, places `chN` on channel N. Raises CodecError."""
        if len(readings) != 1:
            raise CodecError(f"Cayenne LPP carries one reading, not {len(readings)}")
        reading = readings[0]
        if reading.unmapped:
            raise CodecError("Cayenne LPP is written from our quantities only")
        out = bytearray()
        for channel, value in reading.values.items():
            quantity, place = quantity_and_place(channel)
            lpp, number = BY_QUANTITY.get(quantity.name), _NUMBERS.get(place)
            if lpp is None or number is None:
                raise CodecError(
                    f"Cayenne LPP has no {channel}: {', '.join(BY_QUANTITY)}, plain or @ch0, @ch2 to @ch255"
                )
            out += _record(number, lpp, value)
        if reading.time_s is not None:
            out += _record(0, UNIX_TIME, reading.time_s)
        return bytes(out)


def _record(number: int, lpp: LppType, value: float) -> bytes:
    _, size, divisor = lpp.fields[0]
    try:
        raw = round(value * divisor).to_bytes(size, "big", signed=lpp.signed)
    except (OverflowError, ValueError):
        raise CodecError(f"{value} does not fit a Cayenne LPP {lpp.name}") from None
    return bytes((number, lpp.number)) + raw
