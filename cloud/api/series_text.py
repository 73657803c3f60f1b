"""A time series as JSON or CSV, piece by piece. Pure.

Rows are put together as text: what repeats (quality and device) is encoded once. CSV follows RFC 4180; the profile
`de` is what a German spreadsheet opens by itself: byte order mark, semicolons, decimal commas, local time beside UTC.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import tzinfo
from itertools import islice

import orjson

from cloud.api.times import GermanText
from cloud.series import Row
from cloud.store.model import Value
from cloud.time_text import TimeText

ROWS_PER_PIECE = 2000
TIMES_KEPT = 20_000
RAW_COLUMNS = ("value", "quality", "quality_reasons", "device")
Cells = tuple[int, tuple[float | str | None, ...]]  # a row's time, what else it has


@dataclass(slots=True)
class Answer:
    """What stands before the rows, and what is known once they were all read."""

    head: dict[str, object]
    complete_until: Callable[[], str | None]


def json_pieces(answer: Answer, rows: Iterator[str]) -> Iterator[bytes]:
    """`{…, "rows": […], "complete_until": …}`"""
    yield orjson.dumps(answer.head)[:-1] + b',"rows":['
    comma = ""
    while piece := list(islice(rows, ROWS_PER_PIECE)):
        yield (comma + ",".join(piece)).encode()
        comma = ","
    yield b'],"complete_until":' + orjson.dumps(answer.complete_until()) + b"}"


class _Notes(dict[tuple[str, str], str]):
    """(quality, device) -> its text, put together once."""

    def __init__(self, put_together: Callable[[str, str], str]) -> None:
        super().__init__()
        self._put_together = put_together

    def __missing__(self, key: tuple[str, str]) -> str:
        self[key] = self._put_together(*key)
        return self[key]


def json_values(values: Iterator[Value]) -> Iterator[str]:
    """A row of JSON for each value."""
    text, notes = TimeText(), _Notes(_json_note)
    while some := list(islice(values, ROWS_PER_PIECE)):
        yield from [
            f'{{"time":"{text(ms)}","value":{value!r},{notes[quality, device]}' for ms, value, quality, device in some
        ]


def json_rows(rows: Iterable[Row], names: tuple[str, ...]) -> Iterator[str]:
    """A row of JSON for each interval."""
    return map(RowTexts(names), rows)


class RowTexts:
    """Rows as text, quick where many stations have the same intervals."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self._text = TimeText()
        self._times: dict[int, str] = {}
        self._names = [f',"{name}":' for name in names]

    def __call__(self, row: Row) -> str:
        """As an object of JSON."""
        figures = "".join(
            [
                name + ("null" if one is None else repr(one))
                for name, one in zip(self._names, row.aggregates, strict=True)
            ]
        )
        return f'{{"time":"{self._time(row.time_ms)}"{figures},"count":{row.count},"flagged":{row.flagged}}}'

    def csv(self, row: Row) -> str:
        """As cells of CSV."""
        return ",".join((self._time(row.time_ms), *map(_plain, (*row.aggregates, row.count, row.flagged))))

    def _time(self, time_ms: int) -> str:
        text = self._times.get(time_ms)
        if text is None:
            if len(self._times) > TIMES_KEPT:
                self._times.clear()
            text = self._times[time_ms] = self._text(time_ms)
        return text


def csv_value_pieces(values: Iterator[Value]) -> Iterator[bytes]:
    """Lines with RAW_COLUMNS, a head first: what `csv_pieces` makes of `csv_values`, quicker."""
    yield (",".join(("time", *RAW_COLUMNS)) + "\r\n").encode()
    text, notes = TimeText(), _Notes(_csv_note)
    while some := list(islice(values, ROWS_PER_PIECE)):
        lines = [f"{text(ms)},{value!r},{notes[quality, device]}\r\n" for ms, value, quality, device in some]
        yield "".join(lines).encode()


def csv_pieces(columns: tuple[str, ...], rows: Iterator[Cells], local: tzinfo | None) -> Iterator[bytes]:
    """Lines, a head first; with `local`, in the profile `de`."""
    text = TimeText()
    if local is None:
        yield (",".join(("time", *columns)) + "\r\n").encode()
        lines = (f"{text(time_ms)},{','.join(map(_plain, cells))}\r\n" for time_ms, cells in rows)
    else:
        german = GermanText(local)
        yield ("\ufeff" + ";".join(("time", "local_time", *columns)) + "\r\n").encode()
        lines = (f"{text(time_ms)};{german(time_ms)};{';'.join(map(_german, cells))}\r\n" for time_ms, cells in rows)
    while piece := list(islice(lines, ROWS_PER_PIECE)):
        yield "".join(piece).encode()


def csv_values(values: Iterable[Value]) -> Iterator[Cells]:
    """With RAW_COLUMNS."""
    for one in values:
        letter, _, reasons = one.quality.partition(" ")
        yield one.time_ms, (one.value, letter, reasons, one.device)


def csv_rows(rows: Iterable[Row]) -> Iterator[Cells]:
    """With the aggregates, empty where not known, count and flagged."""
    for row in rows:
        yield row.time_ms, (*row.aggregates, row.count, row.flagged)


def _plain(cell: float | str | None) -> str:
    return "" if cell is None else str(cell)


def _german(cell: float | str | None) -> str:
    return str(cell).replace(".", ",") if isinstance(cell, float) else _plain(cell)


def _csv_note(quality: str, device: str) -> str:
    letter, _, reasons = quality.partition(" ")
    return f"{letter},{reasons},{device}"


def _json_note(quality: str, device: str) -> str:
    letter, *reasons = quality.split(" ")
    note = {"quality": letter, "quality_reasons": reasons, "device": device}
    return orjson.dumps(note)[1:].decode()
