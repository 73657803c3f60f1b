"""Events of ChirpStack's MQTT integration (JSON), version 4: `application/<id>/device/<eui>/event/<type>`.

An `up` becomes readings (`event.read_uplink`): from the raw `data` where the registry names a codec of ours for the
device, else from the `object` that the network's own decoder made, by name (`mapping`). Devices that nobody has
registered are published as `eui-<dev_eui>`, so that the cloud lists them and no value is lost. `join`, `ack`, `txack`,
`status` and `log` become notes on the device's health. Version 3 comes on the same topics: `chirpstack_v3`.

Identity: with a frame counter (seq, generation). The events do not number the join session, but every join gets a new
DevAddr, so the address is the generation: the same event always gives the same number, and the counters of two
sessions never meet. It does not rise from join to join; what needs an order has the time. Without a session in the
event: (device, time). ChirpStack before 4.1 leaves out what is 0 (chirpstack#43), so a session without fCnt is at 0.

Specification: ChirpStack v4 api/proto/integration/integration.proto, api/proto/gw/gw.proto in proto3 JSON.
"""

import json
import re
from typing import Any

import orjson

from gateway.decode import Payload
from gateway.networks import chirpstack_v3
from gateway.networks.channel_table import NO_TABLE, ChannelTable
from gateway.networks.chirpstack_notes import NOTES, VIA, event_note
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
from gateway.networks.history import map_frame
from gateway.ports import DeviceDirectory
from schemas.models import Link

UP = "up"
OTHER_EVENTS = ("location", "integration")  # they say nothing that we keep
_TOPIC = re.compile(r"application/([^/]+)/device/([0-9a-fA-F]{16})/event/([a-z]+)")
_EUI = re.compile(r"[0-9a-fA-F]{16}")


def event(
    topic: str, payload: bytes, received_ms: int, directory: DeviceDirectory, channels: ChannelTable = NO_TABLE
) -> Event:
    """One message of the integration. What is no event is `undecoded` with its reason, whatever the bytes."""
    match = _TOPIC.fullmatch(topic)
    if match is None:
        return refused("unknown", "", received_ms, payload, "the topic is not a ChirpStack event's")
    kind, default = match[3], "eui-" + match[2].lower()
    if kind in OTHER_EVENTS:
        return Event(kind, default)
    if kind != UP and kind not in NOTES:
        return refused("unknown", default, received_ms, payload, "unknown event '%s'" % kind[:32])
    try:
        body = orjson.loads(payload)
    except orjson.JSONDecodeError as error:
        reason = "not JSON (is the integration set to JSON?): %s" % error
        return refused(kind, default, received_ms, payload, reason)
    if not isinstance(body, dict):
        return refused(kind, default, received_ms, payload, "the event is not a JSON object")
    body = chirpstack_v3.as_v4(body, kind) if chirpstack_v3.is_v3(body) else body
    route = Route(NetworkKind.CHIRPSTACK, match[1], match[2])
    if kind == UP:
        return uplink(body, received_ms, directory, default, channels, route)
    found = directory.by_dev_eui(_dev_eui(body, default))
    note = event_note(kind, body, received_ms)
    return Event(kind, found.device if found else default, notes=(note,) if note else (), route=route)


def uplink(
    body: dict[str, Any], received_ms: int, directory: DeviceDirectory, default: str = "",
    channels: ChannelTable = NO_TABLE, route: Route | None = None,
) -> Event:  # fmt: skip
    """An `up` event's readings; `default` names the device where the event does not (its topic does)."""
    dev_eui = _dev_eui(body, default)
    if not _EUI.fullmatch(dev_eui):
        return refused(UP, default, received_ms, json.dumps(body).encode(), "the event names no DevEUI")
    device = directory.by_dev_eui(dev_eui)
    name, codec = (device.device, device.codec) if device else ("eui-" + dev_eui, "")
    info, heard = table(body.get("deviceInfo")), _link(body)
    generation = int(heard.dev_addr, 16) if heard.dev_addr else None
    time = first_time(body.get("time"), *(one.get("nsTime") for one in tables(body.get("rxInfo"))))
    payload = Payload(
        name, codec, raw_bytes(body.get("data")), heard.fport or 0, generation, heard.fcnt, received_ms, heard, time
    )
    profiles = text(info.get("deviceProfileName")), text(info.get("deviceProfileId"))
    frame = map_frame(
        decoder_output(body.get("object"), "object"), reception(payload), channels.names((codec, *profiles))
    )
    read = read_uplink(payload, frame, body)
    return Event(UP, name, read, own_notes(read, payload, VIA), route)


def _dev_eui(body: dict[str, Any], default: str) -> str:
    named = table(body.get("deviceInfo")).get("devEui", default.removeprefix("eui-"))
    return str(named).lower()


def _link(body: dict[str, Any]) -> Link:
    heard = [_heard(one) for one in tables(body.get("rxInfo"))]
    tx = table(body.get("txInfo"))
    lora = table(table(tx.get("modulation")).get("lora"))
    frequency_hz, dev_addr = whole(tx.get("frequency"), 1, 2**32), body.get("devAddr")
    return link(
        heard,
        sf=whole(lora.get("spreadingFactor"), 5, 12) or sf_of_rate(body.get("dr"), frequency_hz),
        frequency_hz=frequency_hz,
        fcnt=whole(body.get("fCnt", 0 if dev_addr else None), 0, 2**32 - 1),
        fport=whole(body.get("fPort"), 0, 255),
        dev_addr=dev_addr_of(dev_addr),
    )


def _heard(one: dict[str, Any]) -> Heard:
    rssi_dbm = number(one.get("rssi"))
    snr_db = number(one.get("snr", None if rssi_dbm is None else 0.0))  # before 4.1, see above
    return Heard(str(one["gatewayId"]).lower()[:64] if "gatewayId" in one else None, rssi_dbm, snr_db)
