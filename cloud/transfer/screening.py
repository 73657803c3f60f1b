"""The look at every row before any is written: is its station known, is its time possible, does it contradict another.

Rows that come in the order of their time, or against it, as nearly all files have them, need one remembered row a
series. Where that order is broken only an index on disk can say whether a time came before (`contradictions`).
"""

import sqlite3
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from cloud.time_text import TimeText
from cloud.transfer.rows import BadRow, DayRow, Row, ValueRow

AHEAD_MAX_MS = 600_000  # as for what arrives: a later time is a wrong clock or a wrong time zone
EARLIEST_MS = -9_200_000_000_000  # what the stores can hold
BAD_SHOWN = 100
Key = tuple[str, str, str]
Contradicted = dict[int, set[str]]  # line -> channels that another line has told of, differently


@dataclass(slots=True)
class Screened:
    """What a look through a file found."""

    values: int = 0
    days: int = 0
    repeated: int = 0
    rejected: int = 0
    bad: list[BadRow] = field(default_factory=list)  # the first of them
    stations: set[str] = field(default_factory=set)
    first_ms: int | None = None
    last_ms: int | None = None


def screened(rows: Iterable[Row], known: Callable[[str], str | None], unknown: str, now_ms: int) -> Iterator[Row]:
    """The rows with our names of stations (`known`; None: not registered); `unknown` says the way out."""
    names: dict[str, str | None] = {}
    latest_ms = now_ms + AHEAD_MAX_MS
    text = TimeText()
    bad_line = 0  # a line with several values is wrong once
    for row in rows:
        if isinstance(row, BadRow):
            yield row
            continue
        try:
            station = names[row.station]
        except KeyError:
            station = names[row.station] = known(row.station)
        if station is None:
            if row.line != bad_line:
                yield BadRow(row.line, f"station '{row.station}' is not registered; {unknown}")
            bad_line = row.line
            continue
        if isinstance(row, ValueRow) and not EARLIEST_MS < row.time_ms <= latest_ms:
            if row.line != bad_line:
                when = "in the future: is its time zone right?" if row.time_ms > 0 else "before the year 1678"
                yield BadRow(row.line, f"{text(row.time_ms) if row.time_ms > 0 else 'its time'} lies {when}")
            bad_line = row.line
            continue
        yield row if station == row.station else row._replace(station=station)


def key_and_time(row: ValueRow | DayRow) -> tuple[Key, int | str]:
    """What may come once."""
    if isinstance(row, ValueRow):
        return (row.station, row.device, row.channel), row.time_ms
    return (row.station, "", row.series), row.day


class Order:
    """Follows each series through the file."""

    def __init__(self) -> None:
        self._last: dict[Key, tuple[int | str, float, str | None, int, int]] = {}  # and the direction: 1, -1, 0
        self.broken: set[Key] = set()

    def repeats(self, row: ValueRow | DayRow) -> int | None:
        """The line that this row says again at the same place in time, 0 if there is none; None: and says otherwise."""
        key, time = key_and_time(row)
        before = self._last.get(key)
        if before is None:
            self._last[key] = (time, row.value, row.quality, row.line, 0)
            return 0
        last, value, quality, line, direction = before
        if time == last:
            return line if (value, quality) == (row.value, row.quality) else None
        step = 1 if time > last else -1  # type: ignore[operator]
        if direction not in (0, step):
            self.broken.add(key)
        self._last[key] = (time, row.value, row.quality, row.line, direction or step)
        return 0

    def line_before(self, row: ValueRow | DayRow) -> int:
        """The line of the last row of the same series."""
        return self._last[key_and_time(row)[0]][3]


def contradictions(rows: Iterable[Row], broken: set[Key]) -> Iterator[tuple[int, str, BadRow | None]]:
    """Every row of these series whose time came before: (line, channel, why it is bad; None: the same again)."""
    with tempfile.NamedTemporaryFile(prefix="klimanetz-import-") as file:
        index = sqlite3.connect(file.name, isolation_level=None)
        try:
            for pragma in ("journal_mode=OFF", "synchronous=OFF"):
                index.execute(f"PRAGMA {pragma}")
            index.execute(
                "CREATE TABLE seen (series INTEGER, time, line INTEGER, value REAL, quality TEXT, "
                "PRIMARY KEY (series, time)) WITHOUT ROWID"
            )
            index.execute("BEGIN")
            yield from _compared(index, rows, {key: n for n, key in enumerate(broken)})
        finally:
            index.close()


def _compared(
    index: sqlite3.Connection, rows: Iterable[Row], series: dict[Key, int]
) -> Iterator[tuple[int, str, BadRow | None]]:
    put = "INSERT INTO seen VALUES (?,?,?,?,?) ON CONFLICT DO NOTHING"
    for row in rows:
        if isinstance(row, BadRow):
            continue
        key, time = key_and_time(row)
        number = series.get(key)
        if number is None:
            continue
        if index.execute(put, (number, time, row.line, row.value, row.quality)).rowcount:
            continue
        before = index.execute("SELECT line, value, quality FROM seen WHERE series = ? AND time = ?", (number, time))
        line, value, quality = before.fetchone()
        same = (value, quality) == (row.value, row.quality)
        yield row.line, key[2], None if same else contradiction(row, line)


def contradiction(row: ValueRow | DayRow, line: int) -> BadRow:
    """A row that says something else than an earlier one at the same place in time."""
    what = row.channel if isinstance(row, ValueRow) else row.series
    return BadRow(row.line, f"{what} is {row.value!r} here and not what line {line} says of the same time and device")
