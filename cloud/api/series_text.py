"""A time series as JSON or CSV, piece by piece. Pure.

Rows are put together as text: what repeats (quality and device) is encoded once. CSV follows RFC 4180; the profile
`de` is what a German spreadsheet opens by itself: byte order mark, semicolons, decimal commas, local time beside UTC.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import tzinfo
from functools import lru_cache
from itertools import islice

import orjson

from cloud.api.times import TimeText, german_text
from cloud.series import Row
from cloud.store.model import Value

ROWS_PER_PIECE = 1000
RAW_COLUMNS = ("value", "quality", "quality_reasons", "device")


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


def json_values(values: Iterable[Value]) -> Iterator[str]:
    """A row of JSON for each value."""
    text = TimeText()
    for one in values:
        yield f'{{"time":"{text(one.time_ms)}","value":{one.value!r},{_json_note(one.quality, one.device)}'


def json_rows(rows: Iterable[Row], names: tuple[str, ...]) -> Iterator[str]:
    """A row of JSON for each interval."""
    text = TimeText()
    for row in rows:
        figures = ",".join(
            f'"{name}":{"null" if one is None else repr(one)}' for name, one in zip(names, row.aggregates, strict=True)
        )
        yield f'{{"time":"{text(row.time_ms)}",{figures},"count":{row.count},"flagged":{row.flagged}}}'


def csv_pieces(columns: tuple[str, ...], rows: Iterator[tuple[int, list[str]]], local: tzinfo | None) -> Iterator[bytes]:
    """Lines of `(time_ms, cells)`; with `local`, in the profile `de`."""
    text = TimeText()
    if local is None:
        yield _line(",", "time", *columns).encode()
        lines = (_line(",", text(time_ms), *cells) for time_ms, cells in rows)
    else:
        yield "\ufeff".encode() + _line(";", "time", "local_time", *columns).encode()
        lines = (
            _line(";", text(time_ms), german_text(time_ms, local), *(cell.replace(".", ",") for cell in cells[:-1]), cells[-1])
            for time_ms, cells in rows
        )
    while piece := list(islice(lines, ROWS_PER_PIECE)):
        yield "".join(piece).encode()


def csv_values(values: Iterable[Value]) -> Iterator[tuple[int, list[str]]]:
    """Cells of RAW_COLUMNS."""
    for one in values:
        letter, _, reasons = one.quality.partition(" ")
        yield one.time_ms, [repr(one.value), letter, reasons, one.device]


def csv_rows(rows: Iterable[Row]) -> Iterator[tuple[int, list[str]]]:
    """Cells of the aggregates, count and flagged; what is not known is empty."""
    for row in rows:
        cells = ["" if one is None else repr(one) for one in row.aggregates]
        yield row.time_ms, [*cells, str(row.count), str(row.flagged)]


def _line(separator: str, *cells: str) -> str:
    return separator.join(cells) + "\r\n"


@lru_cache(maxsize=4096)
def _json_note(quality: str, device: str) -> str:
    letter, *reasons = quality.split(" ")
    note = {"quality": letter, "quality_reasons": reasons, "device": device}
    return orjson.dumps(note)[1:].decode()
