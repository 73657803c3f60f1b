"""From what a network's own decoder made of a payload to our channels.

Decoders name and nest as they like, and write numbers as text, with or without a unit. A value is taken only where
name and unit leave one meaning (`vendor_names`); everything else comes back in `unmapped` with its reason, so that
it is counted and an operator can name it (`names`: their name, dots between levels, to our channel, or to "" for
what is to be ignored). A place is what follows a known name: `soil_moisture_30cm`; a bare number is a channel number
as in Cayenne LPP, `{"temperatureSensor": {"1": …, "2": …}}`: 1 is plain, any other number N is `@chN`, whatever else is
in the message, so that probe 2 does not become probe 1 when that one is silent. Places in a list count from 1.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from gateway.codecs.codec import numbered
from gateway.networks import vendor_names as vendor
from schemas.channels import ChannelError, join, split

LEAVES_MAX = 200
VALUES_MAX = 64  # of one reading
DEPTH_MAX = 6
_NUMBER = re.compile(r"\s*([-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d{1,3})?)\s*([^\d\s.].{0,15})?\s*")
_TRAILING_PLACE = re.compile(r"(.+?)[_ .-]+(\d{1,4}(?:cm|m)?)")
_PM_DECIMAL = re.compile(r"(?i)pm[_ .]?(1|10)[_.]0(?!\d)")  # PM1.0 is not PM10
Path = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Unmapped:
    """A value without a channel."""

    name: str
    value: Any
    reason: str


@dataclass(frozen=True, slots=True)
class Named:
    """What an operator says of a name: our channel ("": ignore), and their unit where the decoder writes none."""

    channel: str
    unit: str = ""


Names = Mapping[str, Named]
NO_NAMES: Names = {}


@dataclass(frozen=True, slots=True)
class Mapped:
    """Values by channel, in our units, and what is left."""

    values: dict[str, float]
    unmapped: tuple[Unmapped, ...]


def map_object(
    decoded: Mapping[str, Any], names: Names = NO_NAMES, prefix: Path = (), soil_probe: bool | None = None
) -> Mapped:
    """The channels in a decoder's output. Nothing is lost: what is not in `values` is in `unmapped`.

    `prefix`: where in a larger object this one stands, for names only. `soil_probe`: whether the device has one, where
    this object alone cannot tell.
    """
    leaves = list(_leaves(decoded, ()))
    probe = has_soil_probe(decoded) if soil_probe is None else soil_probe
    values: dict[str, float] = {}
    unmapped: list[Unmapped] = []
    for path, value, unit in leaves[:LEAVES_MAX]:
        name = ".".join((*prefix, *path))
        given = names.get(name) or names.get(".".join(path))
        if given and not given.channel:
            continue
        try:
            channel, number = _taken(path, value, unit, given, probe)
            if channel in values:
                raise _NotTaken("there is another %s in this message" % channel)
            if len(values) == VALUES_MAX:
                raise _NotTaken("too many values")
            values[channel] = number
        except _NotTaken as no:
            unmapped.append(Unmapped(name, value, str(no)))
    unmapped += [
        Unmapped(".".join((*prefix, *path)), value, "too many values") for path, value, _ in leaves[LEAVES_MAX:]
    ]
    return Mapped(values, tuple(unmapped))


def has_soil_probe(decoded: Mapping[str, Any]) -> bool:
    """Whether a plain `temperature` may be the soil's: soil moisture is there, and no soil temperature by name."""
    paths = [path for path, _, _ in _leaves(decoded, ())]
    return any(_squeezed(path[-1]) in vendor.SOIL for path in paths) and not any(
        vendor.NAMES.get(_squeezed("".join(path))) == "soil_temperature" for path in paths
    )


def names_and_values(decoded: Any, prefix: Path = ()) -> Iterator[tuple[str, Any]]:
    """Everything in it under its dotted name, for a report."""
    for path, value, _ in _leaves(decoded, ()):
        yield ".".join((*prefix, *path)), value


class _NotTaken(Exception):
    """Why a value has no channel."""


def _taken(path: Path, value: Any, unit: str, given: Named | None, soil_probe: bool) -> tuple[str, float]:
    number, written = _number(value)
    unit = unit or written or (given.unit if given else "")
    channel, key = (given.channel, "") if given else _channel(path)
    if soil_probe and key in vendor.AIR_OR_SOIL:
        raise _NotTaken("air or soil? this device has a soil probe")
    try:
        quantity, _ = split(channel)
    except ChannelError as error:
        raise _NotTaken(str(error)) from None
    if not unit and key in vendor.NEEDS_UNIT:
        raise _NotTaken("no unit")
    if not unit and key in vendor.VOLTS_OR_PERCENT and (number == int(number) or not 0.5 < number < 5):
        raise _NotTaken("volts or per cent?")  # makers send per cent as whole numbers and volts with decimals
    if quantity.unit == "°C" and number in vendor.NO_PROBE:
        raise _NotTaken("no probe is connected")
    if key in vendor.IN_MILLIVOLT:
        unit = unit or "mV"
    return channel, _in_our_unit(number, unit, quantity.unit)


def _channel(path: Path) -> tuple[str, str]:
    """`(channel, squeezed name)` of a path. Raises _NotTaken."""
    while len(path) > 1 and (_squeezed(path[0]) in vendor.GROUPS or path[0].isdigit()):
        path = path[1:]
    place = ""
    key = _squeezed("".join(path))
    if _quantity(key) is None:
        match = _TRAILING_PLACE.fullmatch(".".join(path))
        if match:
            key, place = _squeezed(match[1]), numbered(int(match[2])) if match[2].isdigit() else match[2]
    quantity = _quantity(key)
    if quantity is None:
        raise _NotTaken("no quantity of ours has this name")
    return join(quantity, place), key


def _quantity(key: str) -> str | None:
    return "battery" if key in vendor.IN_MILLIVOLT else vendor.NAMES.get(key)


def _squeezed(name: str) -> str:
    name = _PM_DECIMAL.sub(r"pm\1", name)
    return re.sub(r"[^0-9a-z]", "", name.lower())


def _leaves(value: Any, path: Path) -> Iterator[tuple[Path, Any, str]]:
    """`(path, value, unit)` of everything that is not a container; `{"value": 1, "unit": "V"}` is one value."""
    if isinstance(value, dict) and "value" in value and not isinstance(value["value"], dict | list):
        unit = value.get("unit")
        yield path or ("value",), value["value"], unit if isinstance(unit, str) else ""
        beside = {k: v for k, v in value.items() if k != "value" and not isinstance(v, str)}  # texts are its labels
        for key, inner in beside.items():
            yield from _leaves(inner, (*path, str(key)))
    elif isinstance(value, dict | list) and len(path) < DEPTH_MAX:
        pairs = value.items() if isinstance(value, dict) else enumerate(value, 1)
        for key, inner in pairs:
            yield from _leaves(inner, (*path, str(key)))
    elif value is not None and path:
        yield path, value, ""


def _number(value: Any) -> tuple[float, str]:
    """`(number, unit)`; decoders write `21.5`, `"21.5"` and `"21.5 °C"`."""
    if isinstance(value, str):
        match = _NUMBER.fullmatch(value)
        if match is None:
            raise _NotTaken("not a number")
        number, unit = float(match[1]), (match[2] or "").strip()
    elif isinstance(value, bool) or not isinstance(value, int | float):
        raise _NotTaken("not a number")
    else:
        number, unit = value, ""
    if not abs(number) < 1e18:  # also what is not finite
        raise _NotTaken("no number that a sensor can mean")
    return float(number), unit


def conversion(unit: str, ours: str) -> tuple[float, float] | None:
    """(factor, offset) from a unit as people write it into ours, None where there is none."""
    written = re.sub(r"[\s.⋅·*^]", "", unit.lower()).translate(str.maketrans("μ³²⁻¹", "µ32-1"))
    return (1, 0) if unit == ours else vendor.UNITS.get(ours, {}).get(written)


def _in_our_unit(number: float, unit: str, ours: str) -> float:
    if not unit or unit == ours:
        return number
    found = conversion(unit, ours)
    if found is None:
        raise _NotTaken("the unit %s cannot be turned into %s" % (unit, ours))
    factor, offset = found
    return round(number * factor + offset, 6)
