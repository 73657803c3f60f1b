"""Import: look through a whole file, then write it in batches, and be able to go on after any interruption.

The rule: a file with a row that is wrong is not begun, unless one says so (`skip_bad`); then those rows are kept as
they came, with their reasons, in a file of their own. Writing is idempotent (the store's key is station, device,
time), so a batch that was written and not yet noted is written again and changes nothing. Memory: one batch.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, Any, Protocol

from cloud.judge import judge
from cloud.reference import Daily
from cloud.store.model import Point, PointsRejected
from cloud.transfer.opening import Moved, nothing
from cloud.transfer.rows import BadRow, DayRow, Row, Tally, UnreadableFile, ValueRow
from cloud.transfer.screening import (
    BAD_SHOWN,
    Contradicted,
    Key,
    Order,
    Screened,
    contradiction,
    contradictions,
    key_and_time,
    screened,
)
from cloud.transfer.sources import Opened, Source
from cloud.transfer.state import State, StateFile

BATCH_VALUES = 20_000
CONTRADICTIONS_MAX = 100_000
Changed = Callable[[set[str]], None]


class PointStore(Protocol):
    """Where points go."""

    def write(self, points: list[Point]) -> None: ...


class DayStore(Protocol):
    """Where days of reference series go."""

    def put(self, days: list[Daily]) -> None: ...


class RowsRefused(Exception):
    """The file has rows that are wrong, and nothing was written."""

    def __init__(self, look: Screened) -> None:
        super().__init__(f"{look.rejected} rows are wrong")
        self.look = look


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done with one source."""

    source: Source
    known: Callable[[str], str | None]  # a station of the file -> ours
    unknown: str  # the way out where there is none
    now_ms: int
    skip_bad: bool
    rejected: Path  # where rows go that are not taken

    def rows(self, opened: Opened, tally: Tally) -> Iterator[Row]:
        return screened(opened.parser.rows(tally), self.known, self.unknown, self.now_ms)


@dataclass(slots=True)
class Outcome:
    """What became of one source."""

    state: State
    missing: dict[str, int]
    not_taken: tuple[str, ...]
    resumed_at: int = 0  # rows that an earlier run had stored


def look(plan: Plan, moved: Moved = nothing) -> tuple[Screened, Contradicted]:
    """The first pass. Raises UnreadableFile, OSError."""
    found = Screened()
    order = Order()
    beside: dict[Key, tuple[int, list[BadRow]]] = {}  # of neighbours: how often the same again, and contradictions
    with plan.source.open(moved) as opened:
        for row in plan.rows(opened, Tally()):
            if isinstance(row, BadRow):
                _bad(found, row)
                continue
            line = order.repeats(row)
            if line != 0:
                repeated, bad = beside.get(key := key_and_time(row)[0], (0, []))
                if line is None:
                    bad.append(contradiction(row, order.line_before(row)))
                beside[key] = (repeated + (line is not None), bad)
            _count(found, row)
    contradicted: Contradicted = {}
    for key, (repeated, bad) in beside.items():
        if key not in order.broken:
            found.repeated += repeated
            for one in bad:
                _contradicted(found, contradicted, one, key[2])
    if order.broken:
        with plan.source.open(moved) as opened:
            for _, channel, wrong in contradictions(plan.rows(opened, Tally()), order.broken):
                if wrong is None:
                    found.repeated += 1
                else:
                    _contradicted(found, contradicted, wrong, channel)
    found.bad.sort(key=lambda row: row.line)
    return found, contradicted


def run(
    plan: Plan,
    store: PointStore,
    days: DayStore,
    file: StateFile,
    moved: Moved = nothing,
    changed: Changed | None = None,
) -> Outcome:
    """Both passes, or the rest of the second. Raises RowsRefused, UnreadableFile, OSError and what the stores raise."""
    state = file.load()
    resumed_at = state.rows if state else 0
    if state is None:
        state = _begin(plan, moved)
        file.save(state)
    tally = Tally()
    try:
        not_taken = _write(plan, store, days, state, file, tally, moved)
    finally:
        if changed is not None and state.stations:
            changed(set(state.stations))
    file.forget()
    return Outcome(state, dict(tally.missing_by_column), not_taken, resumed_at)


def _begin(plan: Plan, moved: Moved) -> State:
    found, contradicted = look(plan, moved)
    if found.rejected and not plan.skip_bad:
        raise RowsRefused(found)
    summary: dict[str, Any] = {
        "repeated": found.repeated,
        "first_ms": found.first_ms,
        "last_ms": found.last_ms,
        "expected": found.values + found.days,
        "bad": [asdict_row(row) for row in found.bad],
    }
    pairs = [(line, channel) for line, channels in contradicted.items() for channel in channels]
    return State(plan.source.part.name, contradicted=pairs, look=summary)


def asdict_row(row: BadRow) -> dict[str, Any]:
    """For reports."""
    return {"line": row.line, "reason": row.reason}


def _write(
    plan: Plan, store: PointStore, days: DayStore, state: State, file: StateFile, tally: Tally, moved: Moved
) -> tuple[str, ...]:
    contradicted = set(state.contradicted)
    batch = Batch()
    with ExitStack() as stack:
        opened = stack.enter_context(plan.source.open(moved))
        rejects = _Rejects(stack, plan, opened, state) if plan.skip_bad else None
        rows = plan.rows(opened, tally)
        done = sum(1 for _ in islice(rows, state.rows))
        for row in rows:
            done += 1
            if isinstance(row, BadRow) or (contradicted and (row.line, key_and_time(row)[0][2]) in contradicted):
                state.rejected += 1
                if rejects is not None:
                    rejects.add(row if isinstance(row, BadRow) else BadRow(row.line, "contradicts an earlier line"))
            else:
                batch.add(row)
            if batch.size >= BATCH_VALUES:
                _flush(batch, store, days, state, done, file, rejects)
        _flush(batch, store, days, state, done, file, rejects)
        return opened.parser.not_taken


def _flush(
    batch: "Batch", store: PointStore, days: DayStore, state: State, done: int, file: StateFile,
    rejects: "_Rejects | None",
) -> None:  # fmt: skip
    """Durable first, noted after."""
    points = batch.points()
    if points:
        try:
            store.write(points)
        except PointsRejected as error:
            raise UnreadableFile(
                f"the store refuses {len(error.points)} readings of {state.name} ({error.reason}): what it takes is "
                "stored, the file is not done"
            ) from error
    if batch.days:
        days.put(batch.days)
    if rejects is not None:
        state.rejected_bytes = rejects.flush()
    state.values += batch.values
    state.days += len(batch.days)
    state.stations = sorted({*state.stations, *batch.stations})
    state.rows = done
    file.save(state)
    batch.clear()


class Batch:
    """Values put together to points, in memory."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        self._points: dict[tuple[str, str, int], Point] = {}
        self.days: list[Daily] = []
        self.values = 0
        self.stations: set[str] = set()

    @property
    def size(self) -> int:
        return self.values + len(self.days)

    def add(self, row: ValueRow | DayRow) -> None:
        self.stations.add(row.station)
        if isinstance(row, DayRow):
            self.days.append(Daily(row.station, row.series, row.day, row.value, row.quality, row.source))
            return
        assert isinstance(row, ValueRow)
        self.values += 1
        _, station, device, time_ms, channel, value, quality, generation, seq = row
        key = (station, device, time_ms)
        point = self._points.get(key)
        if point is None or (generation, seq) != (point.generation, point.seq):
            if point is not None:  # another row of the same point knows its count, or knows it better
                generation = point.generation if generation is None else generation
                seq = point.seq if seq is None else seq
            values, judged = (point.values, point.quality) if point is not None else ({}, {})
            point = self._points[key] = Point(station, device, time_ms, values, judged, generation, seq)
        point.values[channel] = value  # type: ignore[index]
        if quality is not None:
            point.quality[channel] = quality  # type: ignore[index]

    def points(self) -> list[Point]:
        """What the file does not judge is judged at the door, as a reading that arrives."""
        for point in self._points.values():
            values, quality = point.values, point.quality
            if len(quality) < len(values):
                unjudged = {channel: value for channel, value in values.items() if channel not in quality}
                quality.update(judge(unjudged))  # type: ignore[attr-defined]
        return list(self._points.values())


class _Rejects:
    """Rows that were not taken, as they came, with line and reason: to be mended and imported again."""

    def __init__(self, stack: ExitStack, plan: Plan, opened: Opened, state: State) -> None:
        self._lines = opened.lines
        self._encoding = plan.source.encoding
        self._path = plan.rejected
        self._stack = stack
        self._delimiter = ";" if opened.header.count(";") > opened.header.count(",") else ","
        self._header = opened.header.strip("\r\n\ufeff")
        self._keep = state.rejected_bytes
        self._file: IO[bytes] | None = None

    def add(self, row: BadRow) -> None:
        if self._file is None:
            self._open()
        reason = '"' + row.reason.replace('"', '""') + '"'
        text = self._lines.text.rstrip("\r\n")
        self._put(f"{text}{self._delimiter}{row.line}{self._delimiter}{reason}\n")

    def flush(self) -> int:
        """How many bytes are safe."""
        if self._file is not None:
            self._file.flush()
            self._keep = self._file.tell()
        return self._keep

    def _open(self) -> None:
        self._file = self._stack.enter_context(self._path.open("r+b" if self._keep else "wb"))
        self._file.truncate(self._keep)
        self._file.seek(self._keep)
        if not self._keep:
            self._put(f"{self._header}{self._delimiter}rejected_line{self._delimiter}rejected_reason\n")

    def _put(self, text: str) -> None:
        assert self._file is not None
        errors = "surrogateescape" if self._encoding == "utf-8" else "replace"
        self._file.write(text.encode(self._encoding, errors))


def _bad(found: Screened, row: BadRow) -> None:
    found.rejected += 1
    if len(found.bad) < BAD_SHOWN:
        found.bad.append(row)


def _contradicted(found: Screened, contradicted: Contradicted, row: BadRow, channel: str) -> None:
    contradicted.setdefault(row.line, set()).add(channel)
    if len(contradicted) > CONTRADICTIONS_MAX:
        raise UnreadableFile(f"more than {CONTRADICTIONS_MAX} of its rows contradict others, for example {row}")
    _bad(found, row)


def _count(found: Screened, row: ValueRow | DayRow) -> None:
    found.stations.add(row.station)
    if isinstance(row, DayRow):
        found.days += 1
        return
    assert isinstance(row, ValueRow)
    found.values += 1
    if found.first_ms is None or row.time_ms < found.first_ms:
        found.first_ms = row.time_ms
    if found.last_ms is None or row.time_ms > found.last_ms:
        found.last_ms = row.time_ms
