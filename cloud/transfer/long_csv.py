"""The long form: one value a row, `station,time,quantity,value`, and what else makes a stored value. Pure.

The same columns are written by the export, so that export and import are an exact round trip. `quantity` is a channel
(`soil_moisture@30cm`) or, with a date as time, a daily reference series (`tmean`, `tmin`, `tmax`, `precipitation`).
The profile `de` (`;`, decimal comma, byte order mark) is recognised by its header.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from math import isfinite
from operator import itemgetter

from cloud.store.model import NOT_JUDGED
from cloud.transfer.csv_text import CsvText
from cloud.transfer.rows import REJECTED, BadRow, DayRow, Row, Tally, UnreadableFile, ValueRow, reason_of
from cloud.transfer.series_names import DAILY
from cloud.transfer.times import date_of, rfc3339_ms
from schemas.channels import is_name, split
from schemas.quantities import BY_NAME

REQUIRED = ("station", "time", "quantity", "value")
COLUMNS = (*REQUIRED, "device", "quality", "generation", "seq")  # as exported
_ALSO = ("quality_reasons", "unit", "local_time")
DEVICE = "import"
COUNT_LIMIT = 2**63
_QUALITY = re.compile(r"[VSCZQXGB]( [!-~]+)*")
_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}(,\d{3})+", re.ASCII)


class LongCsv:
    """A parser for text lines. Raises UnreadableFile where the header is none of ours."""

    def __init__(self, lines: Iterable[str], device: str | None = None) -> None:
        self._text = CsvText(lines)
        self.header = tuple("quantity" if name == "channel" else name for name in map(str.lower, self._text.header))
        _check_header(self.header)
        self.not_taken: tuple[str, ...] = ()
        self._device = device or DEVICE
        self._decimal_comma = self._text.delimiter == ";"

    def rows(self, tally: Tally) -> Iterator[Row]:
        """Every row, in the order of the file."""
        station_at, time_at, quantity_at, value_at = map(self.header.index, REQUIRED)
        of_words, of_counts = lru_cache(maxsize=65536)(self._words), lru_cache(maxsize=1024)(self._counts)
        words, counts = _picker(self.header, _WORDS), _picker(self.header, _COUNTS)
        last_time, last_ms = "", 0
        for row in self._text:
            if isinstance(row, BadRow):
                yield row
                continue
            line, cells = row
            try:
                station, time, channel = cells[station_at].strip(), cells[time_at].strip(), cells[quantity_at].strip()
                value = _number(cells[value_at], self._decimal_comma)
                if value is None and not (station or time or channel):
                    continue  # a blank line, as spreadsheets write it
                if value is None:
                    tally.missing += 1
                    tally.missing_by_column[channel] += 1
                    continue
                device, quality = of_words(station, channel, words(cells))
                if channel in DAILY and (len(time) <= len("1990-07-01") or not _is_channel(channel)):
                    yield _day(line, station, device, time, channel, value, quality)
                    continue
                if time != last_time:
                    last_ms = rfc3339_ms(time)
                    last_time = time
                generation, seq = of_counts(counts(cells))
                yield ValueRow(line, station, device, last_ms, channel, value, quality, generation, seq)
            except ValueError as error:
                yield BadRow(line, reason_of(error))

    def _words(self, station: str, channel: str, words: tuple[str, ...]) -> tuple[str, str | None]:
        """(device, quality) of a row: what repeats is looked at once. Raises ValueError."""
        if not is_name(station):
            raise ValueError(f"'{station}' is no name of a station")
        if channel not in DAILY:
            split(channel)
        said = dict(zip([name for name in _WORDS if name in self.header], map(str.strip, words), strict=True))
        device = said.get("device") or self._device
        if not is_name(device):
            raise ValueError(f"'{device}' cannot be a device: 1 to 64 of A-Z a-z 0-9 . _ -, a letter or digit first")
        quality = " ".join(filter(None, (said.get("quality"), said.get("quality_reasons"))))
        if quality and not _QUALITY.fullmatch(quality):
            raise ValueError(f"'{quality}' is no quality: one letter of V S C Z Q X G B, then reasons, like 'X range'")
        unit = DAILY.get(channel) or split(channel)[0].unit
        if said.get("unit") not in (None, "", unit):
            raise ValueError(f"{channel} is in {unit} here, not in '{said['unit']}': convert the values first")
        return device, quality or None

    def _counts(self, texts: tuple[str, ...]) -> tuple[int | None, int | None]:
        """(generation, seq) of a row."""
        said = dict(zip([name for name in _COUNTS if name in self.header], map(_count, texts), strict=True))
        return said.get("generation"), said.get("seq")


_WORDS = ("device", "quality", "quality_reasons", "unit")
_COUNTS = ("generation", "seq")


def _picker(header: tuple[str, ...], names: tuple[str, ...]) -> Callable[[list[str]], tuple[str, ...]]:
    """The cells of those columns that are there."""
    at = [header.index(name) for name in names if name in header]
    if len(at) > 1:
        return itemgetter(*at)
    return lambda cells: tuple(cells[n] for n in at)


def _day(line: int, station: str, source: str, time: str, series: str, value: float, quality: str | None) -> DayRow:
    day = date_of(time)
    if day is None:
        raise ValueError(f"{series} is one value a day: give a date, like 1990-07-01, instead of '{time}'")
    return DayRow(line, station, source, day, series, value, quality or NOT_JUDGED)


def _is_channel(name: str) -> bool:
    return name in BY_NAME


def _count(text: str) -> int | None:
    """A generation or a sequence number; None where the cell is empty."""
    if text.isdigit() and text.isascii() and len(text) < 20 and int(text) < COUNT_LIMIT:
        return int(text)
    if not text.strip():
        return None
    raise ValueError(f"'{text}' is no count: generation and seq are whole numbers from 0")


def _number(text: str, decimal_comma: bool) -> float | None:
    """None where the cell is empty."""
    value: float | None
    try:
        value = float(text)
    except ValueError:
        value = _with_comma(text.strip(), decimal_comma)
    if value is not None and (not isfinite(value) or "_" in text):
        raise ValueError(f"value is '{text}', not a number")
    return value


def _with_comma(text: str, decimal_comma: bool) -> float | None:
    if not text:
        return None
    if not decimal_comma and _THOUSANDS.fullmatch(text):  # as much one thousand and more as one and a bit
        raise ValueError(f"value is '{text}': write {text.replace(',', '')} or {text.replace(',', '.', 1)}")
    try:
        return float(text.replace(",", ".") if "." not in text else text)
    except ValueError:
        raise ValueError(f"value is '{text}', not a number") from None


def _check_header(header: tuple[str, ...]) -> None:
    known = {*COLUMNS, *_ALSO, *REJECTED}
    missing = [name for name in REQUIRED if name not in header]
    unknown = sorted({name or "(empty)" for name in header if name not in known})
    double = sorted({name for name in header if header.count(name) > 1})
    wrong = [
        f"{what} column: {', '.join(names)}"
        for names, what in ((missing, "missing"), (unknown, "unknown"), (double, "doubled"))
        if names
    ]
    if wrong:
        raise UnreadableFile(f"{'; '.join(wrong)}; the columns are {', '.join((*COLUMNS, *_ALSO))}")
