"""The last hours of one channel as an SVG path that stretches with the page. Pure.

The drawing has no text: labels stand beside it as HTML, so that they stay readable on a phone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median_low

WIDTH, HEIGHT, MARGIN = 1000, 100, 4
_GAP_MS = 3_600_000  # silence that at least must be for the line to break
Points = Sequence[tuple[int, float]]  # time_ms, value


@dataclass(frozen=True, slots=True)
class Scale:
    """From times and values to the drawing."""

    start_ms: int
    end_ms: int
    low: float
    high: float

    def x(self, time_ms: int) -> float:
        return round((time_ms - self.start_ms) / (self.end_ms - self.start_ms) * WIDTH, 1)

    def y(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low) if self.high > self.low else 0.5
        return round(HEIGHT - MARGIN - share * (HEIGHT - 2 * MARGIN), 1)


def line(points: Points, scale: Scale) -> str:
    """A path through the points, broken where nothing came for long."""
    steps = [after[0] - before[0] for before, after in pairwise(points)]
    gap_ms = max(_GAP_MS, 3 * median_low(steps)) if steps else _GAP_MS
    parts = []
    before_ms: int | None = None
    for time_ms, value in points:
        alone = before_ms is None or time_ms - before_ms > gap_ms
        # A stroke of no length shows as a dot, so that a single value is seen too.
        parts.append(f"{'M' if alone else 'L'}{scale.x(time_ms)} {scale.y(value)}{'h0' if alone else ''}")
        before_ms = time_ms
    return "".join(parts)


def dots(points: Points, scale: Scale) -> str:
    """A dot for each point, for what must not be joined, like directions."""
    return "".join(f"M{scale.x(time_ms)} {scale.y(value)}h0" for time_ms, value in points)


def bars(points: Points, scale: Scale, width_ms: int) -> str:
    """A bar for each point that is more than nothing; a point's time is the start of its interval."""
    parts = []
    for time_ms, value in points:
        if value > 0:
            left, right = max(0.0, scale.x(time_ms) + 3), min(WIDTH, scale.x(time_ms + width_ms) - 3)
            parts.append(f"M{left} {HEIGHT}V{scale.y(value)}H{right}V{HEIGHT}z")
    return "".join(parts)
