"""Whole points of one station from SQLite, by time: each channel is read page by page, and they are merged.

No more than a page of every channel is in memory, and no snapshot is held between pages.
"""

from collections.abc import Iterator, Sequence
from heapq import merge
from itertools import groupby

from cloud.store.model import Point
from cloud.store.sqlite_file import SqliteFile

PAGE = 4096
_VALUES = (
    "SELECT v.time_ms, v.device, v.value, v.quality, d.name, r.generation, r.seq FROM value v "
    "JOIN device d ON d.id = v.device "
    "LEFT JOIN reading r ON r.device = v.device AND r.time_ms = v.time_ms AND r.station = ? "
    "WHERE v.series = ? AND (v.time_ms, v.device) > (?, ?) AND v.time_ms < ? ORDER BY v.time_ms, v.device LIMIT ?"
)
_Value = tuple[int, int, str, float, str, str, int | None, int | None]  # time, device, channel, value, quality, …


def points(file: SqliteFile, station: str, channels: Sequence[str], start_ms: int, end_ms: int) -> Iterator[Point]:
    """As Store.points; `channels` are those that the station has."""
    streams = [_values(file, station, channel, start_ms, end_ms) for channel in channels]
    for (time_ms, _), values in groupby(merge(*streams), key=lambda one: one[:2]):
        here = list(values)
        *_, device, generation, seq = here[0]
        yield Point(
            station, device, time_ms, {v[2]: v[3] for v in here}, {v[2]: v[4] for v in here}, generation, seq
        )  # fmt: skip


def _values(file: SqliteFile, station: str, channel: str, start_ms: int, end_ms: int) -> Iterator[_Value]:
    after, device = start_ms - 1, 2**62
    while True:
        with file.reading() as db:
            known = db.execute("SELECT id FROM series WHERE station = ? AND channel = ?", (station, channel)).fetchone()
            if known is None:
                return
            rows = db.execute(_VALUES, (station, *known, after, device, end_ms, PAGE)).fetchall()
        for after, device, value, quality, name, generation, seq in rows:
            yield after, device, channel, value, quality, name, generation, seq
        if len(rows) < PAGE:
            return
