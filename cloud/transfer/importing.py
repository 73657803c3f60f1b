"""Import: look through a whole file, then write it in batches, and be able to go on after any interruption.

The rule: a file with a row that is wrong is not begun, unless one says so (`skip_bad`); then those rows are kept as
they came, with their reasons, in a file of their own. Writing is idempotent (the store's key is station, device,
time), so a batch that was written and not yet noted is written again and changes nothing. Memory: one batch.
"""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Protocol

from cloud.reference import Daily
from cloud.store.model import Point, PointsRejected
from cloud.transfer.batch import Batch
from cloud.transfer.looking import Plan, look
from cloud.transfer.opening import Moved, nothing
from cloud.transfer.rejects import Rejects
from cloud.transfer.rows import BadRow, Tally, UnreadableFile
from cloud.transfer.screening import Screened, key_and_time
from cloud.transfer.state import State, StateFile

BATCH_VALUES = 20_000
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


@dataclass(slots=True)
class Outcome:
    """What became of one source."""

    state: State
    missing: dict[str, int]
    not_taken: tuple[str, ...]
    resumed_at: int = 0  # the line up to which an earlier run had done everything


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
    resumed_at = state.line if state else 0
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
        "bad": [row._asdict() for row in found.bad],
    }
    pairs = [(line, channel) for line, channels in contradicted.items() for channel in channels]
    return State(plan.source.part.name, contradicted=pairs, look=summary)


def _write(
    plan: Plan, store: PointStore, days: DayStore, state: State, file: StateFile, tally: Tally, moved: Moved
) -> tuple[str, ...]:
    contradicted = set(state.contradicted)
    batch = Batch()
    with ExitStack() as stack:
        opened = stack.enter_context(plan.source.open(moved))
        rejects = None
        if plan.skip_bad:
            rejects = Rejects(stack, plan.rejected, opened, plan.source.encoding, state.rejected_bytes)
        line = state.line
        for row in plan.rows(opened, tally):
            if row.line <= state.line:
                continue
            if batch.size >= BATCH_VALUES and row.line != line:  # a line is done as a whole
                _flush(batch, store, days, state, line, file, rejects)
            line = row.line
            if isinstance(row, BadRow) or (contradicted and (row.line, key_and_time(row)[0][2]) in contradicted):
                state.rejected += 1
                if rejects is not None:
                    rejects.add(row if isinstance(row, BadRow) else BadRow(row.line, "contradicts an earlier line"))
            else:
                batch.add(row)
        _flush(batch, store, days, state, line, file, rejects)
        return opened.parser.not_taken


def _flush(
    batch: Batch, store: PointStore, days: DayStore, state: State, line: int, file: StateFile,
    rejects: Rejects | None,
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
    state.line = line
    file.save(state)
    batch.clear()
