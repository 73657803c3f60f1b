"""The last hours of one channel as an SVG path that stretches with the page. Pure.

The drawing has no text: labels stand beside it, so that they stay readable on a phone. A quantity's axis spans at least
what is worth seeing, so that the last digit of an instrument does not look like weather.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import ceil, floor
from statistics import median_low

WIDTH, HEIGHT, MARGIN = 1000, 100, 4
_GAP_MS = 3_600_000  # silence that at least must be for the line to break
# By unit, what the axis spans at least; of others it is a share of the value.
_LEAST = {"°C": 1.0, "%": 5.0, "hPa": 2.0, "V": 0.2, "m/s": 1.0, "dB(A)": 5.0, "1": 1.0, "mm": 1.0}
_LEAST_SHARE = 0.05
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


def axis(low: float, high: float, unit: str, decimals: int) -> tuple[float, float]:
    """The ends of the axis for values from low to high: these, or further apart and round in the decimals shown."""
    digit = 10.0**-decimals
    least = max(_LEAST.get(unit, _LEAST_SHARE * max(abs(low), abs(high))), digit)
    least = ceil(round(least / digit, 6)) * digit
    if high - low >= least:
        return low, high
    bottom = floor(round(((low + high - least) / 2) / digit, 6)) * digit
    if low >= 0:
        bottom = max(bottom, 0.0)
    if unit == "%" and high <= 100:
        bottom = min(bottom, 100 - least)
    return round(bottom, decimals), round(max(bottom + least, ceil(round(high / digit, 6)) * digit), decimals)


def runs(points: Points) -> list[Points]:
    """The points in pieces, broken where nothing came for long."""
    steps = [after[0] - before[0] for before, after in pairwise(points)]
    gap_ms = max(_GAP_MS, 3 * median_low(steps)) if steps else _GAP_MS
    starts = [n for n in range(len(points)) if n == 0 or points[n][0] - points[n - 1][0] > gap_ms]
    return [points[start:end] for start, end in pairwise([*starts, len(points)])]


def line(points: Points, scale: Scale) -> str:
    """A path through each piece of more than one point."""
    pieces = [[f"{scale.x(time_ms)} {scale.y(value)}" for time_ms, value in run] for run in runs(points)]
    return "".join("M" + "L".join(piece) for piece in pieces if len(piece) > 1)


def alone(points: Points, scale: Scale) -> str:
    """A dot for each point that no line leads to."""
    return dots([run[0] for run in runs(points) if len(run) == 1], scale)


def dots(points: Points, scale: Scale) -> str:
    """A dot (a stroke of no length) for each point, for what must not be joined, like directions."""
    return "".join(f"M{scale.x(time_ms)} {scale.y(value)}h0" for time_ms, value in points)


def bars(points: Points, scale: Scale, width_ms: int) -> str:
    """A bar for each point that is more than nothing; a point's time is the start of its interval."""
    parts = []
    for time_ms, value in points:
        if value > 0:
            left, right = max(0.0, scale.x(time_ms) + 3), min(WIDTH, scale.x(time_ms + width_ms) - 3)
            parts.append(f"M{left} {HEIGHT}V{scale.y(value)}H{right}V{HEIGHT}z")
    return "".join(parts)
