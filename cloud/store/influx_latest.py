"""The newest values of all stations from InfluxDB, without scanning years for each answer.

A scan looks at every series that there ever was (400 stations × 3 channels × a year: 0.1 s with Flux; 2 s with
InfluxQL's LAST, which opens every shard). So it runs beside the answers, for a twentieth of the time, and each answer
reads only what was measured within RECENT_MS and lays it over the scan. Where a scan is quick, or the last one is old,
the answer waits for a new one. The rule: exact for values measured recently; an older value that arrives late, or is
deleted by another process, shows after the next.
"""

import threading
import time
from collections.abc import Sequence
from concurrent.futures import Executor, Future
from typing import Any

from cloud.store.influx_flux import ms, quoted
from cloud.store.influx_http import BEGINNING, ENDING, InfluxConnection, Params
from cloud.store.lines import QUALITY, READING
from cloud.store.model import NOT_JUDGED, Latest, StoreRefused
from schemas.channels import ChannelError, split

RECENT_MS = 30 * 60_000
QUICK_S = 0.1  # a scan that an answer may wait for
SCAN_SHARE = 20  # a scan that took 1 s is repeated after 20 s
STATIONS_PER_QUERY = 50  # more: ask for all and choose here
_Key = tuple[str, str, str]  # station, channel, device
_Found = dict[_Key, tuple[int, Any]]


class LatestView:
    """What is newest, kept for one bucket."""

    def __init__(self, influx: InfluxConnection, pool: Executor) -> None:
        self._influx = influx
        self._pool = pool
        self._lock = threading.Lock()
        self._scanned: list[Latest] | None = None
        self._scanned_s = 0.0  # when the last scan began, and how long it took
        self._took_s = 0.0
        self._scan: Future[list[Latest]] | None = None
        self._changes = 0

    def of(self, stations: Sequence[str]) -> list[Latest]:
        """Exact, by asking for these."""
        if len(stations) > STATIONS_PER_QUERY:
            wanted = set(stations)
            return [one for one in self.all() if one.station in wanted]
        return scan(self._influx, stations) if stations else []

    def all(self) -> list[Latest]:
        """Of every station."""
        with self._lock:
            scanned = self._scanned
            age_s = time.monotonic() - self._scanned_s
            due = age_s > SCAN_SHARE * self._took_s
            if scanned is None or (due and self._took_s < QUICK_S) or age_s * 1000 > RECENT_MS / 2:
                scanned = None
            elif due and self._scan is None:
                self._scan = self._pool.submit(self._rescan)
        if scanned is None:
            return self._rescan()
        since_ms = int(time.time() * 1000) - RECENT_MS
        older = [one for one in scanned if one.time_ms < since_ms]
        return _newest(older + _recent(self._influx, since_ms))

    def forget(self) -> None:
        """Our own process wrote or deleted: scan again before the next answer."""
        with self._lock:
            self._scanned = None
            self._changes += 1

    def _rescan(self) -> list[Latest]:
        changes, start_s = self._changes, time.monotonic()
        try:
            found = scan(self._influx)
        finally:
            with self._lock:
                self._scan = None
        with self._lock:
            self._scanned_s, self._took_s = start_s, time.monotonic() - start_s
            if changes == self._changes:
                self._scanned = found
        return found


def scan(influx: InfluxConnection, stations: Sequence[str] | None = None) -> list[Latest]:
    """The newest value of every (station, channel); of these stations, or of all of the bucket."""
    try:
        values, notes = (_flux(influx, measurement, stations) for measurement in (READING, QUALITY))
    except StoreRefused:  # no Flux there; if it was something else, this is refused too
        values, notes = _influxql(influx, stations)
    return _newest(_judged(values, notes))


def _flux(influx: InfluxConnection, measurement: str, stations: Sequence[str] | None) -> _Found:
    """`last()` is asked of the storage engine, which looks at the newest block of each series and no more."""
    number = "" if measurement == QUALITY else ' and r._field != "generation" and r._field != "seq"'
    script = (
        f"from(bucket: {quoted(influx.bucket)}) |> range(start: {BEGINNING}, stop: {ENDING}) "
        f'|> filter(fn: (r) => r._measurement == "{measurement}"{number}{_among(stations)}) |> last() '
        '|> keep(columns: ["station", "device", "_field", "_time", "_value"])'
    )
    found: _Found = {}
    for station, device, channel, at, value in influx.flux(script, ("station", "device", "_field", "_time", "_value")):
        if is_channel(channel):
            found[station, channel, device] = (ms(at), value)
    return found


def _among(stations: Sequence[str] | None) -> str:
    return "" if stations is None else f" and ({' or '.join(f'r.station == {quoted(one)}' for one in stations)})"


def _influxql(influx: InfluxConnection, stations: Sequence[str] | None) -> tuple[_Found, _Found]:
    asked = fields(influx)
    values: _Found = {}
    notes: _Found = {}
    if not asked:
        return values, notes
    params: Params = {f"s{n}": station for n, station in enumerate(stations or ())}
    where = " WHERE " + " OR ".join(f'"station" = ${name}' for name in params) if params else ""
    statements = (
        f'SELECT LAST("{channel}") FROM "{measurement}"{where} GROUP BY "station", "device"'
        for measurement, channel in asked
    )
    for (measurement, channel), series in zip(asked, influx.query(";".join(statements), params), strict=True):
        found = notes if measurement == QUALITY else values
        for one in series:
            time_ms, last = one["values"][0]
            found[one["tags"]["station"], channel, one["tags"]["device"]] = (time_ms, last)
    return values, notes


def fields(influx: InfluxConnection) -> list[tuple[str, str]]:
    """(measurement, channel) of every field that is a channel of ours."""
    (series,) = influx.query(f'SHOW FIELD KEYS FROM "{READING}", "{QUALITY}"', {})
    return [(one["name"], key) for one in series for key, _ in one["values"] if is_channel(key)]


def is_channel(field: str) -> bool:
    """Whether a field of `reading` is a channel; it may then stand in a query."""
    try:
        split(field)
    except ChannelError:
        return False
    return True


def _recent(influx: InfluxConnection, since_ms: int) -> list[Latest]:
    # Not grouped: that costs the server twice as much as telling the tags in every row.
    query = ";".join(f'SELECT * FROM "{measurement}" WHERE time >= $since' for measurement in (READING, QUALITY))
    values, notes = (_last_rows(series) for series in influx.query(query, {"since": since_ms * 1_000_000}))
    return _judged(values, notes)


def _last_rows(series: list[dict[str, Any]]) -> _Found:
    found: _Found = {}
    for one in series:
        names: list[str] = one["columns"]
        station, device = names.index("station"), names.index("device")
        channels = [(n, name) for n, name in enumerate(names) if is_channel(name)]
        for row in one["values"]:
            for n, channel in channels:
                if row[n] is not None:
                    found[row[station], channel, row[device]] = (row[0], row[n])
    return found


def _judged(values: _Found, notes: _Found) -> list[Latest]:
    out: list[Latest] = []
    for key, (time_ms, value) in values.items():
        station, channel, device = key
        noted_ms, quality = notes.get(key, (None, NOT_JUDGED))
        out.append(
            Latest(station, channel, time_ms, float(value), quality if noted_ms == time_ms else NOT_JUDGED, device)
        )
    return out


def _newest(candidates: list[Latest]) -> list[Latest]:
    newest: dict[tuple[str, str], Latest] = {}
    for one in candidates:
        known = newest.get((one.station, one.channel))
        if known is None or one.time_ms >= known.time_ms:
            newest[one.station, one.channel] = one
    return list(newest.values())
