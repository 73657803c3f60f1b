"""How large a station's frames are, whatever it measures: for docs/device.md and `klimanetz device energy`.

The rule: the largest frame that ordinary conditions allow (docs/wire.md, "The promise"), not a kind example: every
reading is as far from the one before as its quantities allow.
"""

from collections.abc import Sequence

from edge.sensors.chips import CHIPS
from schemas.quantities import BY_NAME
from schemas.wire import WireReading, encode
from schemas.wire_fields import BASES

USUAL = BASES[2]  # air temperature, humidity, pressure, battery
_TIME_S = 1795342500
_SEQ = 200_000
_STEP_S = 900
_BATTERY_V = 5.09  # the most that its width holds


def channels_of(chips: Sequence[str]) -> list[str]:
    """What a station with these chips sends, one channel a quantity; several of a kind have places."""
    found: list[str] = []
    for quantity in [quantity for chip in chips for quantity in CHIPS[chip].quantities]:
        n = sum(channel.partition("@")[0] == quantity for channel in found)
        found.append(f"{quantity}@{n}m" if n else quantity)
    return found if "battery" in found else [*found, "battery"]


def _extreme(channel: str, high: bool) -> float:
    quantity = BY_NAME[channel.partition("@")[0]]
    if quantity.name == "battery":
        return _BATTERY_V if high else 0.0
    return float(quantity.maximum if high else quantity.minimum)


def readings(n: int, channels: Sequence[str] = USUAL) -> list[WireReading]:
    """The newest and n - 1 before it, each at the other end of every range."""
    return [
        WireReading(
            1, _SEQ - i, _TIME_S - i * _STEP_S, None, "rtc", 30, {c: _extreme(c, i % 2 == 0) for c in channels}, 0
        )
        for i in range(n)
    ]


def frame_bytes(n: int, channels: Sequence[str] = USUAL) -> int:
    """Bytes of a frame with n readings, at most."""
    payload, taken = encode(readings(n, channels))
    assert taken == n
    return len(payload)


def readings_in(limit: int, channels: Sequence[str] = USUAL) -> int:
    """How many readings fit in a frame of `limit` bytes, at least. 0 where not even one does."""
    if frame_bytes(1, channels) > limit:
        return 0
    return encode(readings(64, channels), limit)[1]
