"""Events of ChirpStack v4's MQTT integration (JSON): `application/<id>/device/<eui>/event/<type>`.

An `up` becomes readings: from the raw `data` where the registry names a codec of ours for the device, else from the
`object` that the network's own decoder made, by name (`mapping`). Devices that nobody has registered are published
as `eui-<dev_eui>`, so that the cloud lists them and no value is lost.

Identity: with a frame counter (seq, generation). The events do not number the join session, but every join gets a new
DevAddr, so the address is the generation: the same event always gives the same number, and the counters of two
sessions never meet. It does not rise from join to join; what needs an order has the time. Without a session in the
event: (device, time). ChirpStack before 4.1 leaves out what is 0 (chirpstack#43), so a session without fCnt is at 0.

Specification: ChirpStack v4 api/proto/integration/integration.proto, api/proto/gw/gw.proto in proto3 JSON.
"""

import base64
import binascii
import json
import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import orjson

from gateway.decode import NOTHING, Payload, Read, decode
from gateway.networks.mapping import map_object
from gateway.ports import DeviceDirectory
from gateway.semtech.objects import time_of
from gateway.spool import Undecoded
from schemas.models import Link, Reading, TimeSource

UP = "up"
OTHER_EVENTS = ("join", "ack", "txack", "log", "status", "location", "integration")
_TOPIC = re.compile(r"application/[^/]+/device/([0-9a-fA-F]{16})/event/([a-z]+)")
_EUI = re.compile(r"[0-9a-fA-F]{16}")
_DEV_ADDR = re.compile(r"[0-9a-fA-F]{8}")


@dataclass(frozen=True, slots=True)
class Uplink:
    """What an event gave; `event` is its type."""

    event: str
    device: str = ""
    read: Read = NOTHING


def event(topic: str, payload: bytes, received_ms: int, directory: DeviceDirectory) -> Uplink:
    """One message of the integration. What is no event is `undecoded` with its reason, whatever the bytes."""
    match = _TOPIC.fullmatch(topic)
    if match is None:
        return _refused("unknown", "", received_ms, payload, "the topic is not a ChirpStack event's")
    kind, device = match[2], "eui-" + match[1].lower()
    if kind in OTHER_EVENTS:
        return Uplink(kind, device)
    if kind != UP:
        return _refused("unknown", device, received_ms, payload, "unknown event '%s'" % kind[:32])
    try:
        body = orjson.loads(payload)
    except orjson.JSONDecodeError as error:
        return _refused(UP, device, received_ms, payload, "not JSON (is the integration set to JSON?): %s" % error)
    if not isinstance(body, dict):
        return _refused(UP, device, received_ms, payload, "the event is not a JSON object")
    return uplink(body, received_ms, directory, device)


def uplink(body: dict[str, Any], received_ms: int, directory: DeviceDirectory, default: str = "") -> Uplink:
    """An `up` event's readings; `default` names the device where the event does not (its topic does)."""
    info = _dict(body.get("deviceInfo"))
    dev_eui = str(info.get("devEui", default.removeprefix("eui-"))).lower()
    if not _EUI.fullmatch(dev_eui):
        return _refused(UP, default, received_ms, json.dumps(body).encode(), "the event names no DevEUI")
    device = directory.by_dev_eui(dev_eui)
    name = device.device if device else "eui-" + dev_eui
    link = _link(body)
    data = _data(body.get("data"))
    generation = int(link.dev_addr, 16) if link.dev_addr else None
    codec = device.codec if device else ""
    payload = Payload(
        name, codec, data, link.fport or 0, generation, link.fcnt, received_ms, link, time_of(body.get("time"))
    )
    read = decode(payload) if device and data else NOTHING
    if not read.readings:
        read = _from_object(payload, _dict(body.get("object")), read)
    if read.undecoded and not data:
        read = replace(read, undecoded=replace(read.undecoded, payload=json.dumps(body).encode()))
    return Uplink(UP, name, read)


def _from_object(payload: Payload, decoded: dict[str, Any], tried: Read) -> Read:
    """What the network's own decoder made of it; `tried` is what ours did."""
    mapped = map_object(decoded)
    if mapped.values:
        counted = payload.generation is not None and payload.fcnt is not None
        reading = Reading(
            device=payload.device,
            generation=payload.generation if counted else None,
            seq=payload.fcnt if counted else None,
            time=payload.time or datetime.fromtimestamp(payload.received_ms / 1000, UTC),
            time_source=TimeSource.NETWORK if payload.time else TimeSource.RECEIVER,
            values=mapped.values,
            link=payload.link,
        )
        return Read((reading,), mapped.unmapped)
    if tried.undecoded:
        reason = tried.undecoded.reason
    elif not payload.codec:
        reason = "the device is not registered, so no codec is known"
    else:
        reason = "the event has no data"
    reason += ", and the network's decoder gave no value that we know" if decoded else ""
    undecoded = Undecoded(payload.device, payload.received_ms, reason, payload.data, payload.fport, payload.link)
    return Read((), tried.unmapped + mapped.unmapped, undecoded)


def _refused(kind: str, device: str, received_ms: int, payload: bytes, reason: str) -> Uplink:
    return Uplink(kind, device, Read(undecoded=Undecoded(device, received_ms, reason, payload)))


def _link(body: dict[str, Any]) -> Link:
    """The best reception and everyone who heard it."""
    heard = [r for r in body.get("rxInfo") or [] if isinstance(r, dict)] if isinstance(body.get("rxInfo"), list) else []
    heard.sort(key=lambda r: (-(_number(r.get("snr")) or -99), -(_number(r.get("rssi")) or -999)))
    gateways = list(dict.fromkeys(str(r["gatewayId"]).lower()[:64] for r in heard if "gatewayId" in r))
    best = heard[0] if heard else {}
    tx = _dict(body.get("txInfo"))
    lora = _dict(_dict(tx.get("modulation")).get("lora"))
    dev_addr = body.get("devAddr")
    return Link(
        via="lorawan",
        gateway=gateways[0] if gateways else None,
        gateways=gateways or None,
        rssi_dbm=_number(best.get("rssi")),
        snr_db=_number(best.get("snr")),
        sf=_whole(lora.get("spreadingFactor"), 5, 12),
        frequency_hz=_whole(tx.get("frequency"), 1, 2**32),
        fcnt=_whole(body.get("fCnt", 0 if dev_addr else None), 0, 2**32 - 1),
        fport=_whole(body.get("fPort"), 0, 255),
        dev_addr=dev_addr.lower() if isinstance(dev_addr, str) and _DEV_ADDR.fullmatch(dev_addr) else None,
    )


def _data(text: Any) -> bytes:
    try:
        return base64.b64decode(text, validate=True) if isinstance(text, str) else b""
    except (binascii.Error, ValueError):
        return b""


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _number(value: Any) -> float | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e9 else None


def _whole(value: Any, low: int, high: int) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and low <= value <= high else None
