"""When a device measures next. Pure.

The rule: at full intervals of UTC, so that the stations of a city measure at the same moments; a device that does not
know the time keeps its own rhythm until it does.
"""

EARLIEST = 10  # a moment that is nearer than this part of the interval belongs to the cycle that has just been


def left_ms(interval_s, began_ms, now_ms, utc_ms):
    """Milliseconds to sleep; `began_ms`, `now_ms`: uptime; `utc_ms`: what time it is now, None where nobody knows."""
    interval_ms = interval_s * 1000
    if utc_ms is None:
        return max(1, began_ms + interval_ms - now_ms)
    left = interval_ms - utc_ms % interval_ms
    return left if left > interval_ms // EARLIEST else left + interval_ms
