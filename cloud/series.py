"""From single values to calendar intervals, in constant memory. Pure.

What a mean is depends on the quantity: on the circle for a direction, of the powers for a level in dB. A counter is
read as increments: a change of device starts anew, a fall below half is a restart from zero, a fall from the top of
the range is a roll-over. Values judged X or B are counted in `flagged` and stay out, unless all are asked for.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from math import isfinite
from typing import Literal

from cloud.accumulators import DECIMALS, accumulator
from cloud.calendar import Calendar
from cloud.store.model import Value
from schemas.quantities import COUNTER, ENERGY, MAXIMUM, MEAN, SUM, VECTOR, Quantity

FLAGGED = "XB"  # letters of values that stay out
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
Include = Literal["ok", "all"]


class AggregateError(ValueError):
    """The quantity has no such aggregate; the message names those that it has."""


@dataclass(frozen=True, slots=True)
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
) -> Iterator[Row]:
    """Rows of the intervals that have values; `values` by time, those before `start_ms` only tell a counter's state.

    Raises EveryError and AggregateError at once, before anything is read.
    """
    calendar, names = Calendar(every, tz), aggregates_of(quantity, aggs)
    return _rows(values, quantity, calendar, names, include == "all", start_ms)


def increments(values: Iterable[Value], quantity: Quantity) -> Iterator[Value]:
    """A counter's readings as what was added since the reading before; the first of a device adds nothing known."""
    counter = _Counter(quantity.maximum)
    for one in values:
        if is_flagged(one.quality):
            continue
        added = counter.added(one)
        if added is not None:
            yield Value(one.time_ms, round(added, DECIMALS), one.quality, one.device)


def _rows(
    values: Iterable[Value],
    quantity: Quantity,
    calendar: Calendar,
    names: tuple[str, ...],
    all_count: bool,
    start_ms: int | None,
) -> Iterator[Row]:
    counter = _Counter(quantity.maximum) if quantity.kind == COUNTER else None
    interval: _Interval | None = None
    for one in values:
        time_ms = one.time_ms
        flagged = one.quality[:1] in FLAGGED
        used = all_count or not flagged
        added = counter.added(one) if counter is not None and used else None
        if start_ms is not None and time_ms < start_ms:
            continue
        if interval is None or time_ms >= interval.end_ms:
            if interval is not None:
                yield interval.row()
            interval = _Interval(calendar.bounds(time_ms), quantity.kind, names)
        interval.flagged += flagged
        if used:
            interval.add(one.value, added)
    if interval is not None:
        yield interval.row()


class _Interval:
    """What is kept of the interval being read."""

    def __init__(self, bounds: tuple[int, int], kind: str, names: tuple[str, ...]) -> None:
        self.start_ms, self.end_ms = bounds
        self.count = 0
        self.flagged = 0
        self._sums = [accumulator(name, kind) for name in names]
        self._of_values = [s.add for s, name in zip(self._sums, names, strict=True) if name != "difference"]
        self._of_increments = [s.add for s, name in zip(self._sums, names, strict=True) if name == "difference"]

    def add(self, value: float, added: float | None) -> None:
        self.count += 1
        for add in self._of_values:
            add(value)
        if added is not None:
            for add in self._of_increments:
                add(added)

    def row(self) -> Row:
        results = (one.result() for one in self._sums)
        rounded = tuple(None if one is None or not isfinite(one) else round(one, DECIMALS) for one in results)
        return Row(self.start_ms, self.end_ms, rounded, self.count, self.flagged)


class _Counter:
    """Tells what each reading of a running total adds."""

    def __init__(self, maximum: float) -> None:
        self._maximum = maximum
        self._before: Value | None = None

    def added(self, reading: Value) -> float | None:
        before, self._before = self._before, reading
        if before is None or before.device != reading.device:
            return None
        if reading.value >= before.value:
            return reading.value - before.value
        if before.value >= 0.9 * self._maximum and reading.value <= 0.1 * self._maximum:
            return self._maximum - before.value + reading.value
        # A meter that starts anew counts from zero; a small step back is a correction and adds nothing.
        return reading.value if reading.value < before.value / 2 else 0.0
