"""The embedded store: one SQLite file in WAL mode, written and read by several processes at once.

A series is (station, channel); `value` is clustered by (series, time), so a series is one range scan. `latest` is kept
in the transaction that writes, and so is `span`: no value of a device lies outside of its span, so its first and last
are found where that begins and ends. Reads go page by page and hold no snapshot in between, so a slow client
keeps no checkpoint waiting.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from cloud.store.model import (
    NOT_JUDGED,
    SUMMABLE,
    Before,
    Latest,
    Point,
    PointKey,
    PointsRejected,
    Steps,
    Summed,
    Value,
    sift,
)
from cloud.store.order import by_device
from cloud.store.sqlite_file import SqliteFile
from cloud.store.sqlite_points import points
from schemas.channels import split

PAGE = 4096  # rows a read takes at once
SCHEMA_VERSION = 2
_SCHEMA = """
CREATE TABLE IF NOT EXISTS device (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS series (
  id INTEGER PRIMARY KEY, station TEXT NOT NULL, channel TEXT NOT NULL, UNIQUE (station, channel));
CREATE TABLE IF NOT EXISTS value (
  series INTEGER NOT NULL, time_ms INTEGER NOT NULL, device INTEGER NOT NULL,
  value REAL NOT NULL, quality TEXT NOT NULL,
  PRIMARY KEY (series, time_ms, device)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS reading (
  device INTEGER NOT NULL, time_ms INTEGER NOT NULL, station TEXT NOT NULL, generation INTEGER, seq INTEGER,
  PRIMARY KEY (device, time_ms, station)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS latest (
  series INTEGER PRIMARY KEY, time_ms INTEGER NOT NULL, device INTEGER NOT NULL,
  value REAL NOT NULL, quality TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS span (
  series INTEGER NOT NULL, device INTEGER NOT NULL, first_ms INTEGER NOT NULL, last_ms INTEGER NOT NULL,
  PRIMARY KEY (series, device)) WITHOUT ROWID;
INSERT OR REPLACE INTO span SELECT series, device, min(time_ms), max(time_ms) FROM value GROUP BY series, device
"""
_PUT_VALUE = (
    "INSERT INTO value VALUES (?,?,?,?,?) ON CONFLICT DO UPDATE SET value=excluded.value, quality=excluded.quality"
)
_PUT_READING = (
    "INSERT INTO reading VALUES (?,?,?,?,?) ON CONFLICT DO UPDATE SET "
    "generation=coalesce(excluded.generation, generation), seq=coalesce(excluded.seq, seq)"
)
_PUT_LATEST = (
    "INSERT INTO latest VALUES (?,?,?,?,?) ON CONFLICT (series) DO UPDATE SET time_ms=excluded.time_ms, "
    "device=excluded.device, value=excluded.value, quality=excluded.quality WHERE excluded.time_ms >= time_ms"
)
_PUT_SPAN = (
    "INSERT INTO span VALUES (?,?,?,?) ON CONFLICT DO UPDATE SET first_ms=min(first_ms, excluded.first_ms), "
    "last_ms=max(last_ms, excluded.last_ms)"
)
_LATEST = (
    "SELECT s.station, s.channel, l.time_ms, l.value, l.quality, d.name "
    "FROM latest l JOIN series s ON s.id = l.series JOIN device d ON d.id = l.device"
)
_SERIES = (
    "SELECT v.time_ms, v.value, v.quality, d.name, v.device FROM value v JOIN device d ON d.id = v.device "
    "WHERE v.series = ? AND (v.time_ms, v.device) > (?, ?) AND v.time_ms < ? ORDER BY v.time_ms, v.device LIMIT ?"
)
_GOOD = "series = span.series AND device = span.device AND instr(:without, substr(quality, 1, 1)) = 0"
_BEFORE = (
    f"SELECT (SELECT time_ms FROM value WHERE {_GOOD} AND time_ms >= span.first_ms ORDER BY time_ms LIMIT 1), "
    "v.time_ms, v.value, v.quality, d.name FROM span JOIN device d ON d.id = span.device "
    "JOIN value v ON v.series = span.series AND v.device = span.device AND v.time_ms = ("
    f"SELECT time_ms FROM value WHERE {_GOOD} AND time_ms BETWEEN span.first_ms AND min(span.last_ms, :time_ms - 1) "
    "ORDER BY time_ms DESC LIMIT 1) "
    "WHERE span.series = (SELECT id FROM series WHERE station = :station AND channel = :channel) "
    "AND span.first_ms < :time_ms"
)
_SUMMED = (
    "SELECT n, count(*) FILTER (WHERE good), count(*) FILTER (WHERE NOT good){figures} FROM ("
    "SELECT (time_ms - :start) / :step AS n, value, instr(:without, substr(quality, 1, 1)) = 0 AS good FROM value "
    "WHERE series = :series AND time_ms >= :start AND time_ms < :end) GROUP BY n ORDER BY n"
)
_IDENTITIES = (
    "SELECT generation, seq, time_ms, station FROM reading WHERE device = ? AND (time_ms, station) > (?, ?) "
    "AND seq IS NOT NULL ORDER BY time_ms, station LIMIT ?"
)
_OCCUPANTS = (
    "SELECT time_ms, generation, seq FROM reading WHERE device = (SELECT id FROM device WHERE name = ?) "
    "AND time_ms BETWEEN ? AND ?"
)
_Row = tuple[int, int, int, float, str]  # series, time_ms, device, value, quality


class SqliteStore:
    """A Store in one file. Raises StoreRefused where the file cannot be opened or is something else."""

    def __init__(self, path: str) -> None:
        self._file = SqliteFile(path, _SCHEMA, SCHEMA_VERSION)
        self._series: dict[tuple[str, str], int] = {}
        self._devices: dict[str, int] = {}

    def write(self, points: Sequence[Point]) -> None:
        good, bad, reason = sift(points)
        if good:
            with self._changing() as db:
                devices = self._device_ids(db, {point.device for point in good})
                series = self._series_ids(db, {(point.station, channel) for point in good for channel in point.values})
                rows = _rows(good, series, devices)
                db.executemany(_PUT_VALUE, rows)
                db.executemany(
                    _PUT_READING, ((devices[p.device], p.time_ms, p.station, p.generation, p.seq) for p in good)
                )
                db.executemany(_PUT_LATEST, _newest(rows))
                db.executemany(_PUT_SPAN, _spans(rows))
        if bad:
            raise PointsRejected(bad, reason)

    def delete(self, keys: Sequence[PointKey]) -> None:
        with self._changing() as db:
            for key in keys:
                self._delete(db, key)

    def forget(self, before_ms: int) -> None:
        """Series by series, each in a transaction of its own, so that writers have their turn in between."""
        before_ms = _fit(before_ms)
        with self._file.reading() as db:
            series = [row[0] for row in db.execute("SELECT id FROM series")]
            devices = [row[0] for row in db.execute("SELECT id FROM device")]
        for one in series:
            where = one, before_ms
            with self._changing() as db:
                db.execute("DELETE FROM value WHERE series = ? AND time_ms < ?", where)
                db.execute("DELETE FROM latest WHERE series = ? AND time_ms < ?", where)  # the newest: all are older
                db.execute("DELETE FROM span WHERE series = ? AND last_ms < ?", where)
                db.execute("UPDATE span SET first_ms = max(first_ms, ?2) WHERE series = ?1", where)
        for one in devices:
            with self._changing() as db:
                db.execute("DELETE FROM reading WHERE device = ? AND time_ms < ?", (one, before_ms))

    def latest(self, stations: Sequence[str] | None = None) -> list[Latest]:
        if stations is None:
            with self._file.reading() as db:
                return [Latest(*row) for row in db.execute(_LATEST)]
        found: list[Latest] = []
        for start in range(0, len(stations), 500):
            some = tuple(stations[start : start + 500])
            marks = ",".join("?" * len(some))
            with self._file.reading() as db:
                found += [Latest(*row) for row in db.execute(f"{_LATEST} WHERE s.station IN ({marks})", some)]
        return found

    def series(self, station: str, channel: str, start_ms: int, end_ms: int) -> Iterator[Value]:
        split(channel)
        pages = by_device(self._pages(station, channel, start_ms, end_ms), 3)
        return (one for rows in pages for one in map(Value, *list(zip(*rows, strict=True))[:4]))

    def summed(
        self, stations: Sequence[str], channel: str, runs: Sequence[Steps], names: Sequence[str], without: str
    ) -> Iterator[Summed]:
        split(channel)
        figures = "".join(f", {name}(value) FILTER (WHERE good)" for name in names if name in SUMMABLE)
        query = _SUMMED.format(figures=figures)
        for station in stations:
            with self._file.reading() as db:
                row = db.execute(
                    "SELECT id FROM series WHERE station = ? AND channel = ?", (station, channel)
                ).fetchone()
                for run in runs if row else ():
                    asked = {"series": row[0], "start": _fit(run.start_ms), "end": _fit(run.end_ms), "without": without}
                    rows = db.execute(query, {**asked, "step": run.step_ms}).fetchall()
                    for n, count, flagged, *found in rows:
                        yield Summed(station, run.start_ms + n * run.step_ms, tuple(found), count, flagged)

    def points(
        self, station: str, start_ms: int, end_ms: int, channels: Sequence[str] | None = None
    ) -> Iterator[Point]:
        for channel in channels or ():
            split(channel)
        there = self.channels(station) if channels is None else sorted(set(channels))
        return points(self._file, station, there, _fit(start_ms), _fit(end_ms))

    def before(self, station: str, channel: str, time_ms: int, without: str = "") -> list[Before]:
        split(channel)
        with self._file.reading() as db:
            asked = {"station": station, "channel": channel, "time_ms": _fit(time_ms), "without": without}
            rows = db.execute(_BEFORE, asked).fetchall()
        return [Before(first_ms, Value(*last)) for first_ms, *last in rows]

    def channels(self, station: str) -> list[str]:
        with self._file.reading() as db:
            query = "SELECT channel FROM series JOIN latest ON series = id WHERE station = ? ORDER BY channel"
            return [channel for (channel,) in db.execute(query, (station,))]

    def identities(self, device: str) -> Iterator[tuple[int, int]]:
        after, station = -(2**63), ""
        while True:
            with self._file.reading() as db:
                row = db.execute("SELECT id FROM device WHERE name = ?", (device,)).fetchone()
                rows = db.execute(_IDENTITIES, (*row, after, station, PAGE)).fetchall() if row else []
            for generation, seq, after, station in rows:  # noqa: B007 (the last ones are where the next page starts)
                yield generation or 0, seq
            if len(rows) < PAGE:
                return

    def occupants(self, spans: Sequence[tuple[str, int, int]]) -> dict[tuple[str, int], tuple[int, int] | None]:
        found: dict[tuple[str, int], tuple[int, int] | None] = {}
        with self._file.reading() as db:
            for device, first_ms, last_ms in spans:
                for time_ms, generation, seq in db.execute(_OCCUPANTS, (device, _fit(first_ms), _fit(last_ms))):
                    found[device, time_ms] = None if seq is None else (generation or 0, seq)
        return found

    def count(self) -> int:
        with self._file.reading() as db:
            return int(db.execute("SELECT count(*) FROM reading").fetchone()[0])

    def ping(self) -> None:
        with self._file.reading() as db:
            db.execute("SELECT 1 FROM latest LIMIT 1").fetchone()

    def close(self) -> None:
        self._file.close()

    def _pages(self, station: str, channel: str, start_ms: int, end_ms: int) -> Iterator[list[tuple[Any, ...]]]:
        after, device = _fit(start_ms) - 1, 2**62
        end_ms = _fit(end_ms)
        while True:
            with self._file.reading() as db:
                known = "SELECT id FROM series WHERE station = ? AND channel = ?"
                row = db.execute(known, (station, channel)).fetchone()
                rows = db.execute(_SERIES, (*row, after, device, end_ms, PAGE)).fetchall() if row else []
            if rows:
                after, *_, device = rows[-1]
                yield rows
            if len(rows) < PAGE:
                return

    def _delete(self, db: sqlite3.Connection, key: PointKey) -> None:
        device = db.execute("SELECT id FROM device WHERE name = ?", (key.device,)).fetchone()
        if device is None:
            return
        ids = [row[0] for row in db.execute("SELECT id FROM series WHERE station = ?", (key.station,))]
        where = [(series, key.time_ms, *device) for series in ids]
        db.executemany("DELETE FROM value WHERE series = ? AND time_ms = ? AND device = ?", where)
        db.execute(
            "DELETE FROM reading WHERE device = ? AND time_ms = ? AND station = ?", (*device, key.time_ms, key.station)
        )
        for row in where:
            if db.execute("DELETE FROM latest WHERE series = ? AND time_ms = ? AND device = ?", row).rowcount:
                db.execute(
                    "INSERT INTO latest SELECT series, time_ms, device, value, quality FROM value "
                    "WHERE series = ? ORDER BY time_ms DESC, device DESC LIMIT 1",
                    row[:1],
                )

    @contextmanager
    def _changing(self) -> Iterator[sqlite3.Connection]:
        try:
            with self._file.changing() as db:
                yield db
        except BaseException:
            self._series.clear()  # ids that this transaction gave out are void with it
            self._devices.clear()
            raise

    def _device_ids(self, db: sqlite3.Connection, names: set[str]) -> dict[str, int]:
        for name in names - self._devices.keys():
            db.execute("INSERT INTO device (name) VALUES (?) ON CONFLICT DO NOTHING", (name,))
            (self._devices[name],) = db.execute("SELECT id FROM device WHERE name = ?", (name,)).fetchone()
        return self._devices

    def _series_ids(self, db: sqlite3.Connection, keys: set[tuple[str, str]]) -> dict[tuple[str, str], int]:
        for key in keys - self._series.keys():
            db.execute("INSERT INTO series (station, channel) VALUES (?, ?) ON CONFLICT DO NOTHING", key)
            (self._series[key],) = db.execute("SELECT id FROM series WHERE station = ? AND channel = ?", key).fetchone()
        return self._series


def _rows(points: Iterable[Point], series: dict[tuple[str, str], int], devices: dict[str, int]) -> list[_Row]:
    """In the order of the table, so that neighbours land on the same page; the sort is stable: the last write wins."""
    rows: list[_Row] = []
    for point in points:
        station, time_ms, device, quality = point.station, point.time_ms, devices[point.device], point.quality
        for channel, value in point.values.items():
            rows.append((series[station, channel], time_ms, device, value, quality.get(channel, NOT_JUDGED)))
    rows.sort(key=lambda row: row[:2])
    return rows


def _spans(rows: list[_Row]) -> Iterator[tuple[int, int, int, int]]:
    """(series, device, first_ms, last_ms) of rows in the order of the table."""
    firsts: dict[tuple[int, int], int] = {}
    lasts: dict[tuple[int, int], int] = {}
    for series, time_ms, device, _, _ in rows:
        lasts[series, device] = time_ms
        firsts.setdefault((series, device), time_ms)
    return ((*key, firsts[key], last_ms) for key, last_ms in lasts.items())


def _newest(rows: list[_Row]) -> Iterable[_Row]:
    return {row[0]: row for row in rows}.values()


def _fit(time_ms: int) -> int:
    return min(max(time_ms, -(2**62)), 2**62)
