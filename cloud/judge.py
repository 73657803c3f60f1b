"""Judgement at the door: physical range. Pure.

Letters after MADIS (NOAA, "MADIS Meteorological Surface Quality Control"): C passed the coarse check, X failed it.
Nothing is dropped; the reason follows the letter.
"""

from collections.abc import Mapping

from schemas.channels import split

COARSE = "C"
FAILED_RANGE = "X range"


def judge(values: Mapping[str, float]) -> dict[str, str]:
    """Letter and reason codes of every channel's value."""
    return {channel: COARSE if _in_range(channel, value) else FAILED_RANGE for channel, value in values.items()}


def _in_range(channel: str, value: float) -> bool:
    low, high = limits_of(channel)
    return bool(low <= value <= high)


_known: dict[str, tuple[float, float]] = {}


def limits_of(channel: str) -> tuple[float, float]:
    """The physical range of a channel's quantity. Raises ChannelError."""
    limits = _known.get(channel)
    if limits is None:
        quantity, _ = split(channel)
        limits = (quantity.minimum, quantity.maximum)
        if len(_known) < 10_000:
            _known[channel] = limits
    return limits
