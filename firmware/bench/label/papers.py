"""Label papers: how many labels are on a sheet, how large, and where. Millimetres. Pure.

The sheets are A4 with the labels in its middle, which is how the makers cut them; a roll is a page of one label.
"""

import re
from dataclasses import dataclass

from firmware.bench.trouble import WrongUse
from firmware.bench.words import say

A4 = (210.0, 297.0)


@dataclass(frozen=True, slots=True)
class Paper:
    """`gap_x`, `gap_y`: between two labels; `page`: width and height."""

    columns: int
    rows: int
    width: float
    height: float
    gap_x: float = 0.0
    gap_y: float = 0.0
    page: tuple[float, float] = A4

    @property
    def labels(self) -> int:
        """On a page."""
        return self.columns * self.rows

    def corner(self, n: int) -> tuple[float, float]:
        """Left and upper edge of the n-th label of a page, line by line from 0."""
        row, column = divmod(n, self.columns)
        left = (self.page[0] - self.columns * self.width - (self.columns - 1) * self.gap_x) / 2
        top = (self.page[1] - self.rows * self.height - (self.rows - 1) * self.gap_y) / 2
        return left + column * (self.width + self.gap_x), top + row * (self.height + self.gap_y)


PAPERS = {
    "70x36": Paper(3, 8, 70, 36),  # Avery Zweckform 3475
    "70x37": Paper(3, 8, 70, 37),  # 3474
    "63.5x33.9": Paper(3, 8, 63.5, 33.9, 2.54),  # L7159
    "63.5x38.1": Paper(3, 7, 63.5, 38.1, 2.54),  # L7160
    "52.5x29.7": Paper(4, 10, 52.5, 29.7),  # 3651
    "roll-62x29": Paper(1, 1, 62, 29, page=(62, 29)),
}
_OWN = re.compile(
    r"(\d{1,2})x(\d{1,2}):(\d{1,3}(?:\.\d+)?)x(\d{1,3}(?:\.\d+)?)(?::(\d{1,2}(?:\.\d+)?)x(\d{1,2}(?:\.\d+)?))?"
)


def paper(name: str) -> Paper:
    """By its name, or `3x8:70x36`, or with gaps `3x8:63.5x33.9:2.5x0`. Raises WrongUse."""
    if name in PAPERS:
        return PAPERS[name]
    found = _OWN.fullmatch(name)
    if found:
        columns, rows, width, height, gap_x, gap_y = (float(part or 0) for part in found.groups())
        own = Paper(int(columns), int(rows), width, height, gap_x, gap_y)
        if columns and rows and width >= 25 and height >= 12 and min(own.corner(0)) >= -0.01:
            return own
    raise WrongUse(
        say(
            "there is no label paper '%s': use one of %s, or COLUMNSxROWS:WIDTHxHEIGHT in mm that fits on A4",
            "ein Etikettenpapier '%s' gibt es nicht: möglich sind %s, oder SPALTENxZEILEN:BREITExHÖHE in mm, was auf"
            " A4 passt",
            name,
            ", ".join(PAPERS),
        )
    )
