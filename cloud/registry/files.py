"""Registry files: CSV text to rows, each with all that is wrong with it. Pure.

Written for files as people really have them: with or without a byte order mark, with commas or semicolons,
with Windows line ends, EUIs in any case and with separators. The columns are in docs/registry.md.

The rule: a column that is not in the file changes nothing, an empty cell clears; keys are only ever replaced. So a row
is read on top of what is `known` under its name. A row that is wrong stays among the others with its faults, so that
later checks (places, dates) can add theirs and one answer names everything (`refuse_bad`).
"""

import csv
import io
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ValidationError

from cloud.calendar import zone_of
from schemas.models import Activation, Device, Station

STATION_COLUMNS = (
    "station", "name", "latitude", "longitude", "elevation_m", "height_m", "shield", "lcz", "district",
    "timezone", "private",
)  # fmt: skip
DEVICE_COLUMNS = (
    "device", "station", "activation", "dev_eui", "join_eui", "app_key", "dev_addr", "nwk_skey", "app_skey", "codec",
)  # fmt: skip
DEPLOYMENT_COLUMNS = ("station", "device", "from", "to", "height_m", "note")
OWN_CODECS = ("klimanetz", "cayenne-lpp", "senml")
ABP_SESSION = "activation abp needs dev_addr, nwk_skey and app_skey together"
KEYS = ("dev_eui", "join_eui", "app_key", "dev_addr", "nwk_skey", "app_skey")
_HEX_DIGITS = {"dev_eui": 16, "join_eui": 16, "app_key": 32, "dev_addr": 8, "nwk_skey": 32, "app_skey": 32}
_LENGTHS = {"name": 200, "shield": 100, "lcz": 20, "district": 200, "codec": 100, "note": 1000}  # of the tables
_NUMBER = re.compile(r"[+-]?(\d+[.,]?\d*|[.,]\d+)(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)
_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2},\d{3}", re.ASCII)
_NOT_UTF8 = re.compile("[\udc80-\udcff]")  # what `surrogateescape` makes of other bytes
_FLAGS = {"": False, "0": False, "false": False, "no": False, "nein": False}
_FLAGS |= {"1": True, "true": True, "yes": True, "ja": True}


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


@dataclass(frozen=True, slots=True)
class DeviceRow:
    device: Device  # with the keys that are known already
    station: str | None


@dataclass(frozen=True, slots=True)
class DeploymentRow:
    station: str
    device: str
    since: str | None  # RFC 3339, or a date that means midnight at the station; None: not known
    until: str | None
    height_m: float | None
    note: str | None


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


class _Faults(dict[str, str]):
    """Column to what is wrong with it; the first fault of a column is the one that is told."""

    def add(self, column: str, reason: str) -> None:
        self.setdefault(column, reason)


def stations(data: bytes, known: Known) -> list[Row[Station]]:
    """Stations, on top of `known` ones (name to columns). Raises FileRefused if the header is wrong."""
    return _rows(data, STATION_COLUMNS, 4, _station, known)


def devices(data: bytes, known: Known) -> list[Row[DeviceRow]]:
    """Devices, on top of `known` ones (name to columns). Raises FileRefused if the header is wrong."""
    rows = _rows(data, DEVICE_COLUMNS, 1, _device, known)
    seen: dict[str, int] = {}
    for row in rows:
        eui = row.value.device.dev_eui if row.value else None
        if eui and (first := seen.setdefault(eui, row.line)) != row.line:
            row.bad.append(f"dev_eui {eui} is already on line {first}")
    return rows


def deployments(data: bytes) -> list[Row[DeploymentRow]]:
    """Deployments; what their times are depends on places. Raises FileRefused if the header is wrong."""
    return _rows(data, DEPLOYMENT_COLUMNS, 3, _deployment, None)


def refuse_bad(rows: Sequence[Row[Any]]) -> None:
    """Raises FileRefused if a row is bad, with every one that is."""
    bad = [BadRow(row.line, "; ".join(row.bad)) for row in rows if row.bad]
    if bad:
        raise FileRefused(bad)


Parse = Callable[[Cells, Mapping[str, Any], str, _Faults], T | None]


def _rows(data: bytes, columns: Sequence[str], required: int, parse: Parse[T], known: Known | None) -> list[Row[T]]:
    """Every row, parsed or with its faults; the first `required` columns must be there."""
    rows: list[Row[T]] = []
    seen: dict[str, int] = {}
    for line, cells, delimiter, reason in _cells(data, columns, required):
        row = Row[T](line, cells, broken=reason is not None)
        rows.append(row)
        if reason is not None:
            row.bad.append(reason)
            continue
        faults = _Faults()
        name = cells[columns[0]]
        for column, most in _LENGTHS.items():
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
    delimiter = ";" if header_line.count(";") > header_line.count(",") else ","
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


def _station(cells: Cells, known: Mapping[str, Any], delimiter: str, faults: _Faults) -> Station | None:
    values: dict[str, Any] = {name: value for name, value in known.items() if name not in cells}
    values |= {name: cell for name, cell in cells.items() if cell}
    for name in ("latitude", "longitude", "elevation_m", "height_m"):
        if cells.get(name):
            values[name] = _number(name, cells[name], delimiter, faults)
    if cells.get("timezone"):
        try:
            zone_of(cells["timezone"])
        except ValueError as error:
            faults.add("timezone", f"timezone {error}")
    if "private" in cells:
        values["private"] = _FLAGS.get(cells["private"].lower(), False)
        if cells["private"].lower() not in _FLAGS:
            faults.add("private", f"private is '{cells['private']}'; use yes or no")
    return _validated(Station, values, cells, faults)


def _device(cells: Cells, known: Mapping[str, Any], delimiter: str, faults: _Faults) -> DeviceRow | None:
    values: dict[str, Any] = {name: value for name, value in known.items() if name not in cells or name in KEYS}
    for name, cell in cells.items():
        if name in _HEX_DIGITS and cell:
            values[name] = _hex(name, cell, faults)
        elif name not in ("station", *_HEX_DIGITS) and cell:
            values[name] = cell.lower() if name == "activation" else cell
    if cells.get("codec"):
        values["codec"] = _codec(cells["codec"], faults)
    has_eui = bool(cells["dev_eui"] if "dev_eui" in cells else known.get("dev_eui"))
    values.setdefault("activation", "otaa" if has_eui else "mqtt")
    device = _validated(Device, values, cells, faults)
    if device is None:
        return None
    _check_activation(device, cells, faults)
    return None if faults else DeviceRow(device, cells.get("station") or None)


def _check_activation(device: Device, cells: Cells, faults: _Faults) -> None:
    # Keys may be absent: then ChirpStack or The Things Stack holds them and only the EUI is known here. An empty cell
    # does not erase a key, but a row that says how a device joins must not rest on an address that it leaves empty.
    def named(column: str) -> bool:
        return bool(cells[column] if column in cells else getattr(device, column))

    if device.activation is Activation.OTAA and not named("dev_eui"):
        faults.add("activation", "activation otaa needs dev_eui")
    if device.activation is Activation.OTAA and device.app_key and not device.join_eui:
        faults.add("join_eui", "an app_key needs its join_eui")
    if device.activation is Activation.ABP:
        given = [bool(cells.get(column)) for column in ("nwk_skey", "app_skey")]
        keys = all(given) if any(given) else bool(device.nwk_skey and device.app_skey)
        if named("dev_addr") != keys and (named("dev_addr") or any(given)):
            faults.add("activation", ABP_SESSION)
        elif not named("dev_addr") and not named("dev_eui"):
            faults.add("activation", f"{ABP_SESSION}, or at least dev_eui")


def _deployment(cells: Cells, _: Mapping[str, Any], delimiter: str, faults: _Faults) -> DeploymentRow | None:
    for name in ("station", "device"):
        if not cells[name]:
            faults.add(name, f"{name} is empty")
    height = cells.get("height_m", "")
    height_m = _number("height_m", height, delimiter, faults) if height else None
    return DeploymentRow(
        cells["station"], cells["device"], cells["from"] or None, cells.get("to") or None, height_m,
        cells.get("note") or None,
    )  # fmt: skip


def _number(name: str, text: str, delimiter: str, faults: _Faults) -> float | None:
    if delimiter == "," and _THOUSANDS.fullmatch(text):  # as much one thousand and more as one and a bit
        faults.add(name, f"{name} is '{text}': write {text.replace(',', '')} or {text.replace(',', '.')}")
    elif not _NUMBER.fullmatch(text):
        faults.add(name, f"{name} is '{text}', not a number")
    else:
        return float(text.replace(",", "."))
    return None


def _hex(name: str, text: str, faults: _Faults) -> str:
    digits = _HEX_DIGITS[name]
    plain = text.replace(":", "").replace("-", "").replace(" ", "").lower()
    if len(plain) != digits or any(c not in "0123456789abcdef" for c in plain):
        faults.add(name, f"{name} is '{text}'; it has {digits} hexadecimal digits")
    return plain


def _codec(text: str, faults: _Faults) -> str:
    codec = text.lower()
    vendor, slash, model = codec.partition("/")
    if codec not in OWN_CODECS and not (slash and vendor and model and "/" not in model):
        faults.add("codec", f"codec '{text}' is unknown; use {', '.join(OWN_CODECS)} or vendor/device")
    return codec


def _validated(model: type[M], values: Mapping[str, Any], cells: Cells, faults: _Faults) -> M | None:
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
        return f"{column}: '{text}' is not one of {', '.join(Activation)}"
    if kind == "less_than_equal":
        return f"{column}: '{text}' is more than {context['le']:g}"
    if kind == "greater_than_equal":
        return f"{column}: '{text}' is less than {context['ge']:g}"
    if kind == "value_error":
        return f"{column}: '{text}' is no name; use {message.removeprefix('Value error, ')}"
    return f"{column}: {message}"
