"""One line of the check-list: what was looked at, its colour, the reason and the way out. Pure.

The rule: the worst colour is the whole's; what was not looked at is yellow and says so, never green. `name` is the
same in both languages and for scripts; reason and way out are in the terminal's.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

from firmware.bench.words import say

Colour = Literal["green", "yellow", "red"]
ORDER: tuple[Colour, ...] = ("green", "yellow", "red")


@dataclass(frozen=True)
class Check:
    """`values`: the figures behind the colour, for the protocol."""

    name: str
    colour: Colour
    reason: str
    way_out: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """As the protocol and `--json` have it."""
        return {
            "name": self.name,
            "colour": self.colour,
            "reason": self.reason,
            "way_out": self.way_out,
            "values": dict(self.values),
        }


def green(name: str, reason: str, values: Mapping[str, Any] = MappingProxyType({})) -> Check:
    """As it should be."""
    return Check(name, "green", reason, "", values)


def yellow(name: str, reason: str, way_out: str, values: Mapping[str, Any] = MappingProxyType({})) -> Check:
    """A person should look at it, or nobody could."""
    return Check(name, "yellow", reason, way_out, values)


def red(name: str, reason: str, way_out: str, values: Mapping[str, Any] = MappingProxyType({})) -> Check:
    """Not to be left like this."""
    return Check(name, "red", reason, way_out, values)


def together(name: str, checks: Sequence[Check], all_green: str) -> Check:
    """Several as one: the worst colour, the reasons of all that are not green."""
    bad = sorted((one for one in checks if one.colour != "green"), key=lambda one: -ORDER.index(one.colour))
    values = {key: value for one in checks for key, value in one.values.items()}
    if not bad:
        return green(name, all_green, values)
    return Check(name, bad[0].colour, "; ".join(one.reason for one in bad), bad[0].way_out, values)


def worst(checks: Iterable[Check]) -> Colour:
    """The colour of the whole; red where nothing was looked at at all."""
    return max((check.colour for check in checks), key=ORDER.index, default="red")


def colour_word(colour: Colour) -> str:
    """The colour in words, for who cannot see it."""
    return {
        "green": say("ok", "gut"),
        "yellow": say("look", "ansehen"),
        "red": say("wrong", "falsch"),
    }[colour]


def label(name: str) -> str:
    """A check's name as a technician reads it; `sensor air` and the like keep what is behind the blank."""
    kind, _, which = name.partition(" ")
    known = {
        "image": say("image", "Image"),
        "board": say("board", "Karte"),
        "identity": say("identity", "Identität"),
        "configuration": say("configuration", "Konfiguration"),
        "sensor": say("sensor", "Sensor"),
        "agreement": say("sensors together", "Sensoren untereinander"),
        "neighbours": say("neighbours", "Nachbarn"),
        "battery": say("battery", "Batterie"),
        "clock": say("clock", "Uhr"),
        "outbox": say("outbox", "Speicher"),
        "radio": say("radio", "Funk"),
        "firmware": say("firmware", "Firmware"),
        "cloud": say("cloud", "Cloud"),
    }
    return f"{known.get(kind, kind)} {which}".strip()
