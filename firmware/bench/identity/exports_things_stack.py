"""The Things Stack's bulk import: CSV, and JSON objects one a line, for LoRaWAN 1.0.4 in EU868. Pure.

Source: The Things Stack, "CSV File Reference" and "JSON File Reference"; lorawan-stack, pkg/devicetemplates/ttscsv.go:
there an *empty* `app_key` still means a device that joins, so OTAA and ABP are files of their own. Identifiers:
api/end_device.proto. What an ABP device does on its own is EU868's default: RX1 after a second, RX2 at SF12.
"""

import csv
import io
import json
import re
from collections.abc import Sequence
from typing import Any

from firmware.bench.identity.exports import Leaving
from firmware.bench.identity.keys import JOIN_EUI
from schemas.models import Activation, Device

MAC, PHY = "MAC_V1_0_4", "RP002_V1_0_4"
PLAN = "EU_863_870"  # of The Things Stack Sandbox: EU_863_870_TTN
DELIMITER = ";"
ID = re.compile("[a-z0-9](?:[-]?[a-z0-9]){2,}")
ID_MAX, NAME_MAX = 36, 50
_ABOUT = ("id", "dev_eui", "join_eui", "name", "description", "frequency_plan_id", "lorawan_version",
          "lorawan_phy_version")  # fmt: skip
COLUMNS = {
    Activation.OTAA: (*_ABOUT, "app_key"),
    Activation.ABP: (*_ABOUT, "dev_addr", "app_s_key", "f_nwk_s_int_key", "rx1_delay", "supports_32_bit_f_cnt"),
}
RX2_HZ = "869525000"


def csv_text(devices: Sequence[Device], leaving: Leaving, plan: str = PLAN) -> str:
    """A file of devices that all join in the same way."""
    columns = COLUMNS[devices[0].activation]
    ids, text = identifiers(devices), io.StringIO()
    writer = csv.DictWriter(text, columns, delimiter=DELIMITER, lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    for device in devices:
        cells = {
            "id": ids[device.device], "dev_eui": _upper(device.dev_eui),
            "join_eui": _upper(device.join_eui) or JOIN_EUI,
            "name": device.device[:NAME_MAX], "description": leaving.description(device), "frequency_plan_id": plan,
            "lorawan_version": MAC, "lorawan_phy_version": PHY, "app_key": _upper(device.app_key),
            "dev_addr": _upper(device.dev_addr), "app_s_key": _upper(device.app_skey),
            "f_nwk_s_int_key": _upper(device.nwk_skey), "rx1_delay": "RX_DELAY_1", "supports_32_bit_f_cnt": "true",
        }  # fmt: skip
        writer.writerow(cells)
    return text.getvalue()


def json_lines(leaving: Leaving, plan: str = PLAN) -> str:
    """For `ttn-lw-cli end-devices create` and the console's import: a stream of objects."""
    devices = [*leaving.otaa, *leaving.abp]
    ids = identifiers(devices)
    return "".join(json.dumps(_object(one, ids[one.device], leaving, plan)) + "\n" for one in devices)


def _object(device: Device, name: str, leaving: Leaving, plan: str) -> dict[str, Any]:
    joins = device.activation is Activation.OTAA
    ids = {"device_id": name, "dev_eui": _upper(device.dev_eui), "join_eui": _upper(device.join_eui) or JOIN_EUI}
    about = {
        "ids": ids,
        "name": device.device[:NAME_MAX],
        "description": leaving.description(device),
        "lorawan_version": MAC,
        "lorawan_phy_version": PHY,
        "frequency_plan_id": plan,
        "supports_join": joins,
    }
    if joins:
        return {**about, "root_keys": {"app_key": {"key": _upper(device.app_key)}}}
    settings = {
        "rx1_delay": "RX_DELAY_1", "rx2_data_rate_index": "DATA_RATE_0", "rx2_frequency": RX2_HZ,
        "supports_32_bit_f_cnt": True,
    }  # fmt: skip
    keys = {"app_s_key": {"key": _upper(device.app_skey)}, "f_nwk_s_int_key": {"key": _upper(device.nwk_skey)}}
    return {**about, "mac_settings": settings, "session": {"dev_addr": _upper(device.dev_addr), "keys": keys}}


def identifiers(devices: Sequence[Device]) -> dict[str, str]:
    """Device -> its id there: our name as far as it may be one, else by its DevEUI, which is their own default."""
    out: dict[str, str] = {}
    for device in devices:
        name = re.sub("[^a-z0-9]+", "-", device.device.lower()).strip("-")
        if not ID.fullmatch(name) or len(name) > ID_MAX or name in out.values():
            name = f"eui-{device.dev_eui}"
        out[device.device] = name
    return out


def _upper(text: str | None) -> str:
    return (text or "").upper()
