"""Sums over intervals, worked out by InfluxDB where no value in them is flagged; those others come as values.

InfluxQL has no quick way of doing this; Flux hands windows of one length down to the storage engine (a year of daily
means of 400 stations: 0.4 s instead of 3), but neither joins `reading` with `quality`. So three questions: the sums of
all values, which notes are flagged, and the values of the intervals that have such notes. The rule: nothing goes into a
query but a channel, names and numbers. A server without Flux is read value by value.
"""

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor
from itertools import groupby
from typing import Any

from cloud.store.influx_flux import ms, quoted
from cloud.store.influx_http import InfluxConnection
from cloud.store.lines import QUALITY, READING
from cloud.store.model import NOT_JUDGED, Steps, StoreRefused, Summed, Value

STATEMENTS = 100  # of intervals with flagged values that are read with one request
FEW = 40  # stations; of more it is quicker to ask for all
ROWS_AT_ONCE = 200_000  # intervals times stations that are held in memory
_NS = 1_000_000
Read = Callable[[str, str, int, int], Iterator[Value]]  # as Store.series
_Key = tuple[str, int]  # station, start of an interval
_Flagged = dict[_Key, dict[tuple[str, int], str]]  # -> (device, time) -> quality
_COMBINE: dict[str, Callable[[float, float], float]] = {
    "sum": lambda a, b: a + b,
    "count": lambda a, b: a + b,
    "min": min,
    "max": max,
}


class Sums:
    """Of one channel over these intervals."""

    def __init__(
        self, influx: InfluxConnection, pool: Executor, read: Read, channel: str, runs: Sequence[Steps], without: str
    ) -> None:
        self._influx, self._pool, self._read, self._channel, self._runs = influx, pool, read, channel, runs
        self._without = without
        self._ends = {at: at + run.step_ms for run in runs for at in range(run.start_ms, run.end_ms, run.step_ms)}
        self._starts = list(self._ends)

    def of(self, stations: Sequence[str], names: Sequence[str]) -> Iterator[Summed]:
        """Some stations after the others, so that many intervals take no more memory than few."""
        some = max(1, ROWS_AT_ONCE // max(1, len(self._starts)))
        for first in range(0, len(stations), some):
            yield from self._of(stations[first : first + some], names)

    def _of(self, stations: Sequence[str], names: Sequence[str]) -> Iterator[Summed]:
        few = stations if len(stations) <= FEW else ()
        flags = self._pool.submit(self._flagged, few)
        try:
            sums, noted = self._sums(few, ("count", *names)), flags.result()
        except StoreRefused:  # no Flux there; if it was something else, reading is refused too
            yield from (one for station in stations for one in self._one_by_one(station))
            return
        found: dict[str, list[Summed]] = {station: [] for station in stations}
        flagged = {key: notes for key, notes in noted.items() if key[0] in found}
        values = self._values(sorted(flagged))
        for (station, start_ms), (count, *figures) in sums.items():
            if station in found and (station, start_ms) not in flagged:
                found[station].append(Summed(station, start_ms, tuple(figures), int(count)))
        for key, notes in flagged.items():
            here = [
                Value(ms, v, notes.get((device, ms), NOT_JUDGED), device)
                for ms, v, device in sorted(values.get(key, ()))
            ]
            if here:
                found[key[0]].append(Summed(*key, values=here))
        for station in stations:
            yield from sorted(found[station], key=lambda one: one.start_ms)

    def _one_by_one(self, station: str) -> Iterator[Summed]:
        """Every interval as its values."""
        values = self._read(station, self._channel, self._starts[0], self._runs[-1].end_ms)
        for start_ms, here in groupby(
            values, key=lambda one: self._starts[bisect_right(self._starts, one.time_ms) - 1]
        ):
            yield Summed(station, start_ms, values=list(here))

    def _sums(self, stations: Sequence[str], names: Sequence[str]) -> dict[_Key, list[Any]]:
        """Of all values, flagged or not, the devices of a station put together; of no stations: of all."""
        among = f" and r.station =~ /^({'|'.join(map(re.escape, stations))})$/" if stations else ""
        which = f"filter(fn: (r) => {self._is(READING)}{among})"
        # Each with a source of its own: what is read for two aggregates is not handed down.
        script = [
            f"{self._from(run.start_ms, run.end_ms)} |> {which} |> aggregateWindow(every: {run.step_ms}ms, "
            f'offset: {run.start_ms % run.step_ms}ms, fn: {name}, createEmpty: false, timeSrc: "_start") '
            f'|> keep(columns: ["station", "_time", "_value"]) |> yield(name: "{k} {n}")'
            for n, run in enumerate(self._runs)
            for k, name in enumerate(names)
        ]
        combine = [_COMBINE[name] for name in names]
        found: dict[_Key, list[Any]] = {}
        times: dict[str, int] = {}
        for result, station, at, value in self._influx.flux(
            "\n".join(script), ("result", "station", "_time", "_value")
        ):
            time_ms = times.get(at) or times.setdefault(at, ms(at))
            figures = found.get((station, time_ms)) or found.setdefault((station, time_ms), [None] * len(names))
            n = int(result[0])
            figures[n] = float(value) if figures[n] is None else combine[n](figures[n], float(value))
        return {key: figures for key, figures in found.items() if None not in figures}  # else deleted meanwhile

    def _flagged(self, stations: Sequence[str]) -> _Flagged:
        """What has a note of a letter that stays out; of no stations: of all, as Flux is slow to choose here."""
        start_ms, end_ms = self._starts[0], self._runs[-1].end_ms
        letters = f"/^[{re.escape(self._without)}]/"
        notes: Iterable[tuple[str, str, int, str]]
        if stations:
            among = " OR ".join(f'"station" = $s{n}' for n in range(len(stations)))
            where = f'time >= $a AND time < $b AND "{self._channel}" =~ {letters} AND ({among})'
            params: dict[str, str | int] = {f"s{n}": station for n, station in enumerate(stations)}
            query = f'SELECT "{self._channel}", "device", "station" FROM "{QUALITY}" WHERE {where}'
            rows = self._influx.stream(query, {**params, "a": start_ms * _NS, "b": end_ms * _NS})
            notes = ((device, station, at, quality) for part in rows for at, quality, device, station in part)
        else:
            script = (
                f"{self._from(start_ms, end_ms)} "
                f"|> filter(fn: (r) => {self._is(QUALITY)} and r._value =~ {letters}) "
                '|> keep(columns: ["station", "device", "_time", "_value"])'
            )
            found_notes = self._influx.flux(script, ("device", "station", "_time", "_value"))
            notes = ((device, station, ms(at), quality) for device, station, at, quality in found_notes)
        found: _Flagged = {}
        for device, station, time_ms, quality in notes:
            interval_ms = self._starts[bisect_right(self._starts, time_ms) - 1]
            found.setdefault((station, interval_ms), {})[device, time_ms] = quality
        return found

    def _is(self, measurement: str) -> str:
        return f'r._measurement == "{measurement}" and r._field == "{self._channel}"'

    def _from(self, start_ms: int, end_ms: int) -> str:
        span = f"start: time(v: {start_ms * _NS}), stop: time(v: {end_ms * _NS})"
        return f"from(bucket: {quoted(self._influx.bucket)}) |> range({span})"

    def _values(self, keys: Sequence[_Key]) -> dict[_Key, list[tuple[int, float, str]]]:
        """Of these intervals: (ms, value, device)."""
        parts = [keys[n : n + STATEMENTS] for n in range(0, len(keys), STATEMENTS)]
        found: dict[_Key, list[tuple[int, float, str]]] = {}
        for part, answers in zip(parts, self._pool.map(self._ask, parts), strict=True):
            for key, series in zip(part, answers, strict=True):
                found[key] = [(at, float(value), device) for one in series for at, value, device in one["values"]]
        return found

    def _ask(self, keys: Sequence[_Key]) -> list[list[dict[str, Any]]]:
        statements: list[str] = []
        params: dict[str, str | int] = {}
        for n, (station, start_ms) in enumerate(keys):
            end_ms = self._ends[start_ms]
            params |= {f"s{n}": station, f"a{n}": start_ms * _NS, f"b{n}": end_ms * _NS}
            here = f'"station" = $s{n} AND time >= $a{n} AND time < $b{n}'
            statements.append(f'SELECT "{self._channel}", "device" FROM "{READING}" WHERE {here}')
        return self._influx.query(";".join(statements), params)
