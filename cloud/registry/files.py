"""Registry files: CSV text to rows, every bad row named with line and reason. Pure.

Written for files as people really have them: with or without a byte order mark, with commas or semicolons,
with Windows line ends, EUIs in any case and with separators. The columns are in docs/registry.md.
"""

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import TypeVar

from pydantic import ValidationError

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
_HEX_DIGITS = {"dev_eui": 16, "join_eui": 16, "app_key": 32, "dev_addr": 8, "nwk_skey": 32, "app_skey": 32}
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


class RowError(ValueError):
    """One row is wrong; the message says why."""


@dataclass(frozen=True, slots=True)
class DeviceRow:
    device: Device
    station: str | None


@dataclass(frozen=True, slots=True)
class DeploymentRow:
    station: str
    device: str
    since: str | None  # RFC 3339, or a date that means midnight at the station; None: not known
    until: str | None
    height_m: float | None
    note: str | None


Cells = dict[str, str]
T = TypeVar("T")


def stations(data: bytes) -> list[tuple[int, Station]]:
    """`(line, Station)` of every row. Raises FileRefused."""
    return _rows(data, STATION_COLUMNS, 4, _station, lambda row: row.station)


def devices(data: bytes) -> list[tuple[int, DeviceRow]]:
    """`(line, DeviceRow)` of every row. Raises FileRefused."""
    rows = _rows(data, DEVICE_COLUMNS, 1, _device, lambda row: row.device.device)
    seen: dict[str, int] = {}
    bad = []
    for line, row in rows:
        if row.device.dev_eui and (first := seen.setdefault(row.device.dev_eui, line)) != line:
            bad.append(BadRow(line, f"dev_eui {row.device.dev_eui} is already on line {first}"))
    if bad:
        raise FileRefused(bad)
    return rows


def deployments(data: bytes) -> list[tuple[int, DeploymentRow]]:
    """`(line, DeploymentRow)` of every row. Raises FileRefused."""
    return _rows(data, DEPLOYMENT_COLUMNS, 3, _deployment, lambda row: f"{row.device} from {row.since or '(empty)'}")


def _rows(
    data: bytes, columns: Sequence[str], required: int, parse: Callable[[Cells], T], key: Callable[[T], str]
) -> list[tuple[int, T]]:
    """Every row parsed, or FileRefused with all that is wrong; the first `required` columns must be there."""
    rows: list[tuple[int, T]] = []
    bad: list[BadRow] = []
    seen: dict[str, int] = {}
    for line, cells in _cells(data, columns, required):
        try:
            value = parse(cells)
        except ValidationError as error:
            bad.append(BadRow(line, _sentence(error)))
        except RowError as error:
            bad.append(BadRow(line, str(error)))
        else:
            if (first := seen.setdefault(key(value), line)) != line:
                bad.append(BadRow(line, f"'{key(value)}' is already on line {first}"))
            rows.append((line, value))
    if bad:
        raise FileRefused(bad)
    return rows


def _cells(data: bytes, columns: Sequence[str], required: int) -> Iterator[tuple[int, Cells]]:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise FileRefused([BadRow(line, "not UTF-8; save the file as 'CSV UTF-8'")]) from None
    if "\0" in text:
        raise FileRefused(
            [BadRow(text.count("\n", 0, text.index("\0")) + 1, "a NUL stands in it: is this a CSV file?")]
        )
    header_line = text.split("\n", 1)[0]
    delimiter = ";" if header_line.count(";") > header_line.count(",") else ","
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        header = [name.strip().lower() for name in next(reader, [])]
        _check_header(header, columns, required)
        for fields in reader:
            if not any(field.strip() for field in fields):
                continue
            if len(fields) > len(header):
                raise FileRefused([BadRow(reader.line_num, f"{len(fields)} cells under {len(header)} columns")])
            padded = fields + [""] * (len(header) - len(fields))
            yield reader.line_num, {name: _cell(field) for name, field in zip(header, padded, strict=True)}
    except csv.Error as error:
        raise FileRefused([BadRow(reader.line_num, f"not CSV: {error}")]) from None


def _cell(field: str) -> str:
    return field.replace("\r\n", "\n").replace("\r", "\n").strip()  # a lone one would end a row of the export


def _check_header(header: list[str], columns: Sequence[str], required: int) -> None:
    missing = [name for name in columns[:required] if name not in header]
    unknown = [name for name in header if name not in columns]
    double = sorted({name for name in header if header.count(name) > 1})
    for names, what in ((missing, "missing"), (unknown, "unknown"), (double, "doubled")):
        if names:
            allowed = ", ".join(columns)
            raise FileRefused([BadRow(1, f"{what} column: {', '.join(names) or '(empty)'}; the columns are {allowed}")])


def _station(cells: Cells) -> Station:
    filled: dict[str, object] = {name: cell for name, cell in cells.items() if cell}
    for name in ("latitude", "longitude", "elevation_m", "height_m"):
        if name in filled:
            filled[name] = _number(name, cells[name])
    timezone = cells.get("timezone") or "Europe/Berlin"
    try:
        zone_of(timezone)
    except ValueError as error:
        raise RowError(f"timezone {error}") from None
    private = _FLAGS.get(cells.get("private", "").lower())
    if private is None:
        raise RowError(f"private is '{cells['private']}'; use yes or no")
    return Station.model_validate(filled | {"timezone": timezone, "private": private})


def _device(cells: Cells) -> DeviceRow:
    filled: dict[str, object] = {name: cell for name, cell in cells.items() if cell and name != "station"}
    for name, digits in _HEX_DIGITS.items():
        if name in filled:
            filled[name] = _hex(name, cells[name], digits)
    filled.setdefault("activation", "otaa" if "dev_eui" in filled else "mqtt")
    filled["activation"] = str(filled["activation"]).lower()
    filled["codec"] = _codec(cells.get("codec", ""))
    device = Device.model_validate(filled)
    _check_activation(device)
    return DeviceRow(device, cells.get("station") or None)


def _check_activation(device: Device) -> None:
    # Keys may be absent: then ChirpStack or The Things Stack holds them and only the EUI is known here.
    if device.activation is Activation.OTAA and not device.dev_eui:
        raise RowError("activation otaa needs dev_eui")
    if device.activation is Activation.OTAA and device.app_key and not device.join_eui:
        raise RowError("an app_key needs its join_eui")
    if device.activation is Activation.ABP:
        keys = (
            device.nwk_skey,
            device.app_skey,
        )  # absent and the address there: `imports` looks whether they are known
        if any(keys) and not (all(keys) and device.dev_addr):
            raise RowError(ABP_SESSION)
        if not device.dev_addr and not device.dev_eui:
            raise RowError(f"{ABP_SESSION}, or at least dev_eui")


def _deployment(cells: Cells) -> DeploymentRow:
    for name in ("station", "device"):
        if not cells[name]:
            raise RowError(f"{name} is empty")
    height = cells.get("height_m", "")
    return DeploymentRow(
        cells["station"], cells["device"], cells["from"] or None, cells.get("to") or None,
        _number("height_m", height) if height else None, cells.get("note") or None,
    )  # fmt: skip


def _number(name: str, text: str) -> float:
    try:
        number = float(text.replace(",", ".") if text.count(",") == 1 and "." not in text else text)
    except ValueError:
        raise RowError(f"{name} is '{text}', not a number") from None
    if not isfinite(number):
        raise RowError(f"{name} is '{text}', not a number that can be measured")
    return number


def _hex(name: str, text: str, digits: int) -> str:
    plain = text.replace(":", "").replace("-", "").replace(" ", "").lower()
    if len(plain) != digits or any(c not in "0123456789abcdef" for c in plain):
        raise RowError(f"{name} is '{text}'; it has {digits} hexadecimal digits")
    return plain


def _codec(text: str) -> str:
    codec = text.lower() or "klimanetz"
    vendor, slash, model = codec.partition("/")
    if codec not in OWN_CODECS and not (slash and vendor and model and "/" not in model):
        raise RowError(f"codec '{text}' is unknown; use {', '.join(OWN_CODECS)} or vendor/device")
    return codec


def _sentence(error: ValidationError) -> str:
    return "; ".join(
        f"{'.'.join(map(str, e['loc']))}: {e['msg'].removeprefix('Value error, ')}" for e in error.errors()
    )
