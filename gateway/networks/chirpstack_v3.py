"""Events of ChirpStack v3 as version 4 writes them: same topics, other names.

Version 3 writes EUIs and addresses as base64 or, set to `json_v3`, as hexadecimal; its decoder's output is
`objectJSON`, a text, or `object`; errors have an event of their own. Its uplinks carry no time of the network but
`publishedAt` in the last versions, so the gateways' time stands in, and the session's address only in some.

Specification: ChirpStack v3 chirpstack-api/as/integration/integration.proto.
"""

import binascii
import re
from typing import Any

import orjson

from gateway.networks.event import raw_bytes, table, tables

_SAME = (
    "dr", "fCnt", "fPort", "data", "margin", "externalPowerSource", "batteryLevelUnavailable", "batteryLevel",
    "acknowledged", "queueItemId", "level", "code",
)  # fmt: skip


def is_v3(body: dict[str, Any]) -> bool:
    """Told by its shape."""
    return "deviceInfo" not in body and ("devEUI" in body or "applicationID" in body)


def as_v4(body: dict[str, Any], kind: str) -> dict[str, Any]:
    """The same event in version 4's words; `kind` is the event's type."""
    heard = tables(body.get("rxInfo"))
    info = {
        "applicationId": body.get("applicationID"),
        "deviceProfileName": body.get("deviceProfileName"),
        "deviceProfileId": body.get("deviceProfileID"),
    }
    if "devEUI" in body:
        info["devEui"] = _hex(body["devEUI"], 8)
    times = [body.get("publishedAt"), *(one.get("time") for one in heard)]
    new = {
        "deviceInfo": info,
        "time": next((time for time in times if time), None),
        "object": _object(body),
        "rxInfo": [_received(one) for one in heard],
        "txInfo": _sent(table(body.get("txInfo"))),
    }
    new["dr"] = table(body.get("txInfo")).get("dr")
    if kind == "error":
        new |= {"level": "ERROR", "code": body.get("type", "UNKNOWN"), "description": body.get("error")}
    if body.get("devAddr"):
        new["devAddr"] = _hex(body["devAddr"], 4)
    return new | {name: body[name] for name in _SAME if name in body}


def _hex(value: Any, size: int) -> str:
    if isinstance(value, str) and re.fullmatch("[0-9a-fA-F]{%d}" % (2 * size), value):
        return value.lower()
    raw = raw_bytes(value)
    return binascii.hexlify(raw).decode() if len(raw) == size else str(value)


def _object(body: dict[str, Any]) -> Any:
    written = body.get("objectJSON")
    if not isinstance(written, str) or not written:
        return body.get("object")
    try:
        found = orjson.loads(written)
    except orjson.JSONDecodeError:
        found = None
    return found if isinstance(found, dict) else {"objectJSON": written}


def _received(one: dict[str, Any]) -> dict[str, Any]:
    new = {"rssi": one["rssi"]} if "rssi" in one else {}
    new |= {"snr": one["loRaSNR"]} if "loRaSNR" in one else {}
    return new | ({"gatewayId": _hex(one["gatewayID"], 8)} if "gatewayID" in one else {})


def _sent(tx: dict[str, Any]) -> dict[str, Any]:
    return {"frequency": tx.get("frequency"), "modulation": {"lora": table(tx.get("loRaModulationInfo"))}}
