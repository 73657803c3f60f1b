"""Registry files: CSV text to rows, each with all that is wrong with it. Pure.

How a file is read: schemas/csv_rows.py; devices.csv: schemas/device_rows.py. The columns are in docs/registry.md. The
rule: a column that is not in the file changes nothing, an empty cell clears. So a row is read on top of what is `known`
under its name.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cloud.calendar import zone_of
from schemas.csv_rows import Cells, Faults, FileRefused, Known, Row, refuse_bad, rows_of, validated
from schemas.device_rows import COLUMNS as DEVICE_COLUMNS
from schemas.device_rows import DeviceRow, devices
from schemas.models import Station

__all__ = [
    "DEPLOYMENT_COLUMNS", "DEVICE_COLUMNS", "STATION_COLUMNS", "DeploymentRow", "DeviceRow", "FileRefused", "Row",
    "deployments", "devices", "refuse_bad", "stations",
]  # fmt: skip
STATION_COLUMNS = (
    "station", "name", "latitude", "longitude", "elevation_m", "height_m", "shield", "lcz", "district",
    "timezone", "private",
)  # fmt: skip
DEPLOYMENT_COLUMNS = ("station", "device", "from", "to", "height_m", "note")
_NUMBER = re.compile(r"[+-]?(\d+[.,]?\d*|[.,]\d+)(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)
_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2},\d{3}", re.ASCII)
_FLAGS = {"": False, "0": False, "false": False, "no": False, "nein": False}
_FLAGS |= {"1": True, "true": True, "yes": True, "ja": True}


@dataclass(frozen=True, slots=True)
class DeploymentRow:
    station: str
    device: str
    since: str | None  # RFC 3339, or a date that means midnight at the station; None: not known
    until: str | None
    height_m: float | None
    note: str | None


def stations(data: bytes, known: Known) -> list[Row[Station]]:
    """Stations, on top of `known` ones (name to columns). Raises FileRefused if the header is wrong."""
    return rows_of(data, STATION_COLUMNS, 4, _station, known)


def deployments(data: bytes) -> list[Row[DeploymentRow]]:
    """Deployments; what their times are depends on places. Raises FileRefused if the header is wrong."""
    return rows_of(data, DEPLOYMENT_COLUMNS, 3, _deployment, None)


def _station(cells: Cells, known: Mapping[str, Any], delimiter: str, faults: Faults) -> Station | None:
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
    return validated(Station, values, cells, faults)


def _deployment(cells: Cells, _: Mapping[str, Any], delimiter: str, faults: Faults) -> DeploymentRow | None:
    for name in ("station", "device"):
        if not cells[name]:
            faults.add(name, f"{name} is empty")
    height = cells.get("height_m", "")
    height_m = _number("height_m", height, delimiter, faults) if height else None
    return DeploymentRow(
        cells["station"], cells["device"], cells["from"] or None, cells.get("to") or None, height_m,
        cells.get("note") or None,
    )  # fmt: skip


def _number(name: str, text: str, delimiter: str, faults: Faults) -> float | None:
    if delimiter == "," and _THOUSANDS.fullmatch(text):  # as much one thousand and more as one and a bit
        faults.add(name, f"{name} is '{text}': write {text.replace(',', '')} or {text.replace(',', '.')}")
    elif not _NUMBER.fullmatch(text):
        faults.add(name, f"{name} is '{text}', not a number")
    else:
        return float(text.replace(",", "."))
    return None
