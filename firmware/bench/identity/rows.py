"""Devices from devices.csv, for the bench: the registry's columns and some of its own, read as people save them. Pure.

The rule: nothing is taken while one row is bad, and every bad row is named with its line. The rows are checked as the
registry checks them (schemas/device_rows.py), but EUIs and keys may lack: the bench makes them.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from firmware.bench.trouble import WrongUse
from firmware.bench.words import say
from firmware.contents import boards
from schemas.csv_rows import BadRow, FileRefused, Row
from schemas.device_rows import DeviceRow, devices
from schemas.models import Device

BENCH_COLUMNS = ("board", "config", "serial", "port")
MISSING = "%s: there is no device '%s'; it has %s", "%s: ein Gerät '%s' gibt es nicht; es gibt %s"


@dataclass(frozen=True, slots=True)
class BenchRow:
    """`board`, `config` (a file), `serial` (of the box) and `port` are empty where the file does not say."""

    device: Device
    station: str | None = None
    board: str = ""
    config: str = ""
    serial: str = ""
    port: str = ""


class BadRows(WrongUse):
    """Nothing was taken. `rows`: every bad one, as the registry words it."""

    def __init__(self, name: str, rows: Sequence[BadRow]) -> None:
        super().__init__(
            say(
                "%s was refused, nothing was done; mend %d of its rows",
                "%s wurde abgelehnt, nichts ist geschehen; zu berichtigende Zeilen: %d",
                name,
                len(rows),
            )
        )
        self.rows = list(rows)


def read(data: bytes, name: str = "devices.csv") -> list[BenchRow]:
    """Raises BadRows."""
    try:
        rows = devices(data, {}, BENCH_COLUMNS, unmade=True)
    except FileRefused as refused:
        raise BadRows(name, refused.rows) from None
    _check(rows)
    if bad := [BadRow(row.line, "; ".join(row.bad)) for row in rows if row.bad]:
        raise BadRows(name, bad)
    return [
        BenchRow(row.value.device, row.value.station, **{c: row.cells.get(c, "") for c in BENCH_COLUMNS})
        for row in rows
        if row.value is not None
    ]


def pick(rows: Iterable[BenchRow], device: str, name: str = "devices.csv") -> BenchRow:
    """The row of a device. Raises WrongUse."""
    known = {row.device.device: row for row in rows}
    if not device and known:
        raise WrongUse(
            say(
                "%s has %d devices: say which, --device NAME",
                "in %s stehen %d Geräte: sagen, welches, --device NAME",
                name,
                len(known),
            )
        )
    if device not in known:
        raise WrongUse(say(*MISSING, name, device, ", ".join(sorted(known)[:12]) or "–"))
    return known[device]


def _check(rows: Iterable[Row[DeviceRow]]) -> None:
    """What only the bench knows of: the board, and what stands on one box only."""
    known = boards()
    seen: dict[str, int] = {}
    for row in rows:
        board = row.cells.get("board", "")
        if board and board not in known:
            row.bad.append(f"board: '{board}' is not one of {', '.join(known)}")
        serial = row.cells.get("serial", "")
        if serial and (first := seen.setdefault(serial, row.line)) != row.line:
            row.bad.append(f"serial {serial} is already on line {first}")
