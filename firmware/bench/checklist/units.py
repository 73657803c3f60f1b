"""Values as the terminal's language writes them, with the units of the one table of quantities. Pure."""

from firmware.bench.words import german
from schemas.quantities import BY_NAME


def name_of(channel: str) -> str:
    """The quantity in the terminal's language, with its place."""
    quantity, _, place = channel.partition("@")
    known = BY_NAME[quantity]
    label: str = known.label_de if german() else known.label_en
    return label + (f" ({place})" if place else "")


def shown(channel: str, value: float) -> str:
    """A value with its unit, in at most two of the digits that the wire carries."""
    known = BY_NAME[channel.split("@")[0]]
    return with_unit(value, known.unit, min(2, len(str(known.steps)) - 1))


def with_unit(value: float, unit: str, digits: int = 1) -> str:
    """`1` is the unit of what has none."""
    return number(value, digits) + ("" if unit == "1" else f" {unit}")


def number(value: float, digits: int = 1) -> str:
    """With a decimal comma in German."""
    text = f"{value:,.{digits}f}"
    return text.translate(str.maketrans(",.", ".,")) if german() else text
