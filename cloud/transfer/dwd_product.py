"""A `produkt_…` file of the German Weather Service: one row a time, a column a parameter. Pure.

Columns are known by their names (`dwd_tables`), so it does not matter how the file is called or which of them it has.
The level of quality in a `QN…` column holds for the columns behind it, up to the next. A row that does not end with
`eor` is cut off. A value that our own physical range refuses is flagged whatever its level.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from math import isfinite

from cloud.judge import FAILED_RANGE, judge
from cloud.store.model import NOT_JUDGED
from cloud.transfer.dwd_meta import Clock, TimeBase
from cloud.transfer.dwd_tables import COLUMNS, MISSING, NOT_VALUES, QUALITY, Column, device_of, padded
from cloud.transfer.rows import REJECTED, BadRow, DayRow, Row, Tally, UnreadableFile, ValueRow, reason_of
from cloud.transfer.times import digits_date, digits_ms

_NOT_VALUES = NOT_VALUES | {name.upper() for name in REJECTED}
FINE = frozenset({"10min", "5min", "1min"})


@dataclass(frozen=True, slots=True)
class Kept:
    """A column that is taken: its place in a row, that of its quality level (-1: none), its name and where it goes."""

    at: int
    level_at: int
    name: str
    column: Column


Found = tuple[Kept, float, str | None]  # with the quality that its level means; None: we judge


class Product:
    """A parser for text lines. Raises UnreadableFile where there is nothing that we keep."""

    def __init__(self, lines: Iterable[str], bases: Iterable[TimeBase] = (), device: str | None = None) -> None:
        self._lines = enumerate(lines, 1)
        header = next((line for _, line in self._lines if line.strip()), "").removeprefix("\ufeff").strip()
        self.header = tuple(name.strip() for name in header.split(";"))
        names = [name.upper() for name in self.header]
        self._id_at = names.index("STATIONS_ID")
        times = [n for n, name in enumerate(names) if name in ("MESS_DATUM_ENDE", "MESS_DATUM")]
        self._kept = list(_kept(names))
        self.not_taken = tuple(
            name for name in names if name not in COLUMNS and name not in _NOT_VALUES and not name.startswith("QN")
        )
        if not self._kept or not times:
            raise UnreadableFile(
                f"none of its columns is kept here ({', '.join(self.not_taken) or 'there are none'}); docs/data.md "
                "lists the files that can be imported"
            )
        self._time_at = times[-1]
        self._eor_at = names.index("EOR") if "EOR" in names else None
        self._daily = self._kept[0].column.kind == "daily"
        self._device = device
        self._clock = Clock(bases, any(kept.column.kind in FINE for kept in self._kept))

    def rows(self, tally: Tally) -> Iterator[Row]:
        """Every row, in the order of the file; the station of a row is the service's number."""
        width = len(self.header)
        for number, text in self._lines:
            cells = text.rstrip("\r\n").split(";")
            if len(cells) != width:
                if text.strip(" ;\r\n\x1a"):
                    cut = "; is the file cut off here?" if len(cells) < width else ""
                    yield BadRow(number, f"{len(cells)} cells under {width} columns{cut}")
                continue
            if self._eor_at is not None and cells[self._eor_at].strip() != "eor":
                yield BadRow(number, "it does not end with eor; is the file cut off here?")
                continue
            try:
                yield from self._values(number, cells, tally)
            except ValueError as error:
                yield BadRow(number, reason_of(error))

    def _values(self, line: int, cells: list[str], tally: Tally) -> list[Row]:
        """All of a row or, with ValueError, nothing."""
        dwd_id, time = cells[self._id_at].strip(), cells[self._time_at].strip()
        if not dwd_id.isdigit():
            raise ValueError(f"'{dwd_id}' is not the number of a station")
        dwd_id = padded(dwd_id)
        there = []
        for kept in self._kept:
            value = _value(kept.name, cells[kept.at])
            if value is None or value in kept.column.also_missing:
                tally.missing += 1
                tally.missing_by_column[kept.name] += 1
            else:
                level = cells[kept.level_at].strip() if kept.level_at >= 0 else ""
                there.append((kept, value, _quality(kept.name, level)))
        try:
            return self._days(line, dwd_id, time, there) if self._daily else self._timed(line, dwd_id, time, there)
        except ValueError:
            raise ValueError(
                f"MESS_DATUM is '{time}', not a time like 20230412 or 2023041210 or 202304121050"
            ) from None

    def _days(self, line: int, dwd_id: str, time: str, there: list[Found]) -> list[Row]:
        day, source = digits_date(time), self._device or device_of(dwd_id, "daily")
        return [
            DayRow(line, dwd_id, source, day, kept.column.channel, value, quality or NOT_JUDGED)
            for kept, value, quality in there
        ]

    def _timed(self, line: int, dwd_id: str, time: str, there: list[Found]) -> list[Row]:
        found: list[Row] = []
        as_written = digits_ms(time)
        for kept, value, quality in there:
            column = kept.column
            value *= column.factor
            if quality is not None and judge({column.channel: value})[column.channel] == FAILED_RANGE:
                quality = f"{FAILED_RANGE} {quality.partition(' ')[2]}"
            device = self._device or device_of(dwd_id, column.kind)
            time_ms = as_written - self._clock.ahead_ms(kept.name, as_written)
            found.append(ValueRow(line, dwd_id, device, time_ms, column.channel, value, quality))
        return found


def _kept(names: list[str]) -> Iterator[Kept]:
    level_at = -1
    for n, name in enumerate(names):
        if name.startswith("QN") or name == "QUALITAETS_NIVEAU":
            level_at = n
        elif name in COLUMNS:
            yield Kept(n, level_at, name, COLUMNS[name])


def _value(name: str, text: str) -> float | None:
    """None: the service has none."""
    try:
        value = float(text)
    except ValueError:
        if not text.strip():
            return None
        value = float("nan")
    if not isfinite(value):
        raise ValueError(f"{name} is '{text.strip()}', not a number")
    return None if value == MISSING else value


@lru_cache(maxsize=256)
def _quality(name: str, level: str) -> str | None:
    """None: the service does not say, so we judge."""
    if level in ("", "-999"):
        return None
    quality = QUALITY.get(int(level)) if level.isdigit() else None
    if quality is None:
        raise ValueError(f"the quality level of {name} is '{level}', which the service does not have")
    return quality
