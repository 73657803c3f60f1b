"""SenML in JSON (RFC 8428): a pack of records with base values, as many devices with an IP stack send it.

A record's name is one of our quantities or `temperature`, `humidity`, `pressure`, `voltage`, with a place behind or
before it (`soil_moisture/30cm`; SenML allows no `@` in names). Units are converted; a plain quantity without a unit is
in ours. Records of one time are one reading. Units: RFC 8428 section 12.1 and RFC 8798.
"""

import json
import math
import re
from collections.abc import Sequence
from typing import Any

from gateway.codecs.codec import CodecError, Decoded, quantity_and_place
from schemas.channels import is_place, join, split
from schemas.quantities import BY_NAME

RECORDS_MAX = 500
VALUES_MAX = 64  # of one reading
_SECONDS_MAX = 2**33  # beyond every calendar here
_RELATIVE_BELOW_S = 2**28  # RFC 8428 section 4.5.3: smaller times are relative to now
_ALIASES = {
    "temperature": "air_temperature",
    "humidity": "relative_humidity",
    "pressure": "air_pressure",
    "voltage": "battery",
}
# Our unit: SenML units as (times, divided by, plus); the first is the one we write.
UNITS: dict[str, dict[str, tuple[float, float, float]]] = {
    "°C": {"Cel": (1, 1, 0), "K": (1, 1, -273.15)},
    "%": {"/100": (1, 1, 0), "%RH": (1, 1, 0), "%": (1, 1, 0), "/": (100, 1, 0)},
    "hPa": {"hPa": (1, 1, 0), "Pa": (1, 100, 0)},
    "V": {"V": (1, 1, 0), "mV": (1, 1000, 0)},
    "ppm": {"ppm": (1, 1, 0), "ppb": (1, 1000, 0)},
    "µg/m³": {"ug/m3": (1, 1, 0)},
    "m/s": {"m/s": (1, 1, 0), "km/h": (1, 3.6, 0)},
    "W/m²": {"W/m2": (1, 1, 0)},
    "lx": {"lx": (1, 1, 0)},
    "°": {"deg": (1, 1, 0), "rad": (180, math.pi, 0)},
    "cm": {"cm": (1, 1, 0), "m": (100, 1, 0), "mm": (1, 10, 0)},
    "mm": {"mm": (1, 1, 0), "m": (1000, 1, 0)},
    "dB(A)": {"dB": (1, 1, 0)},
    "kWh": {"kWh": (1, 1, 0), "Wh": (1, 1000, 0), "J": (1, 3600000, 0)},
    "m³": {"m3": (1, 1, 0), "l": (1, 1000, 0)},
    "1": {},
}


class SenMl:
    """A SenML pack in JSON, on any port."""

    name = "senml"

    def decode(self, payload: bytes, fport: int) -> list[Decoded]:
        """A reading for every time in the pack, newest first. Raises CodecError."""
        readings: dict[float, Decoded] = {}
        for name, time, unit, value in _resolved(_pack(payload)):
            if time not in readings:
                readings[time] = _reading_at(time)
            reading = readings[time]
            channel = _channel(name, unit)
            number = _converted(channel, unit, value)
            if number is not None and channel not in reading.values and len(reading.values) < VALUES_MAX:
                reading.values[channel] = number
                continue
            while name in reading.unmapped:
                name += "+"
            reading.unmapped[name] = value if unit is None else {"value": value, "unit": unit}
        relative = sorted((t for t in readings if t < _RELATIVE_BELOW_S), reverse=True)
        absolute = sorted((t for t in readings if t >= _RELATIVE_BELOW_S), reverse=True)
        return [readings[t] for t in relative + absolute]

    def encode(self, readings: Sequence[Decoded]) -> bytes:
        """A pack with a record for every value. Raises CodecError."""
        pack: list[dict[str, Any]] = []
        for reading in readings:
            if reading.unmapped:
                raise CodecError("SenML is written from our quantities only")
            time = reading.time_s if reading.time_s is not None else -(reading.age_s or 0)
            time = int(time) if time == int(time) else time
            for channel, value in reading.values.items():
                quantity, place = quantity_and_place(channel)
                record: dict[str, Any] = {"n": f"{quantity.name}/{place}" if place else quantity.name}
                unit = "%RH" if quantity.name == "relative_humidity" else next(iter(UNITS[quantity.unit]), None)
                record |= ({"u": unit} if unit else {}) | {"v": value} | ({"t": time} if time else {})
                pack.append(record)
        try:
            return json.dumps(pack, separators=(",", ":"), allow_nan=False).encode()
        except ValueError:
            raise CodecError("SenML has no NaN and no infinity") from None


def _pack(payload: bytes) -> list[dict[str, Any]]:
    def no_constant(text: str) -> None:
        raise ValueError(f"{text} is not JSON")

    try:
        pack = json.loads(payload, parse_constant=no_constant)
    except (ValueError, RecursionError) as error:
        raise CodecError(f"not a SenML pack: {error}") from None
    if not isinstance(pack, list) or not pack or not all(isinstance(record, dict) for record in pack):
        raise CodecError("a SenML pack is a JSON array of at least one object")
    if len(pack) > RECORDS_MAX:
        raise CodecError(f"a SenML pack of {len(pack)} records: {RECORDS_MAX} are allowed")
    return pack


def _resolved(pack: list[dict[str, Any]]) -> list[tuple[str, float, str | None, Any]]:
    """(name, time, unit, value) of every record with a value, base fields applied (RFC 8428 section 4.6)."""
    found: list[tuple[str, float, str | None, Any]] = []
    base: dict[str, Any] = {}
    for record in pack:
        must = [field for field in record if field.endswith("_")]
        if must or _number(record, "bver", 10) > 10:
            raise CodecError(f"SenML that has to be understood and is not: {', '.join(must) or 'version over 10'}")
        base |= {field: value for field, value in record.items() if field.startswith("b")}
        value = next((record[field] for field in ("v", "vs", "vb", "vd") if field in record), None)
        if "v" in record or ("bv" in base and value is None and "s" not in record):
            value = _number(base, "bv") + _number(record, "v")
        if value is None and "s" in record:
            value = {"sum": record["s"]}
        if value is None:
            continue
        name, unit = _text(base, "bn") + _text(record, "n"), _text(record, "u") or _text(base, "bu") or None
        if not name:
            raise CodecError("a SenML record without a name")
        found.append((_text(record, "n") or name, _number(base, "bt") + _number(record, "t"), unit, value))
    if not found:
        raise CodecError("a SenML pack without a value")
    return found


def _number(record: dict[str, Any], field: str, default: float = 0) -> float:
    value = record.get(field, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) > 1e300:
        raise CodecError(f"SenML field '{field}' has to be a number")
    return float(value)


def _text(record: dict[str, Any], field: str) -> str:
    value = record.get(field, "")
    if not isinstance(value, str):
        raise CodecError(f"SenML field '{field}' has to be a text")
    return value


def _reading_at(time: float) -> Decoded:
    if abs(time) >= _SECONDS_MAX:
        raise CodecError(f"a SenML time of {time:g} s")
    if 0 < time < _RELATIVE_BELOW_S:
        raise CodecError(f"a SenML record {time:g} s in the future")
    if time >= _RELATIVE_BELOW_S:
        return Decoded(values={}, time_s=time, time_source="device")
    return Decoded(values={}, age_s=-time if time else None)


def _channel(name: str, unit: str | None) -> str:
    """Our channel of a SenML name, "" where it is none."""
    parts = [part for part in re.split("[/:;]", name) if part]
    for quantity, rest in ((parts[:1], parts[1:]), (parts[-1:], parts[-2:-1])):
        known = "".join(quantity)
        if unit is not None:
            known = _ALIASES.get(known, known)
        place = "-".join(rest).lower()
        if known in BY_NAME:
            return join(known, place) if not place or is_place(place) else ""
    return ""


def _converted(channel: str, unit: str | None, value: Any) -> float | None:
    """The value in our unit, None where it is no number of that quantity."""
    if not channel or not isinstance(value, float):
        return None
    if unit is None:
        return value
    scale = UNITS[split(channel)[0].unit].get(unit)
    if scale is None:
        return None
    times, divisor, plus = scale
    return value if scale == (1, 1, 0) else round(value * times / divisor + plus, 9)
