"""Parts of the binary wire format, version 1: which channels a frame carries, and one channel's values.

A value travels as the whole number n = round(value * steps) of its quantity, so that n / steps gives the
decimal back exactly. Whatever n is not within the channel's width still travels, as a 32-bit float.
The bit table is docs/wire.md. Runs on MicroPython and CPython.
"""

from struct import pack, unpack

from schemas.bits import BitReader, BitWriter
from schemas.channels import PLACE_ALPHABET, PLACE_MAX, ChannelError, is_place, join, split
from schemas.quantities import BY_NAME, BY_WIRE_ID, Quantity
from schemas.wire_base import WireError

CHANNELS_MAX = 64
BASES: tuple[tuple[str, ...], ...] = (  # channel sets that cost two bits
    (),
    ("air_temperature", "relative_humidity", "battery"),
    ("air_temperature", "relative_humidity", "air_pressure", "battery"),
    (
        "air_temperature",
        "relative_humidity",
        "air_pressure",
        "battery",
        "wind_speed",
        "wind_direction",
        "precipitation_total",
    ),
)

_NO_PLACE, _CENTIMETRES, _DECIMETRES, _TEXT = 0, 1, 2, 3
_CENTIMETRES_WIDTH, _DECIMETRES_WIDTH = 9, 8
_CHARACTER_WIDTH = 6
_FLOAT32_MAX = 3.4e38  # what a 32-bit float still holds on every platform
_COUNTABLE = 2.0**33  # beyond it n is not counted: a float has no such decimals left
_DELTA_BASE = 1 << 20  # an escaped n below this is the same number on a device whose floats have 24 bits


class Channel:
    """One channel of a frame, with the n of the last reading that had it (None: there is none to count from)."""

    __slots__ = ("bits", "last", "low", "name", "steps", "widths")

    def __init__(self, quantity: Quantity, place: str) -> None:
        self.name = join(quantity.name, place)
        self.steps: int = quantity.steps
        self.bits: int = quantity.bits
        self.widths = difference_widths(quantity.bits)
        self.low: int = quantity.low * quantity.steps  # n at raw 0
        self.last: int | None = None


def difference_widths(bits: int) -> tuple[int, int]:
    """Bits of a small and of a medium difference between two readings of a channel with `bits`."""
    return (bits + 1) // 3, bits // 2 + 1


def put_channels(out: BitWriter, names) -> list[Channel]:
    """The header's channel set; returns the channels in the order in which values follow."""
    base = 0
    for i in range(1, len(BASES)):
        if len(BASES[i]) > len(BASES[base]) and all(name in names for name in BASES[i]):
            base = i
    more = []
    for name in names:
        if name not in BASES[base]:
            quantity, place = split(name)
            more.append((quantity.wire_id, place))
    more.sort()
    out.put(base, 2)
    channels = [Channel(BY_NAME[name], "") for name in BASES[base]]
    for wire_id, place in more:
        out.put(1, 1)
        out.put(wire_id, 6)
        _put_place(out, place)
        channels.append(Channel(BY_WIRE_ID[wire_id], place))
    out.put(0, 1)
    return channels


def take_channels(bits: BitReader) -> list[Channel]:
    """The header's channel set."""
    channels = [Channel(BY_NAME[name], "") for name in BASES[bits.take(2)]]
    names = [channel.name for channel in channels]
    while bits.take(1):
        wire_id = bits.take(6)
        if wire_id not in BY_WIRE_ID:
            raise WireError("no quantity has the wire id %d" % wire_id)
        channel = Channel(BY_WIRE_ID[wire_id], _take_place(bits))
        if channel.name in names:
            raise WireError("the channel %s is listed twice" % channel.name)
        if len(names) == CHANNELS_MAX:
            raise WireError("more than %d channels" % CHANNELS_MAX)
        names.append(channel.name)
        channels.append(channel)
    if not channels:
        raise WireError("a frame without channels")
    return channels


def _put_place(out: BitWriter, place: str) -> None:
    for kind, width in ((_CENTIMETRES, _CENTIMETRES_WIDTH), (_DECIMETRES, _DECIMETRES_WIDTH)):
        number = _number(place, kind)
        if number is not None and not number >> width:
            out.put(kind, 2)
            out.put(number, width)
            return
    out.put(_TEXT if place else _NO_PLACE, 2)
    if place:
        out.put(len(place) - 1, 4)
        for character in place:
            out.put(PLACE_ALPHABET.index(character), _CHARACTER_WIDTH)


def _take_place(bits: BitReader) -> str:
    kind = bits.take(2)
    if kind == _NO_PLACE:
        return ""
    if kind == _CENTIMETRES:
        return _distance(bits.take(_CENTIMETRES_WIDTH), kind)
    if kind == _DECIMETRES:
        return _distance(bits.take(_DECIMETRES_WIDTH), kind)
    place = ""
    for _ in range(bits.take(4) + 1):
        index = bits.take(_CHARACTER_WIDTH)
        if index >= len(PLACE_ALPHABET):
            raise WireError("a place has a character that is none of %s" % PLACE_ALPHABET)
        place += PLACE_ALPHABET[index]
    if not is_place(place):
        raise WireError("'%s' is not a place" % place)
    return place


def _number(place: str, kind: int) -> int | None:
    """The number that `_distance` writes exactly as `place`, or None."""
    digits = "".join([c for c in place if c in "0123456789"])
    if not digits or len(place) > PLACE_MAX:
        return None
    number = int(digits)
    if kind == _DECIMETRES and "." not in place:
        number *= 10
    return number if _distance(number, kind) == place else None


def _distance(number: int, kind: int) -> str:
    if kind == _CENTIMETRES:
        return "%dcm" % number
    return "%d.%dm" % (number // 10, number % 10) if number % 10 else "%dm" % (number // 10)


def put_value(out: BitWriter, channel: Channel, value: float | tuple[int, int] | None) -> None:
    """A value in full: raw = n - low, or one of two reserved raws: absent (None), escaped into a 32-bit float."""
    if value is None:
        out.put((1 << channel.bits) - 1, channel.bits)
        return
    n = _count(channel, value)
    escape = (1 << channel.bits) - 2
    if n is not None and 0 <= n - channel.low < escape:
        out.put(n - channel.low, channel.bits)
        channel.last = n
        return
    out.put(escape, channel.bits)
    for byte in pack(">f", value if n is None else n / channel.steps):
        out.put(byte, 8)
    channel.last = _delta_base(n)


def put_next_value(out: BitWriter, channel: Channel, value: float | tuple[int, int] | None) -> None:
    """A value of an earlier reading: as the difference to the next newer one, where it is small, or in full."""
    n = None if value is None else _count(channel, value)
    if n is not None and channel.last is not None:
        difference = n - channel.last
        magnitude = difference if difference >= 0 else -difference - 1
        small, medium = channel.widths
        if not magnitude >> medium - 1:
            is_medium = magnitude >> small - 1 != 0
            out.put(is_medium, 2)
            out.put(difference, medium if is_medium else small)
            channel.last = n
            return
    out.put(1, 1)
    put_value(out, channel, value)


def take_value(bits: BitReader, channel: Channel) -> float | None:
    """A value in full, None where the reading lacks it."""
    raw = bits.take(channel.bits)
    if raw == (1 << channel.bits) - 1:
        return None
    if raw < (1 << channel.bits) - 2:
        channel.last = raw + channel.low
        return channel.last / channel.steps
    value: float = unpack(">f", bytes([bits.take(8), bits.take(8), bits.take(8), bits.take(8)]))[0]
    n = _count(channel, value)
    channel.last = _delta_base(n)
    return value if n is None else n / channel.steps


def take_next_value(bits: BitReader, channel: Channel) -> float | None:
    """A value of an earlier reading, None where it lacks it."""
    if bits.take(1):
        return take_value(bits, channel)
    width = channel.widths[bits.take(1)]
    if channel.last is None:
        raise WireError("%s is given as a difference to nothing" % channel.name)
    channel.last += bits.take_signed(width)
    return channel.last / channel.steps


def _count(channel: Channel, value: float | tuple[int, int]) -> int | None:
    """n = round(value * steps); None where the value is too large to be counted. A pair (a, b) means a / b."""
    if isinstance(value, tuple):
        if value[1] < 1 or abs(value[0]) >= _COUNTABLE * value[1]:
            raise WireError("%s: a pair of integers stands for a / b with b > 0, below 2^33" % channel.name)
        return (2 * value[0] * channel.steps + value[1]) // (2 * value[1])
    if not -_FLOAT32_MAX < value < _FLOAT32_MAX:
        raise WireError("%s is not a finite number" % channel.name)
    return round(value * channel.steps) if -_COUNTABLE < value < _COUNTABLE else None


def _delta_base(n: int | None) -> int | None:
    return n if n is not None and -_DELTA_BASE < n < _DELTA_BASE else None


def new_names(values, names: list[str]) -> list[str]:
    """The channels of one reading that are not among `names` yet. Raises WireError for what is none."""
    new = []
    n = 0
    for name in values:
        if values[name] is not None:
            n += 1
            if name not in names:
                try:
                    split(name)
                except ChannelError as error:
                    raise WireError(str(error)) from None
                new.append(name)
    if not 1 <= n <= CHANNELS_MAX:
        raise WireError("a reading has 1 to %d values, not %d" % (CHANNELS_MAX, n))
    return new
