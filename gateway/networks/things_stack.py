"""Messages of The Things Stack v3's MQTT integration (JSON): `v3/<application>@<tenant>/devices/<device id>/<type>`.

An `up` becomes readings (`event.read_uplink`): from `frm_payload` where the registry names a codec of ours, else from
`normalized_payload` and, for what that leaves out, `decoded_payload`. Joins, downlink events and the battery level in
`up` become notes on the device's health. A record of the storage integration (`result`) is read like the message in it.

Identity as in `chirpstack`: DevAddr and f_cnt, else (device, time). What is 0 is left out of these messages, so a
session without f_cnt is at 0, but not in a storage record, which may lack it for other reasons. A simulated uplink
(console, API) carries a counter that is not the device's: it is marked `simulated` in its link and identified by its
time, so that it never takes a real reading's place. Some events name no DevEUI: then the device is the one whose
route that is (`device_at`), or the one in the id `eui-…` that the console proposes, or is called `tts-<device id>`.

Time: `uplink_message.received_at`, the network server's; then those of the gateway servers, then the application
server's. The gateways' own `time` is not asked: it is a clock that nobody has checked.

Specification: The Things Stack, data formats; api/messages.proto, ApplicationUp; mqtt/topics/v3.go.
"""

import json
import re
from collections.abc import Callable
from datetime import datetime
from typing import Any

import orjson

from gateway.decode import Payload
from gateway.networks.channel_table import NO_TABLE, ChannelTable
from gateway.networks.downlinks import NetworkKind, Route
from gateway.networks.event import (
    Event,
    Heard,
    decoder_output,
    dev_addr_of,
    first_time,
    link,
    number,
    own_notes,
    raw_bytes,
    read_uplink,
    reception,
    refused,
    sf_of_rate,
    table,
    tables,
    text,
    whole,
)
from gateway.networks.history import Frame, map_frame, merged
from gateway.networks.mapping import Names
from gateway.networks.normalized import normalized_frame
from gateway.networks.things_stack_notes import DOWNLINKS, VIA, event_note, uplink_notes
from gateway.ports import DeviceDirectory
from schemas.models import Link

UP = "up"
OTHER_EVENTS = ("service/data", "location/solved")  # they say nothing that we keep
_TOPIC = re.compile(r"v3/([^/]+)/devices/([^/]+)/([a-z]+(?:/[a-z]+)?)")
_EUI = re.compile(r"[0-9a-f]{16}")


def event(
    topic: str, payload: bytes, received_ms: int, directory: DeviceDirectory, channels: ChannelTable = NO_TABLE,
    device_at: Callable[[Route], str | None] = lambda route: None,
) -> Event:  # fmt: skip
    """One message of the integration. What is no event is `undecoded` with its reason, whatever the bytes."""
    match = _TOPIC.fullmatch(topic)
    if match is None:
        return refused("unknown", "", received_ms, payload, "the topic is not one of The Things Stack's")
    route = Route(NetworkKind.THINGS_STACK, match[1], match[2])
    kind, default = match[3], device_at(route) or _name(match[2])
    if kind in OTHER_EVENTS:
        return Event(kind, default)
    if kind not in (UP, "join", *DOWNLINKS):
        return refused("unknown", default, received_ms, payload, "unknown event '%s'" % kind[:32])
    try:
        body = orjson.loads(payload)
    except orjson.JSONDecodeError as error:
        return refused(kind, default, received_ms, payload, "not JSON: %s" % error)
    if not isinstance(body, dict):
        return refused(kind, default, received_ms, payload, "the event is not a JSON object")
    if kind == UP:
        return uplink(body, received_ms, directory, default, channels, route)
    note = event_note(kind, body, received_ms)
    return Event(kind, _device(body, directory, default)[0], notes=(note,), route=route)


def uplink(
    body: dict[str, Any], received_ms: int, directory: DeviceDirectory, default: str = "",
    channels: ChannelTable = NO_TABLE, route: Route | None = None,
) -> Event:  # fmt: skip
    """An uplink's readings; `default` names the device where the message does not (its topic does)."""
    stored = "uplink_message" not in body and isinstance(body.get("result"), dict)
    body = body["result"] if stored else body
    name, codec = _device(body, directory, default)
    message = body.get("uplink_message")
    if not name or not isinstance(message, dict):
        reason = "the event has no uplink_message" if name else "the event names no device"
        return refused(UP, name, received_ms, json.dumps(body).encode(), reason)
    heard = _link(body, message, stored)
    generation = int(heard.dev_addr, 16) if heard.dev_addr and body.get("simulated") is not True else None
    data, time = raw_bytes(message.get("frm_payload")), _time(body, message)
    payload = Payload(name, codec, data, heard.fport or 0, generation, heard.fcnt, received_ms, heard, time)
    version = table(message.get("version_ids"))
    model = text(version.get("model_id"))
    names = channels.names((codec, "%s/%s" % (text(version.get("brand_id")), model), model))
    read = read_uplink(payload, _frame(message, reception(payload), names), body)
    notes = uplink_notes(message, time, received_ms) + own_notes(read, payload, VIA)
    return Event(UP, name, read, notes, route)


def _device(body: dict[str, Any], directory: DeviceDirectory, default: str) -> tuple[str, str]:
    """(name, codec) of the device that a message names."""
    ids = table(body.get("end_device_ids"))
    dev_eui = text(ids.get("dev_eui")).lower()
    name = "eui-" + dev_eui if _EUI.fullmatch(dev_eui) else default or _name(text(ids.get("device_id")))
    found = directory.by_dev_eui(name.removeprefix("eui-")) if name.startswith("eui-") else None
    return (found.device, found.codec) if found else (name, "")


def _name(device_id: str) -> str:
    """A device's name from its id alone."""
    if _EUI.fullmatch(device_id.lower().removeprefix("eui-")) and device_id.startswith("eui-"):
        return device_id.lower()
    safe = re.sub(r"[^A-Za-z0-9._-]", "-", device_id)[:60]
    return "tts-" + safe if safe else ""


def _time(body: dict[str, Any], message: dict[str, Any]) -> datetime | None:
    servers = [one.get("received_at") for one in tables(message.get("rx_metadata"))]
    return first_time(message.get("received_at"), *servers, body.get("received_at"))


def _frame(message: dict[str, Any], received: datetime, names: Names) -> Frame:
    """What the network's decoders made of it."""
    frame = normalized_frame(message.get("normalized_payload"), received, names)
    decoded = decoder_output(message.get("decoded_payload"), "decoded_payload")
    return merged(frame, map_frame(decoded, received, names))


def _link(body: dict[str, Any], message: dict[str, Any], stored: bool) -> Link:
    settings = table(message.get("settings"))
    lora = table(table(settings.get("data_rate")).get("lora"))
    frequency_hz = whole(settings.get("frequency"), 1, 2**32)
    dev_addr = dev_addr_of(table(body.get("end_device_ids")).get("dev_addr"))
    absent = 0 if dev_addr and not stored else None
    made = link(
        [_heard(one, bool(lora)) for one in tables(message.get("rx_metadata"))],
        sf=whole(lora.get("spreading_factor"), 5, 12) or sf_of_rate(settings.get("data_rate_index"), frequency_hz),
        frequency_hz=frequency_hz,
        fcnt=whole(message.get("f_cnt", absent), 0, 2**32 - 1),
        fport=whole(message.get("f_port"), 0, 255),
        dev_addr=dev_addr,
    )
    return made.model_copy(update={"simulated": True}) if body.get("simulated") is True else made


def _heard(one: dict[str, Any], lora: bool) -> Heard:
    """A gateway of another network comes through the packet broker, under a name of its own."""
    ids, broker = table(one.get("gateway_ids")), table(one.get("packet_broker"))
    names = (
        ids.get("eui"),
        broker.get("forwarder_gateway_eui"),
        broker.get("forwarder_gateway_id"),
        ids.get("gateway_id"),
    )
    gateway = next((text(name).lower()[:64] for name in names if text(name)), None)
    rssi_dbm = number(one.get("rssi", one.get("channel_rssi")))
    snr_db = number(one.get("snr", 0.0 if lora and rssi_dbm is not None else None))
    return Heard(gateway, rssi_dbm, snr_db)
