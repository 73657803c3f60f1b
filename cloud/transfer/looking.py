"""The first pass of an import: all of a file is looked at before any of it is stored."""

from collections.abc import Callable, Iterator, Sized
from dataclasses import dataclass
from pathlib import Path

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

CONTRADICTIONS_MAX = 100_000


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
                    _bound(bad, bad[0])
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


def _bad(found: Screened, row: BadRow) -> None:
    found.rejected += 1
    if len(found.bad) < BAD_SHOWN:
        found.bad.append(row)


def _contradicted(found: Screened, contradicted: Contradicted, row: BadRow, channel: str) -> None:
    contradicted.setdefault(row.line, set()).add(channel)
    _bound(contradicted, row)
    _bad(found, row)


def _bound(found: Sized, example: BadRow) -> None:
    """A file that is mostly contradictions is refused before they fill the memory."""
    if len(found) > CONTRADICTIONS_MAX:
        raise UnreadableFile(f"more than {CONTRADICTIONS_MAX} of its rows contradict others, for example {example}")


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
