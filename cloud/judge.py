"""Judgement at the door: physical range, and rate of change. Pure.

Letters after MADIS (NOAA, "MADIS Meteorological Surface Quality Control"): C passed the coarse check, X failed the
range, Q passed it and changed faster than is plausible. Nothing is dropped; the reason follows the letter.

The rule for the rate: a value is compared with the last one of its device and channel that was not itself doubted, if
that is no older than an hour. What may lie between grows with the time between them, from the quantity's step within a
minute to that within an hour. So a spike is doubted and the return from it is not, and a level that stays where it
jumped to is accepted after an hour at the latest.
"""

from collections.abc import Mapping

from schemas.channels import split

COARSE = "C"
FAILED_RANGE = "X range"
FAILED_STEP = "Q step"
MINUTE_MS, HOUR_MS = 60_000, 3_600_000
NO_LIMIT = float("inf")


def judge(values: Mapping[str, float]) -> dict[str, str]:
    """Letter and reason codes of every channel's value, by its range."""
    return {channel: COARSE if _in_range(channel, value) else FAILED_RANGE for channel, value in values.items()}


def _in_range(channel: str, value: float) -> bool:
    low, high, _, _ = _limits(channel)
    return bool(low <= value <= high)


_known: dict[str, tuple[float, float, float, float]] = {}


def _limits(channel: str) -> tuple[float, float, float, float]:
    limits = _known.get(channel)
    if limits is None:
        quantity, _ = split(channel)
        steps = (quantity.step_minute or NO_LIMIT, quantity.step_hour or NO_LIMIT)
        limits = (quantity.minimum, quantity.maximum, *steps)
        if len(_known) < 10_000:
            _known[channel] = limits
    return limits


def limits_of(channel: str) -> tuple[float, float]:
    """The physical range of a channel's quantity. Raises ChannelError."""
    return _limits(channel)[:2]


def step_within_a_minute(channel: str) -> float:
    """The step of a channel's quantity that is never doubted. Raises ChannelError."""
    return _limits(channel)[2]


def is_step(channel: str, between_ms: int, difference: float) -> bool:
    """Whether two values of a channel differ by more than is plausible so shortly one after the other."""
    _, _, minute, hour = _limits(channel)
    return between_ms <= HOUR_MS and abs(difference) > min(minute * max(1.0, between_ms / MINUTE_MS), hour)
