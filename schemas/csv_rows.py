"""A registry file's rows: CSV text to cells, each row with all that is wrong with it. CPython, no I/O.

Written for files as people really have them: with or without a byte order mark, with commas, semicolons or tabs, with
Windows line ends. The rule: a row that is wrong stays among the others with its faults, so that later checks can add
theirs and one answer names everything (`refuse_bad`). Sentences are English; `cloud/api/texts.py` has them in German.
"""

import csv
import io
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ValidationError

DELIMITERS = ",;\t"  # of two that are as frequent in the header the first
LENGTHS = {"name": 200, "shield": 100, "lcz": 20, "district": 200, "codec": 100, "note": 1000}  # of the tables
_NOT_UTF8 = re.compile("[\udc80-\udcff]")  # what `surrogateescape` makes of other bytes


@dataclass(frozen=True, slots=True)
class BadRow:
    """Why a row was refused; `line` counts from 1, the header is line 1."""

    line: int
    reason: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.reason}"


class FileRefused(Exception):
    """Nothing of the file was taken over. `rows` names every bad row."""

    def __init__(self, rows: list[BadRow]) -> None:
        super().__init__("; ".join(map(str, rows)))
        self.rows = rows


Cells = dict[str, str]  # of the columns that a row has; an empty text is an empty cell
Known = Mapping[str, Mapping[str, Any]]
T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)


@dataclass(slots=True)
class Row(Generic[T]):
    """A row of a file: `line` is its first. `value` is None where `bad` says why, `broken` where it has no cells."""

    line: int
    cells: Cells
    value: T | None = None
    bad: list[str] = field(default_factory=list)
    broken: bool = False


class Faults(dict[str, str]):
    """Column to what is wrong with it; the first fault of a column is the one that is told."""

    def add(self, column: str, reason: str) -> None:
        self.setdefault(column, reason)


Parse = Callable[[Cells, Mapping[str, Any], str, Faults], T | None]


def refuse_bad(rows: Sequence[Row[Any]]) -> None:
    """Raises FileRefused if a row is bad, with every one that is."""
    bad = [BadRow(row.line, "; ".join(row.bad)) for row in rows if row.bad]
    if bad:
        raise FileRefused(bad)


def rows_of(data: bytes, columns: Sequence[str], required: int, parse: Parse[T], known: Known | None) -> list[Row[T]]:
    """Every row, parsed or with its faults; the first `required` columns must be there."""
    rows: list[Row[T]] = []
    seen: dict[str, int] = {}
    for line, cells, delimiter, reason in _cells(data, columns, required):
        row = Row[T](line, cells, broken=reason is not None)
        rows.append(row)
        if reason is not None:
            row.bad.append(reason)
            continue
        faults = Faults()
        name = cells[columns[0]]
        for column, most in LENGTHS.items():
            if len(cells.get(column, "")) > most:
                faults.add(column, f"{column} has {len(cells[column])} characters; at most {most} fit")
        row.value = parse(cells, {} if known is None else known.get(name, {}), delimiter, faults)
        if known is not None and name and (first := seen.setdefault(name, line)) != line:
            faults.add("", f"'{name}' is already on line {first}")
        row.bad.extend(faults.values())
    return rows


def _cells(data: bytes, columns: Sequence[str], required: int) -> Iterator[tuple[int, Cells, str, str | None]]:
    """`(first line, cells, delimiter, what is wrong)` of every row that is not blank."""
    lines = io.StringIO(data.decode("utf-8", "surrogateescape").removeprefix("\ufeff"), newline="")
    skipped = 0
    for header_line in lines:
        if header_line.strip(" \t\r\n,;"):
            break
        skipped += 1
    else:
        raise FileRefused([BadRow(1, "the file is empty")])
    delimiter = max(DELIMITERS, key=header_line.count)
    reader = csv.reader(chain([header_line], lines), delimiter=delimiter, strict=True)
    header: list[str] | None = None
    while True:
        line = skipped + reader.line_num + 1
        try:
            fields = next(reader)
            reason = _unreadable(fields)
        except StopIteration:
            return
        except csv.Error as error:
            fields, reason = ["?"], f"not CSV: {error}"
        if header is None:
            header = [name.strip().lower() for name in fields]
            _check_header(line, reason, header, columns, required)
            continue
        if not any(cell.strip() for cell in fields):
            continue
        if reason is None and len(fields) > len(header):
            reason = f"{len(fields)} cells under {len(header)} columns"
        names = header if len(fields) >= len(header) else header[: len(fields)]
        cells = {name: _cell(cell) for name, cell in zip(names, fields, strict=False)}
        # A short row leaves its last columns as they are, but those that must be there are empty.
        yield line, dict.fromkeys(columns[:required], "") | cells, delimiter, reason


def _unreadable(fields: Sequence[str]) -> str | None:
    if any(map(_NOT_UTF8.search, fields)):
        return "not UTF-8; save the file as 'CSV UTF-8'"
    if any("\0" in cell for cell in fields):
        return "a NUL stands in it: is this a CSV file?"
    return None


def _cell(cell: str) -> str:
    return cell.replace("\r\n", "\n").replace("\r", "\n").strip()  # a lone one would end a row of the export


def _check_header(line: int, reason: str | None, header: list[str], columns: Sequence[str], required: int) -> None:
    missing = [name for name in columns[:required] if name not in header]
    unknown = sorted({name or "(empty)" for name in header if name not in columns})
    double = sorted({name for name in header if name and header.count(name) > 1})
    wrong = [
        f"{what} column: {', '.join(names)}"
        for names, what in ((missing, "missing"), (unknown, "unknown"), (double, "doubled"))
        if names
    ]
    if reason is None and wrong:
        reason = f"{'; '.join(wrong)}; the columns are {', '.join(columns)}"
    if reason is not None:
        raise FileRefused([BadRow(line, reason)])


def validated(model: type[M], values: Mapping[str, Any], cells: Cells, faults: Faults) -> M | None:
    try:
        valid = model.model_validate(values)
    except ValidationError as error:
        for detail in error.errors():
            column = str(detail["loc"][0])
            faults.add(
                column, _sentence(column, cells.get(column, ""), detail["type"], detail.get("ctx", {}), detail["msg"])
            )
        return None
    return None if faults else valid


def _sentence(column: str, text: str, kind: str, context: Mapping[str, Any], message: str) -> str:
    if kind == "missing":
        return f"{column} is empty"
    if kind == "enum":
        return f"{column}: '{text}' is not one of {context['expected'].replace(chr(39), '').replace(' or ', ', ')}"
    if kind == "less_than_equal":
        return f"{column}: '{text}' is more than {context['le']:g}"
    if kind == "greater_than_equal":
        return f"{column}: '{text}' is less than {context['ge']:g}"
    if kind == "value_error":
        return f"{column}: '{text}' is no name; use {message.removeprefix('Value error, ')}"
    return f"{column}: {message}"
