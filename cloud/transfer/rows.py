"""What a file of data is made of, whoever wrote it: values, days of a reference series, rows that are wrong. Pure.

Every parser yields these three and nothing else, so that checking, writing and reporting know no format. A row that is
wrong is a value and stands in its place among the others; only a file that cannot be read at all is an exception.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple


class ValueRow(NamedTuple):
    """One value of one channel; `quality` None: the file does not judge it."""

    line: int
    station: str
    device: str
    time_ms: int
    channel: str
    value: float
    quality: str | None = None
    generation: int | None = None
    seq: int | None = None


class DayRow(NamedTuple):
    """One day of a daily reference series; `day` is a date as the source writes it, not an interval of ours."""

    line: int
    station: str
    source: str
    day: str
    series: str
    value: float
    quality: str


class BadRow(NamedTuple):
    """Why a row is not taken; `line` counts from 1, the header is line 1."""

    line: int
    reason: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.reason}"


Row = ValueRow | DayRow | BadRow
REJECTED = (
    "rejected_line",
    "rejected_reason",
)  # columns that we add to rows that were not taken; parsers pass them over


class UnreadableFile(Exception):
    """The file as a whole cannot be taken; the message is one sentence with the way out."""


def reason_of(error: ValueError) -> str:
    """Why a row is wrong; a text that is not UTF-8 cannot be shown."""
    text = str(error)
    if any("\udc80" <= c <= "\udcff" for c in text):
        return "not UTF-8; save the file as 'CSV UTF-8'"
    return text


@dataclass(slots=True)
class Tally:
    """What a parser passes over on purpose: values that the file marks as missing."""

    missing: int = 0
    missing_by_column: Counter[str] = field(default_factory=Counter)
