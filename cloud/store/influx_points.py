"""Whole points of one station from InfluxDB, by time: `reading` and `quality` are streamed side by side and joined."""

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from typing import Any

from cloud.store.influx_http import InfluxConnection, Params
from cloud.store.lines import QUALITY, READING
from cloud.store.model import NOT_JUDGED, Point

_Row = tuple[int, str, dict[str, Any]]  # time, device, fields that are there


def points(
    influx: InfluxConnection, station: str, channels: Sequence[str], start_ns: int, end_ns: int
) -> Iterator[Point]:
    """As Store.points; `channels` are fields that the station has, so they may stand in a query."""
    fields = ", ".join(f'"{channel}"' for channel in channels)
    where = 'WHERE "station" = $station AND time >= $start AND time < $end'
    params: Params = {"station": station, "start": start_ns, "end": end_ns}
    values = _rows(influx, f'SELECT {fields}, "generation", "seq", "device" FROM "{READING}" {where}', params)
    notes = _rows(influx, f'SELECT {fields}, "device" FROM "{QUALITY}" {where}', params)
    with closing(values), closing(notes):
        judged = _Notes(notes)
        for time_ms, device, row in values:
            generation, seq = (_whole(row.pop(name, None)) for name in ("generation", "seq"))
            if row:
                note = judged.at(time_ms).get(device, {})
                quality = {channel: note.get(channel, NOT_JUDGED) for channel in row}
                found = {channel: float(value) for channel, value in row.items()}
                yield Point(station, device, time_ms, found, quality, generation, seq)


class _Notes:
    """The notes of one time after the other, by device."""

    def __init__(self, rows: Iterator[_Row]) -> None:
        self._rows = rows
        self._next = next(rows, None)
        self._at: int | None = None
        self._here: dict[str, dict[str, Any]] = {}

    def at(self, time_ms: int) -> dict[str, dict[str, Any]]:
        if time_ms != self._at:
            self._at, self._here = time_ms, {}
            while self._next is not None and self._next[0] <= time_ms:
                if self._next[0] == time_ms:
                    self._here[self._next[1]] = self._next[2]
                self._next = next(self._rows, None)
        return self._here


def _rows(influx: InfluxConnection, query: str, params: Params) -> Generator[_Row, None, None]:
    with closing(influx.stream_series(query, params)) as found:
        for series in found:
            names = series["columns"][1:]
            for time_ms, *cells in series["values"]:
                row = {name: cell for name, cell in zip(names, cells, strict=True) if cell is not None}
                yield time_ms, row.pop("device"), row


def _whole(value: Any) -> int | None:
    return None if value is None else int(value)
