"""ChirpStack events: the collected real ones, identity, registered and unregistered devices, anything at all."""

import base64
import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.health import Delivery, Note, Power, Trouble
from gateway.networks.channel_table import parse_channel_table
from gateway.networks.chirpstack import OTHER_EVENTS, event, uplink
from gateway.networks.downlinks import NetworkKind, Route
from gateway.networks.event import Event
from gateway.semtech.objects import time_of
from schemas.models import Reading, TimeSource
from tests.gateway.helpers import DEV_EUI, Directory, otaa, payload

NOW_MS = 1_795_000_000_000
TOPIC = f"application/app/device/{DEV_EUI}/event/"


def up(**changes: Any) -> dict[str, Any]:
    whole = {
        "deduplicationId": "x", "time": "2026-11-22T10:15:00.5+00:00", "deviceInfo": {"devEui": DEV_EUI.upper()},
        "devAddr": "00d19684", "fCnt": 7, "fPort": 1, "data": base64.b64encode(payload(4711)).decode(),
        "rxInfo": [
            {"gatewayId": "0016c001ff10a235", "rssi": -110, "snr": -3.5}, {"gatewayId": "AA", "rssi": -60, "snr": 9}
        ],
        "txInfo": {"frequency": 868100000, "modulation": {"lora": {"bandwidth": 125000, "spreadingFactor": 9}}},
    }  # fmt: skip
    return {k: v for k, v in (whole | changes).items() if v is not ...}


def read(body: dict[str, Any], *devices: Any) -> Event:
    return event(TOPIC + "up", json.dumps(body).encode(), NOW_MS, Directory(*devices))


def only(result: Event) -> Reading:
    (reading,) = result.read.readings
    return reading


@pytest.mark.shared
def test_the_event_of_a_real_city(shared_data: Path) -> None:
    events = json.loads((shared_data / "lns_json" / "events_with_decoder_output.json").read_text())["events"]
    result = uplink(events[0]["payload"], NOW_MS, Directory())
    reading = only(result)
    assert reading.device == "eui-a8404187d187106e"
    assert reading.values == {"battery": 3.301, "soil_temperature": 13.25, "soil_moisture": 13.74}
    assert {one.name: one.value for one in result.read.unmapped} == {"temp_DS18B20": "0.00", "conduct_SOIL": 35.0}
    assert (reading.generation, reading.seq) == (None, None)
    assert reading.time == datetime.fromisoformat("2024-06-20T08:48:38.863512+00:00")
    assert reading.time_source is TimeSource.NETWORK
    assert reading.link is not None
    assert (reading.link.gateway, reading.link.rssi_dbm) == ("a84041ffff1f4b70", None)


@pytest.mark.shared
def test_collected_events(shared_data: Path) -> None:
    lines = (shared_data / "lns_json" / "lns_cases.jsonl").read_text().splitlines()
    cases = [c for c in map(json.loads, lines) if c["format"] == "chirpstack_v4"]
    assert len(cases) == 22
    for case in cases:
        body = case["payload"]
        result = uplink(body, NOW_MS, Directory())
        assert result.device == "eui-" + body["deviceInfo"]["devEui"].lower()
        undecoded = result.read.undecoded
        assert undecoded is not None, case["id"]  # no decoder output in these, and no codec
        assert undecoded.reason == "the device is not registered, so no codec is known"
        assert undecoded.payload == base64.b64decode(body["data"])
        # With decoder output beside it the same event gives a reading; what it knows of radio and time is compared.
        reading = only(uplink(body | {"object": {"temperature": 20.5}}, NOW_MS, Directory()))
        best = body["rxInfo"][0]
        assert reading.link is not None
        assert reading.link.model_dump(exclude_none=True) == {
            "via": "lorawan", "gateway": best["gatewayId"], "gateways": [best["gatewayId"]], "rssi_dbm": best["rssi"],
            "snr_db": best["snr"], "sf": body["txInfo"]["modulation"]["lora"]["spreadingFactor"],
            "frequency_hz": body["txInfo"]["frequency"], "fcnt": body["fCnt"], "fport": body["fPort"],
            "dev_addr": body["devAddr"],
        }  # fmt: skip
        assert (reading.generation, reading.seq) == (int(body["devAddr"], 16), body["fCnt"])
        assert reading.time == time_of(body["time"])
        _check_against_converter(case["expected"], reading)


def _check_against_converter(expected: Any, reading: Reading) -> None:
    first = (expected if isinstance(expected, dict) else expected[0])["telemetry"][0]
    telemetry = first["values"]
    assert reading.link is not None
    if isinstance(first.get("ts"), str):
        assert reading.time == time_of(first["ts"])
    for key, seen in (("lora_frame_counter", reading.link.fcnt), ("lora_spreading_factor", reading.link.sf),
                      ("lora_rssi", reading.link.rssi_dbm), ("lora_snr", reading.link.snr_db)):  # fmt: skip
        if key in telemetry:
            assert seen == telemetry[key]


def test_our_own_frame_keeps_its_identity_and_time() -> None:
    reading = only(read(up(), otaa()))
    assert (reading.device, reading.generation, reading.seq) == ("kn-0001", 1, 4711)
    assert reading.values == {"air_temperature": 3.42}
    assert (reading.time_source, reading.time_uncertainty_s) == (TimeSource.NTP, 0.5)
    assert reading.link is not None
    assert (reading.link.gateway, reading.link.gateways, reading.link.snr_db) == ("aa", ["aa", "0016c001ff10a235"], 9)
    assert (reading.link.sf, reading.link.fcnt, reading.link.fport) == (9, 7, 1)


def test_without_a_time_of_its_own_it_is_the_network_that_stamps() -> None:
    body = up(data=base64.b64encode(payload(1, time_s=None)).decode())
    reading = only(read(body, otaa()))
    assert (reading.time, reading.time_source) == (time_of(body["time"]), TimeSource.NETWORK)
    late = only(read(body | {"time": "yesterday"}, otaa()))
    assert (late.time.timestamp() * 1000 if late.time else 0, late.time_source) == (NOW_MS, TimeSource.RECEIVER)


def test_a_foreign_codec_gets_session_counter_and_position() -> None:
    lpp = base64.b64encode(bytes.fromhex("01670110")).decode()
    reading = only(read(up(data=lpp), otaa(codec="cayenne-lpp")))
    assert (reading.generation, reading.seq, reading.index) == (0x00D19684, 7, 0)
    assert reading.values == {"air_temperature": 27.2}


def test_a_counter_at_zero_may_be_left_out() -> None:
    assert only(read(up(fCnt=..., object={"temperature": 1}))).seq == 0
    unknown = only(read(up(fCnt=..., devAddr=..., object={"temperature": 1})))
    assert (unknown.generation, unknown.seq) == (None, None)


def test_the_networks_decoder_helps_where_ours_cannot() -> None:
    body = up(data="AQI=", object={"temperature": "20.5", "mode": "eco"})
    result = read(body, otaa())
    assert only(result).values == {"air_temperature": 20.5}
    assert [one.name for one in result.read.unmapped] == ["mode"]
    assert only(read(body, otaa(codec="vendor/unheard-of"))).values == {"air_temperature": 20.5}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"data": "AQI="}, "not a frame of the wire format"),
        ({"data": ...}, "the event has no data"),
        ({"data": "%%"}, "the event has no data"),
        ({"data": ..., "object": {"mode": "eco"}}, "gave no value that we know"),
        ({"fPort": 99}, "port"),
    ],
)
def test_what_gives_no_reading_is_kept_with_its_reason(changes: dict[str, Any], reason: str) -> None:
    result = read(up(**changes), otaa())
    assert result.read.readings == ()
    assert result.read.undecoded is not None
    assert reason in result.read.undecoded.reason
    assert result.read.undecoded.payload
    assert result.device == "kn-0001"


def test_the_best_reception_may_have_an_snr_of_zero() -> None:
    rx_info = [
        {"gatewayId": "aa", "rssi": -90, "snr": -7},
        {"gatewayId": "bb", "rssi": -80},
    ]  # before 4.1 0 is left out
    link = only(read(up(rxInfo=rx_info), otaa())).link
    assert link is not None
    assert (link.gateways, link.rssi_dbm, link.snr_db) == (["bb", "aa"], -80, 0)


def test_a_time_that_is_none_is_not_taken() -> None:
    body = up(time="1970-01-01T00:00:07Z", data=..., object={"temperature": 1})
    body["rxInfo"][0]["nsTime"] = "2026-11-22T10:15:01Z"
    assert only(read(body)).time == time_of("2026-11-22T10:15:01Z")


def test_history_of_a_decoder() -> None:
    history = [{"timestamp": 1_795_000_000 + n, "temperature": n} for n in range(3)]
    body = up(data=..., object={"temperature": 9, "history": history})
    readings = read(body).read.readings
    assert [(r.index, r.generation, r.seq, r.values["air_temperature"]) for r in readings] == [
        (0, 0xD19684, 7, 9), (1, 0xD19684, 7, 0), (2, 0xD19684, 7, 1), (3, 0xD19684, 7, 2),
    ]  # fmt: skip
    assert [r.time_source for r in readings] == [TimeSource.NETWORK] + 3 * [TimeSource.DEVICE]
    assert [r.time.timestamp() for r in readings[1:] if r.time] == [1_795_000_000, 1_795_000_001, 1_795_000_002]


def test_the_operators_table_by_device_profile() -> None:
    channels = parse_channel_table(b"name,channel,unit,codec\nt,water_temperature,,LSE01\n")
    body = up(data=..., object={"t": 4}, deviceInfo={"devEui": DEV_EUI, "deviceProfileName": "LSE01"})
    result = event(TOPIC + "up", json.dumps(body).encode(), NOW_MS, Directory(), channels)
    assert only(result).values == {"water_temperature": 4.0}
    assert read(body).read.readings == ()


def test_a_decoder_that_gives_no_object_is_reported() -> None:
    assert [one.name for one in read(up(data=..., object=[1, "x"])).read.unmapped] == ["object.1", "object.2"]


def said(kind: str, **body: Any) -> Event:
    whole = {"time": "2026-11-18T10:00:00Z", "deviceInfo": {"devEui": DEV_EUI}} | body
    return event(TOPIC + kind, json.dumps(whole).encode(), NOW_MS, Directory(otaa()))


@pytest.mark.parametrize(
    ("kind", "body", "note"),
    [
        ("join", {"devAddr": "01A2B3C4"}, {"joined": True, "dev_addr": "01a2b3c4"}),
        ("ack", {"acknowledged": True, "queueItemId": "q"}, {"delivery": Delivery("acknowledged", "q")}),
        ("ack", {"queueItemId": "q"}, {"delivery": Delivery("not_acknowledged", "q")}),
        ("txack", {"queueItemId": "q"}, {"delivery": Delivery("sent", "q")}),
        ("status", {"margin": 9, "batteryLevel": 93.5}, {"power": Power(93.5, False, 9)}),
        ("status", {}, {"power": Power(0.0, False, 0)}),  # what is 0 may be left out
        ("status", {"batteryLevelUnavailable": True}, {"power": Power(None, False, 0)}),
        ("status", {"externalPowerSource": True, "batteryLevel": 0, "margin": -3}, {"power": Power(None, True, -3)}),
        (
            "log",
            {"level": "ERROR", "code": "UPLINK_F_CNT_RESET", "description": "Frame-counter reset"},
            {"trouble": Trouble("UPLINK_F_CNT_RESET", "Frame-counter reset")},
        ),
        ("log", {"level": 1, "code": "UPLINK_MIC"}, {"trouble": Trouble("UPLINK_MIC")}),
        ("error", {"code": "OTAA"}, {"trouble": Trouble("OTAA")}),
    ],
)
def test_what_becomes_health(kind: str, body: dict[str, Any], note: dict[str, Any]) -> None:
    result = said(kind, **body)
    at_ms = int(datetime.fromisoformat("2026-11-18T10:00:00Z").timestamp() * 1000)
    assert result.notes == (Note(via="chirpstack", time_ms=at_ms, **note),)
    assert (result.kind, result.device) == (kind, "kn-0001")
    assert result.route == Route(NetworkKind.CHIRPSTACK, "app", DEV_EUI)


@pytest.mark.parametrize(
    ("kind", "body"), [("log", {"level": "INFO", "code": "RELAY_NEW_END_DEVICE"}), ("log", {}), ("txack", {})]
)
def test_what_is_no_matter_of_health(kind: str, body: dict[str, Any]) -> None:
    assert said(kind, **body).notes == ()


def test_a_note_from_the_future_is_of_now() -> None:
    (note,) = said("join", time="2099-01-01T00:00:00Z").notes
    assert note.time_ms == NOW_MS


def test_events_without_anything_for_us_are_recognised() -> None:
    for kind in OTHER_EVENTS:
        assert event(TOPIC + kind, b"{}", NOW_MS, Directory()) == Event(kind, "eui-" + DEV_EUI)


@pytest.mark.parametrize(
    ("topic", "body"),
    [
        (TOPIC + "status", b"\x0a"), (TOPIC + "join", b"7"),
        (TOPIC + "up", b""), (TOPIC + "up", b"\x0a\x24binary"), (TOPIC + "up", b"[]"), (TOPIC + "nonsense", b"{}"),
        ("application/x/device/zz/event/up", b"{}"), ("elsewhere", b"{}"),
    ],
)  # fmt: skip
def test_what_is_no_event_is_kept_with_its_reason(topic: str, body: bytes) -> None:
    undecoded = event(topic, body, NOW_MS, Directory()).read.undecoded
    assert undecoded is not None
    assert undecoded.payload == body


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.shared
def test_collected_events_of_version_3(shared_data: Path) -> None:
    lines = (shared_data / "lns_json" / "lns_cases.jsonl").read_text().splitlines()
    cases = [c for c in map(json.loads, lines) if c["format"] == "chirpstack_v3_legacy"]
    assert len(cases) == 9
    for case in cases:
        topic = "application/123/device/0202020202020202/event/up"
        result = event(topic, json.dumps(case["payload"]).encode(), NOW_MS, Directory())
        reading = only(result)
        assert reading.device == "eui-" + case["expected"]["attributes"]["lora_dev_eui"].lower()
        assert reading.values == {"air_temperature": 25.0, "relative_humidity": 32.0}  # of objectJSON
        assert reading.time == time_of("2019-11-08T13:59:25.048445Z")
        assert reading.link is not None
        assert reading.link.model_dump(exclude_none=True) == {
            "via": "lorawan", "gateway": "0303030303030303", "gateways": ["0303030303030303"], "rssi_dbm": -48,
            "snr_db": 9, "sf": 11, "frequency_hz": 868100000, "fcnt": 10, "fport": 5,
        }  # fmt: skip
        _check_against_converter(case["expected"], reading)


def test_version_3_in_hexadecimal_with_a_session() -> None:
    body = {
        "applicationID": "1", "devEUI": DEV_EUI, "devAddr": "AAECAw==", "fCnt": 3, "fPort": 2, "data": "AQI=",
        "rxInfo": [{"gatewayID": "00000000000000AA", "rssi": -70, "loRaSNR": 0}], "publishedAt": "2026-11-22T10:15:00Z",
        "txInfo": {"frequency": 868300000, "dr": 2}, "object": {"temperature": 4}, "objectJSON": "",
    }  # fmt: skip
    reading = only(read(body))
    assert (reading.device, reading.generation, reading.seq) == ("eui-" + DEV_EUI, 0x00010203, 3)
    assert (reading.values, reading.time) == ({"air_temperature": 4.0}, time_of("2026-11-22T10:15:00Z"))
    assert reading.link is not None
    assert (reading.link.sf, reading.link.gateway, reading.link.snr_db) == (10, "00000000000000aa", 0)
    broken = read(body | {"objectJSON": "{nothing"})
    assert [(one.name, one.value) for one in broken.read.unmapped] == [("objectJSON", "{nothing")]


def test_version_3_has_events_of_its_own() -> None:
    body = {"applicationID": "1", "devEUI": "cLPVftAAAAE=", "type": "OTAA", "error": "DevNonce already used"}
    (note,) = event(TOPIC + "error", json.dumps(body).encode(), NOW_MS, Directory()).notes
    assert note == Note(via="chirpstack", time_ms=NOW_MS, trouble=Trouble("OTAA", "DevNonce already used"))


FIELDS = [
    "devEUI",
    "applicationID",
    "objectJSON",
    "time",
    "deviceInfo",
    "devAddr",
    "fCnt",
    "fPort",
    "data",
    "object",
    "rxInfo",
    "txInfo",
]


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(FIELDS), JSON))
def test_any_field_may_be_anything(changes: dict[str, Any]) -> None:
    event(TOPIC + "status", json.dumps(up() | changes).encode(), NOW_MS, Directory(otaa()))
    version_3 = json.dumps({"devEUI": DEV_EUI} | changes).encode()
    old = event(TOPIC + "up", version_3, NOW_MS, Directory(otaa()))
    assert old.read.readings or old.read.undecoded
    result = uplink(up() | changes, NOW_MS, Directory(otaa()), "eui-" + DEV_EUI)
    assert result.read.readings or result.read.undecoded
