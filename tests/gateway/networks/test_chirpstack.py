"""ChirpStack events: the collected real ones, identity, registered and unregistered devices, anything at all."""

import base64
import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.networks.chirpstack import OTHER_EVENTS, Uplink, event, uplink
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


def read(body: dict[str, Any], *devices: Any) -> Uplink:
    return event(TOPIC + "up", json.dumps(body).encode(), NOW_MS, Directory(*devices))


def only(result: Uplink) -> Reading:
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


def test_other_events_are_recognised() -> None:
    for kind in OTHER_EVENTS:
        assert event(TOPIC + kind, b"{}", NOW_MS, Directory()) == Uplink(kind, "eui-" + DEV_EUI)


@pytest.mark.parametrize(
    ("topic", "body"),
    [
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
FIELDS = ["time", "deviceInfo", "devAddr", "fCnt", "fPort", "data", "object", "rxInfo", "txInfo"]


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(FIELDS), JSON))
def test_any_field_may_be_anything(changes: dict[str, Any]) -> None:
    result = uplink(up() | changes, NOW_MS, Directory(otaa()), "eui-" + DEV_EUI)
    assert result.read.readings or result.read.undecoded
