"""Channels: what a station measures, `quantity` or `quantity@place`.

A place tells apart several of the same quantity at one station (`soil_moisture@30cm`). Places are short,
lower-case and safe in a URL, a topic and a database field. Runs on MicroPython and CPython.
"""

from schemas.quantities import BY_NAME

PLACE_MAX = 16
PLACE_ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789._-"
DEVICE_MAX = 64
_NAME_MORE = "._-"


class ChannelError(ValueError):
    """The text is not a channel; the message says why and what is allowed."""


def split(channel):
    """`(Quantity, place)` of a channel; place is "" where the channel names none. Raises ChannelError."""
    name, at, place = channel.partition("@")
    quantity = BY_NAME.get(name)
    if quantity is None:
        raise ChannelError("unknown quantity '%s'" % name)
    if at and not is_place(place):
        raise ChannelError("'%s' is not a place: 1 to 16 of a-z 0-9 . _ -, like 30cm" % place)
    return quantity, place


def join(quantity_name: str, place: str) -> str:
    """The channel of a quantity at a place ("" for none)."""
    return quantity_name + "@" + place if place else quantity_name


def is_place(text: str) -> bool:
    """Whether the text may stand behind `@`."""
    if not 1 <= len(text) <= PLACE_MAX or text[0] in _NAME_MORE:
        return False
    return all(c in PLACE_ALPHABET for c in text)


def is_name(text: str) -> bool:
    """Whether the text may name a device or a station: 1 to 64 of A-Z a-z 0-9 . _ -, a letter or digit first."""
    if not 1 <= len(text) <= DEVICE_MAX or text[0] in _NAME_MORE:
        return False
    return all(c in _NAME_MORE or c in PLACE_ALPHABET or "A" <= c <= "Z" for c in text)
