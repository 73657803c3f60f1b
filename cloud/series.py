"""From single values to calendar intervals, in constant memory. Pure.

What a mean is depends on the quantity: on the circle for a direction, of the powers for a level in dB. Counters and
rain add up as `cloud.counters` and `cloud.shares` say. Values judged X or B are counted in `flagged` and stay out,
unless all are asked for.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from math import isfinite
from typing import Literal

from cloud.accumulators import DECIMALS, FLAGGED, accumulator
from cloud.calendar import Calendar
from cloud.counters import Added, counted
from cloud.shares import shared
from cloud.store.model import Before, Value
from schemas.quantities import COUNTER, ENERGY, MAXIMUM, MEAN, SUM, VECTOR, Quantity

AGGREGATES = ("mean", "min", "max", "sum", "difference", "first", "last")
_MEASURED = ("mean", "min", "max", "first", "last")
_ALLOWED = {
    MEAN: _MEASURED,
    MAXIMUM: _MEASURED,
    ENERGY: _MEASURED,
    VECTOR: ("mean", "first", "last"),
    SUM: ("sum", *_MEASURED),
    COUNTER: ("difference", "min", "max", "first", "last"),
}
ADDING = (COUNTER, SUM)  # kinds of which several devices at one place tell the same
_ADDED = ("difference", "sum")
Include = Literal["ok", "all"]
_Step = tuple[Value, bool, float | None]  # a value, whether it is used, what it adds


class AggregateError(ValueError):
    """The quantity has no such aggregate; the message names those that it has."""


@dataclass(slots=True)
class Row:
    """One interval: [time_ms, end_ms), the aggregates in the order asked (None: not known)."""

    time_ms: int
    end_ms: int
    aggregates: tuple[float | None, ...]
    count: int
    flagged: int


def aggregates_of(quantity: Quantity, asked: Sequence[str] = ()) -> tuple[str, ...]:
    """What was asked for, or the quantity's own default. Raises AggregateError."""
    allowed = _ALLOWED[quantity.kind]
    for name in asked:
        if name not in allowed:
            raise AggregateError(f"'{name}' is no aggregate of {quantity.name}: use {', '.join(allowed)}")
    return tuple(dict.fromkeys(asked)) or (quantity.aggregate,)


def is_flagged(quality: str) -> bool:
    """Whether a value of this quality stays out of aggregates."""
    return quality[:1] in FLAGGED


def aggregate(
    values: Iterable[Value],
    quantity: Quantity,
    every: str,
    tz: tzinfo,
    aggs: Sequence[str],
    include: Include = "ok",
    start_ms: int | None = None,
    end_ms: int | None = None,
    before: Sequence[Before] = (),
) -> Iterator[Row]:
    """Rows of the intervals in [start, end) that have values; `values` by time.

    Of what adds up, those before `start_ms` (with `before`, what came before them) and those from `end_ms` on tell its
    state: with LIVE_MS of each, rows are the same whatever the range. Raises EveryError and AggregateError at once.
    """
    if quantity.kind in ADDING:
        added = counted(values, quantity, include == "all", before)
        return add_up(added, quantity, every, tz, aggs, start_ms, end_ms)
    calendar, names = Calendar(every, tz), aggregates_of(quantity, aggs)
    all_count = include == "all"
    steps = ((one, all_count or one.quality[:1] not in FLAGGED, None) for one in values)
    return _rows(steps, quantity, calendar, names, start_ms, end_ms)


def add_up(
    added: Iterable[Added],
    quantity: Quantity,
    every: str,
    tz: tzinfo,
    aggs: Sequence[str],
    start_ms: int | None = None,
    end_ms: int | None = None,
) -> Iterator[Row]:
    """As `aggregate`, of a counter or of increments whose amounts are known, wherever they were told from."""
    calendar, names = Calendar(every, tz), aggregates_of(quantity, aggs)
    steps = ((one.value, one.used, one.amount) for one in shared(added) if one.shown)
    return _rows(steps, quantity, calendar, names, start_ms, end_ms)


def _rows(
    steps: Iterable[_Step],
    quantity: Quantity,
    calendar: Calendar,
    names: tuple[str, ...],
    start_ms: int | None,
    end_ms: int | None,
) -> Iterator[Row]:
    interval: _Interval | None = None
    for one, used, added in steps:
        time_ms = one.time_ms
        if start_ms is not None and time_ms < start_ms:
            continue
        if end_ms is not None and time_ms >= end_ms:
            break
        if interval is None or time_ms >= interval.end_ms:
            if interval is not None:
                yield interval.row()
            interval = _Interval(calendar.bounds(time_ms), quantity.kind, names)
        interval.flagged += one.quality[:1] in FLAGGED
        if used:
            interval.add(one.value, added)
    if interval is not None:
        yield interval.row()


def rounded(result: float | None) -> float | None:
    """A result as it is told; None is not known, and so is what no number can hold."""
    return None if result is None or not isfinite(result) else round(result, DECIMALS)


class _Interval:
    """What is kept of the interval being read."""

    def __init__(self, bounds: tuple[int, int], kind: str, names: tuple[str, ...]) -> None:
        self.start_ms, self.end_ms = bounds
        self.count = 0
        self.flagged = 0
        self._sums = [accumulator(name, kind) for name in names]
        self._of_values = [s.add for s, name in zip(self._sums, names, strict=True) if name not in _ADDED]
        self._of_increments = [s.add for s, name in zip(self._sums, names, strict=True) if name in _ADDED]

    def add(self, value: float, added: float | None) -> None:
        self.count += 1
        for add in self._of_values:
            add(value)
        if added is not None:
            for add in self._of_increments:
                add(added)

    def row(self) -> Row:
        results = tuple(rounded(one.result()) for one in self._sums)
        return Row(self.start_ms, self.end_ms, results, self.count, self.flagged)
