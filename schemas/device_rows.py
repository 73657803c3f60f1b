"""devices.csv: its columns and what makes a row right, for the registry and for the technician's bench. No I/O.

EUIs and keys in any case and with separators. The rule: a column that is not in the file changes nothing, an empty cell
clears; keys are only ever replaced. So a row is read on top of what is `known` under its name.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from schemas.csv_rows import Cells, Faults, Known, Row, rows_of, validated
from schemas.models import Activation, Device

COLUMNS = (
    "device", "station", "activation", "dev_eui", "join_eui", "app_key", "dev_addr", "nwk_skey", "app_skey", "codec",
)  # fmt: skip
OWN_CODECS = ("klimanetz", "cayenne-lpp", "senml")
ABP_SESSION = "activation abp needs dev_addr, nwk_skey and app_skey together"
KEYS = ("dev_eui", "join_eui", "app_key", "dev_addr", "nwk_skey", "app_skey")
HEX_DIGITS = {"dev_eui": 16, "join_eui": 16, "app_key": 32, "dev_addr": 8, "nwk_skey": 32, "app_skey": 32}


@dataclass(frozen=True, slots=True)
class DeviceRow:
    device: Device  # with the keys that are known already
    station: str | None


def devices(data: bytes, known: Known, also: Sequence[str] = (), unmade: bool = False) -> list[Row[DeviceRow]]:
    """Devices, on top of `known` ones (name to columns); `also`: columns that may be there and are only in `cells`;
    `unmade`: EUIs and keys may lack, as the bench makes them.

    Raises FileRefused if the header is wrong.
    """
    rows = rows_of(data, (*COLUMNS, *also), 1, partial(_device, unmade=unmade), known)
    seen: dict[str, int] = {}
    for row in rows:
        eui = row.value.device.dev_eui if row.value else plain_hex(row.cells.get("dev_eui", ""))
        if eui and (first := seen.setdefault(eui, row.line)) != row.line:
            row.bad.append(f"dev_eui {eui} is already on line {first}")
    return rows


def plain_hex(text: str) -> str:
    """As the tables have it: lower case, without separators."""
    return text.replace(":", "").replace("-", "").replace(" ", "").lower()


def _device(cells: Cells, known: Mapping[str, Any], delimiter: str, faults: Faults, unmade: bool) -> DeviceRow | None:
    values: dict[str, Any] = {name: value for name, value in known.items() if name not in cells or name in KEYS}
    for name, cell in cells.items():
        if name in HEX_DIGITS and cell:
            values[name] = _hex(name, cell, faults)
        elif name in ("device", "activation", "codec") and cell:
            values[name] = cell.lower() if name == "activation" else cell
    if cells.get("codec"):
        values["codec"] = _codec(cells["codec"], faults)
    has_eui = bool(cells["dev_eui"] if "dev_eui" in cells else known.get("dev_eui"))
    values.setdefault("activation", "otaa" if has_eui else "mqtt")
    device = validated(Device, values, cells, faults)
    if device is None:
        return None
    if not unmade:
        _check_activation(device, cells, faults)
    return None if faults else DeviceRow(device, cells.get("station") or None)


def _check_activation(device: Device, cells: Cells, faults: Faults) -> None:
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


def _hex(name: str, text: str, faults: Faults) -> str:
    digits = HEX_DIGITS[name]
    plain = plain_hex(text)
    if len(plain) != digits or any(c not in "0123456789abcdef" for c in plain):
        faults.add(name, f"{name} is '{text}'; it has {digits} hexadecimal digits")
    return plain


def _codec(text: str, faults: Faults) -> str:
    codec = text.lower()
    vendor, slash, model = codec.partition("/")
    if codec not in OWN_CODECS and not (slash and vendor and model and "/" not in model):
        faults.add("codec", f"codec '{text}' is unknown; use {', '.join(OWN_CODECS)} or vendor/device")
    return codec
