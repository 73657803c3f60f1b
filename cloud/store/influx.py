"""The production store: InfluxDB 2.7 (layout in docs/interfaces: measurements `reading` and `quality`).

Values go to the server bound, identifiers come from the allow-list of channels. A refused batch is halved until
the points at fault stand alone; writing is idempotent, so halves may repeat what is already there.
"""

import re
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor, wait
from itertools import chain, repeat
from typing import Any

from cloud.store.influx_before import before
from cloud.store.influx_http import DataRefused, InfluxConnection, Params
from cloud.store.influx_latest import LatestView, is_channel
from cloud.store.influx_points import points
from cloud.store.influx_sums import Sums
from cloud.store.lines import QUALITY, READING, lines
from cloud.store.model import (
    NOT_JUDGED,
    TIME_LIMIT_MS,
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
from schemas.channels import split

POINTS_PER_REQUEST = 5000
WRITES = 2  # requests at once
WINDOW_DEVICES = 8  # from so many on one question for all is cheaper than one for each
WINDOW_MS = 86_400_000
WINDOW_GAP_MS = 60_000
STREAMS = 8  # parts of answers fetched ahead at once
_NS = 1_000_000
Rows = Generator[list[list[Any]], None, None]


class InfluxStore:
    """A Store in one bucket."""

    def __init__(self, connection: InfluxConnection) -> None:
        self._influx = connection
        self._pool = ThreadPoolExecutor(STREAMS, "influx")
        self._writing = ThreadPoolExecutor(WRITES, "influx-write")
        self._latest = LatestView(connection, self._pool)

    def write(self, points: Sequence[Point]) -> None:
        good, bad, reason = sift(points)
        parts = [good[start : start + POINTS_PER_REQUEST] for start in range(0, len(good), POINTS_PER_REQUEST)]
        for refused, why in self._writing.map(self._write, parts) if len(parts) > 1 else map(self._write, parts):
            bad += refused
            reason = reason or why
        if good:
            self._latest.forget()
        if bad:
            raise PointsRejected(bad, reason)

    def delete(self, keys: Sequence[PointKey]) -> None:
        for key in keys:
            if -TIME_LIMIT_MS < key.time_ms < TIME_LIMIT_MS:
                self._influx.delete(key.time_ms, f'station="{_quoted(key.station)}" AND device="{_quoted(key.device)}"')
        self._latest.forget()

    def forget(self, before_ms: int) -> None:
        if before_ms > -TIME_LIMIT_MS:
            for measurement in (READING, QUALITY):
                self._influx.delete_before(min(before_ms, TIME_LIMIT_MS), f'_measurement="{measurement}"')
        self._latest.forget()

    def latest(self, stations: Sequence[str] | None = None) -> list[Latest]:
        return self._latest.all() if stations is None else self._latest.of(stations)

    def series(self, station: str, channel: str, start_ms: int, end_ms: int) -> Iterator[Value]:
        split(channel)
        return chain.from_iterable(self._series(station, channel, start_ms, end_ms))

    def summed(
        self, stations: Sequence[str], channel: str, runs: Sequence[Steps], names: Sequence[str], without: str
    ) -> Iterator[Summed]:
        split(channel)
        yield from Sums(self._influx, self._pool, self.series, channel, runs, without).of(stations, names)

    def points(
        self, station: str, start_ms: int, end_ms: int, channels: Sequence[str] | None = None
    ) -> Iterator[Point]:
        for channel in channels or ():
            split(channel)
        there = self.channels(station) if channels is None else sorted(set(channels))
        return points(self._influx, station, there, _ns(start_ms), _ns(end_ms)) if there else iter(())

    def before(self, station: str, channel: str, time_ms: int, without: str = "") -> list[Before]:
        split(channel)
        return before(self._influx, station, channel, _ns(time_ms), without)

    def channels(self, station: str) -> list[str]:
        query = f'SELECT LAST(*) FROM "{READING}" WHERE "station" = $station'
        (series,) = self._influx.query(query, {"station": station})
        names = {
            column.removeprefix("last_")
            for one in series
            for column, last in zip(one["columns"], one["values"][0], strict=True)
            if last is not None
        }
        return sorted(filter(is_channel, names))

    def identities(self, device: str) -> Iterator[tuple[int, int]]:
        query = f'SELECT "generation", "seq" FROM "{READING}" WHERE "device" = $device'
        for rows in self._influx.stream(query, {"device": device}):
            for _, generation, seq in rows:
                if seq is not None:
                    yield int(generation or 0), int(seq)

    def occupants(self, spans: Sequence[tuple[str, int, int]]) -> dict[tuple[str, int], tuple[int, int] | None]:
        found: dict[tuple[str, int], tuple[int, int] | None] = {}
        for part in self._pool.map(self._standing, windows(spans)):
            found.update(part)
        return found

    def count(self) -> int:
        """Exact where a (station, device) numbers all of its points or none; else such a pair is read through."""
        (series,) = self._influx.query(f'SELECT COUNT(*) FROM "{READING}" GROUP BY "station", "device"', {})
        return sum(self._count_of(one) for one in series)

    def ping(self) -> None:
        self._influx.query(f'SELECT "seq" FROM "{READING}" WHERE time = 0', {})

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._writing.shutdown(wait=False, cancel_futures=True)
        self._influx.close()

    def _write(self, points: Sequence[Point]) -> tuple[list[Point], str]:
        """(those refused, why)."""
        try:
            self._influx.write(lines(points))
        except DataRefused as error:
            if len(points) == 1 or _all_dropped(error, len(points)):
                return list(points), str(error)
            half = len(points) // 2
            first, why = self._write(points[:half])
            second, also = self._write(points[half:])
            return first + second, why or also
        return [], ""

    def _series(self, station: str, channel: str, start_ms: int, end_ms: int) -> Iterator[Iterator[Value]]:
        where = 'WHERE "station" = $station AND time >= $start AND time < $end'
        params: Params = {"station": station, "start": _ns(start_ms), "end": _ns(end_ms)}
        devices = self._devices(station)
        column, alone = ', "device"', ""
        if len(devices) == 1:  # as most often: its name need not come with every row
            (alone,) = devices
            column, where, params = "", where + ' AND "device" = $device', {**params, "device": alone}
        values = self._ahead(self._influx.stream(f'SELECT "{channel}"{column} FROM "{READING}" {where}', params))
        notes = self._ahead(self._influx.stream(f'SELECT "{channel}"{column} FROM "{QUALITY}" {where}', params))
        try:
            yield from _of_one(alone, values, notes) if alone else _of_many(values, notes)
        finally:
            values.close()
            notes.close()

    def _devices(self, station: str) -> list[str]:
        """Which ever sent from there, by the server's index."""
        query = f'SHOW TAG VALUES FROM "{READING}" WITH KEY = "device" WHERE "station" = $station'
        (series,) = self._influx.query(query, {"station": station})
        return [device for one in series for _, device in one["values"]]

    def _ahead(self, chunks: Rows) -> Rows:
        """The same, the next part on its way while one is being used."""
        coming = self._pool.submit(next, chunks, None)
        return _in_turn(chunks, coming, self._pool)

    def _standing(self, spans: Sequence[tuple[str, int, int]]) -> dict[tuple[str, int], tuple[int, int] | None]:
        """Who stands in spans of one window: one question for a device, or one for all."""
        wanted: dict[str, list[tuple[int, int]]] = {}
        for device, first_ms, last_ms in spans:
            wanted.setdefault(device, []).append((first_ms, last_ms))
        params: dict[str, str | int] = {
            "first": _ns(min(a for _, a, _ in spans)), "last": _ns(max(b for _, _, b in spans))
        }  # fmt: skip
        query = f'SELECT * FROM "{READING}" WHERE time >= $first AND time <= $last'
        if len(wanted) == 1:
            query += ' AND "device" = $device'
            params["device"] = spans[0][0]
        found: dict[tuple[str, int], tuple[int, int] | None] = {}
        for series in self._influx.stream_series(query, params):
            columns = {name: n for n, name in enumerate(series["columns"])}
            named, generation, seq = columns["device"], columns.get("generation"), columns.get("seq")
            for row in series["values"]:
                device, time_ms = row[named], row[0]
                if not any(first <= time_ms <= last for first, last in wanted.get(device, ())):
                    continue
                counted = seq is not None and row[seq] is not None
                count = (
                    (int((row[generation] if generation is not None else 0) or 0), int(row[seq])) if counted else None
                )
                found[device, time_ms] = count
        return found

    def _count_of(self, series: dict[str, Any]) -> int:
        counts = dict(zip(series["columns"][1:], series["values"][0][1:], strict=True))
        most = max(int(count or 0) for count in counts.values())
        if counts.get("count_seq") == most:
            return most
        query = f'SELECT * FROM "{READING}" WHERE "station" = $station AND "device" = $device'
        return sum(len(rows) for rows in self._influx.stream(query, series["tags"]))


def _in_turn(chunks: Rows, coming: "Future[list[list[Any]] | None]", pool: Executor) -> Rows:
    try:
        while (chunk := coming.result()) is not None:
            coming = pool.submit(next, chunks, None)
            yield chunk
    finally:
        wait([coming])
        chunks.close()


def _of_one(device: str, values: Rows, notes: Rows) -> Iterator[Iterator[Value]]:
    """Values with the quality of the same time. Most often the two agree row by row, which is quick."""
    waiting: list[list[Any]] = []  # notes of times that are not past
    for rows in values:
        last_ms = rows[-1][0]
        while not waiting or waiting[-1][0] < last_ms:
            if (more := next(notes, None)) is None:
                break
            waiting += more
        # Column by column: what the collector of garbage has not to look at is quick.
        times = [row[0] for row in rows]
        here = waiting[: len(rows)]
        if [note[0] for note in here] == times:
            qualities = [note[1] for note in here]
            del waiting[: len(rows)]
        else:
            known: dict[int, str] = {note[0]: note[1] for note in waiting}
            qualities = [known.get(time_ms, NOT_JUDGED) for time_ms in times]
            waiting = [note for note in waiting if note[0] > last_ms]
        yield map(Value, times, [float(row[1]) for row in rows], qualities, repeat(device))


def _of_many(values: Rows, notes: Rows) -> Iterator[Iterator[Value]]:
    """The same, with a column of devices."""
    judged = by_device(notes, 2)
    waiting: list[list[Any]] = []  # notes of times that are not past
    for rows in by_device(values, 2):
        last_ms = rows[-1][0]
        while not waiting or waiting[-1][0] < last_ms:
            if (more := next(judged, None)) is None:
                break
            waiting += more
        times, devices = [row[0] for row in rows], [row[2] for row in rows]
        here = waiting[: len(rows)]
        if [note[0] for note in here] == times and [note[2] for note in here] == devices:
            qualities = [note[1] for note in here]
            del waiting[: len(rows)]
        else:
            known = {(note[0], note[2]): note[1] for note in waiting}
            qualities = [known.get(key, NOT_JUDGED) for key in zip(times, devices, strict=True)]
            waiting = [note for note in waiting if note[0] > last_ms]
        yield map(Value, times, [float(row[1]) for row in rows], qualities, devices)


def windows(spans: Sequence[tuple[str, int, int]]) -> list[list[tuple[str, int, int]]]:
    """Spans of many devices in the same short time together, any other alone."""
    near: list[list[tuple[str, int, int]]] = []
    end_ms = 0
    for span in sorted(spans, key=lambda span: span[1]):
        if near and span[1] <= end_ms + WINDOW_GAP_MS and span[2] - near[-1][0][1] <= WINDOW_MS:
            near[-1].append(span)
        else:
            near.append([span])
            end_ms = 0
        end_ms = max(end_ms, span[2])
    return [
        part
        for some in near
        for part in ([some] if len({device for device, _, _ in some}) >= WINDOW_DEVICES else [[one] for one in some])
    ]


def _all_dropped(error: DataRefused, n_points: int) -> bool:
    """Of a type conflict the server counts `reading` lines, of a retention both lines of a point."""
    if error.dropped is None:
        return False
    return error.dropped >= (n_points if "type conflict" in str(error) else 2 * n_points)


def _ns(time_ms: int) -> int:
    return min(max(time_ms, -TIME_LIMIT_MS), TIME_LIMIT_MS) * _NS


def _quoted(text: str) -> str:
    return re.sub(r'(["\\])', r"\\\1", text)
