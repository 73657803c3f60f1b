"""Messages of The Things Stack: the collected ones, identity, time, decoders' outputs, health, anything at all."""

import base64
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.health import Delivery, Note, Power, Trouble
from gateway.networks.channel_table import NO_TABLE, parse_channel_table
from gateway.networks.downlinks import NetworkKind, Route
from gateway.networks.event import Event
from gateway.networks.things_stack import OTHER_EVENTS, event, uplink
from gateway.semtech.objects import time_of
from schemas.models import Reading, TimeSource
from tests.gateway.helpers import DEV_EUI, Directory, otaa, payload

NOW_MS = 1_795_700_000_000
TOPIC = "v3/app@tenant/devices/dev1/"
SERVER = "2026-11-22T10:15:00.234172599Z"


def body(message: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    """An uplink as the network sends it; `...` leaves a field out."""
    whole = {
        "f_port": 1, "f_cnt": 7, "frm_payload": base64.b64encode(payload(4711)).decode(), "received_at": SERVER,
        "rx_metadata": [
            {"gateway_ids": {"gateway_id": "one", "eui": "0016C001FF10A235"}, "rssi": -110, "snr": -3.5,
             "time": "1980-01-06T00:00:18Z", "received_at": "2026-11-22T10:15:00.2Z"},
            {"gateway_ids": {"gateway_id": "gtw-2"}, "channel_rssi": -60},
        ],
        "settings": {"data_rate": {"lora": {"bandwidth": 125000, "spreading_factor": 9}}, "frequency": "868100000"},
    }  # fmt: skip
    inner = {k: v for k, v in (whole | (message or {})).items() if v is not ...}
    ids = {"device_id": "dev1", "dev_eui": DEV_EUI.upper(), "dev_addr": "27000020"}
    outer = {"end_device_ids": ids, "received_at": "2026-11-22T10:15:00.447Z", "uplink_message": inner} | changes
    return {k: v for k, v in outer.items() if v is not ...}


def read(whole: dict[str, Any], *devices: Any, kind: str = "up", **more: Any) -> Event:
    return event(TOPIC + kind, json.dumps(whole).encode(), NOW_MS, Directory(*devices), **more)


def only(result: Event) -> Reading:
    (reading,) = result.read.readings
    return reading


@pytest.mark.shared
def test_a_real_record_with_decoder_output(shared_data: Path) -> None:
    events = json.loads((shared_data / "lns_json" / "events_with_decoder_output.json").read_text())["events"]
    result = uplink(events[1]["payload"], NOW_MS, Directory())
    reading = only(result)
    assert reading.device == "eui-a8404194a1875ff3"
    assert reading.values == {"battery": 3.384, "soil_temperature": 30.11, "soil_moisture": 0.0}
    assert {one.name: one.value for one in result.read.unmapped} == {
        "TempC_DS18B20": "0.00 °C", "conduct_SOIL": "0 uS/cm",
    }  # fmt: skip
    assert (reading.generation, reading.seq) == (None, None)  # a stored record may lack the counter
    assert (reading.time, reading.time_source) == (time_of("2023-06-20T14:34:32.656299995Z"), TimeSource.NETWORK)
    assert reading.link is not None
    assert reading.link.model_dump(exclude_none=True) == {
        "via": "lorawan", "gateway": "a84041ffff24a438", "gateways": ["a84041ffff24a438"], "rssi_dbm": -42,
        "snr_db": 5.8, "sf": 12, "frequency_hz": 867500000, "fport": 2, "dev_addr": "260be6bf",
    }  # fmt: skip


@pytest.mark.shared
def test_collected_messages(shared_data: Path) -> None:
    lines = (shared_data / "lns_json" / "lns_cases.jsonl").read_text().splitlines()
    cases = [c for c in map(json.loads, lines) if c["format"] == "tts_v3_webhook_or_mqtt"]
    assert len(cases) == 31
    for case in cases:
        whole = case["payload"]
        message = whole["uplink_message"]
        bare = uplink(whole, NOW_MS, Directory())
        assert bare.device == "eui-" + whole["end_device_ids"]["dev_eui"].lower()
        assert bare.read.undecoded is not None  # no decoder output in these, and no codec
        assert bare.read.undecoded.payload == base64.b64decode(message["frm_payload"])
        decoded = whole | {"uplink_message": message | {"decoded_payload": {"temperature": 20.5}}}
        reading = only(uplink(decoded, NOW_MS, Directory()))
        best = message["rx_metadata"][0]
        gateway = best["gateway_ids"]["eui"].lower()
        assert reading.link is not None
        assert reading.link.model_dump(exclude_none=True) == {
            "via": "lorawan", "gateway": gateway, "gateways": [gateway],  # the second came through the packet broker
            "rssi_dbm": best["rssi"], "snr_db": best["snr"],
            "sf": message["settings"]["data_rate"]["lora"]["spreading_factor"],
            "frequency_hz": int(message["settings"]["frequency"]), "fcnt": message.get("f_cnt", 0),
            "fport": message["f_port"], "dev_addr": whole["end_device_ids"]["dev_addr"].lower(),
        }  # fmt: skip
        assert (reading.generation, reading.seq) == (
            int(whole["end_device_ids"]["dev_addr"], 16),
            message.get("f_cnt", 0),
        )
        assert (reading.time, reading.time_source) == (time_of(message["received_at"]), TimeSource.NETWORK)
        _check_against_converter(case["expected"], reading)


def _check_against_converter(expected: Any, reading: Reading) -> None:
    first = (expected if isinstance(expected, dict) else expected[0])["telemetry"][0]
    assert reading.link is not None
    assert reading.time is not None
    if isinstance(first.get("ts"), int):  # it takes the application server's time, a moment later
        assert -100 < first["ts"] - reading.time.timestamp() * 1000 < 1000
    seen = {
        "lora_frame_counter": reading.link.fcnt, "lora_frame_port": reading.link.fport, "fCnt": reading.link.fcnt,
        "lora_frequency": reading.link.frequency_hz, "lora_spreading_factor": reading.link.sf,
        "lora_rssi": reading.link.rssi_dbm, "lora_snr": reading.link.snr_db,
    }  # fmt: skip
    told = {key: value for key, value in first["values"].items() if key in seen}
    assert told == {key: seen[key] for key in told}


def test_our_own_frame_keeps_its_identity_and_time() -> None:
    result = read(body(), otaa())
    reading = only(result)
    assert (reading.device, reading.generation, reading.seq) == ("kn-0001", 1, 4711)
    assert (reading.values, reading.time_source) == ({"air_temperature": 3.42}, TimeSource.NTP)
    assert result.route == Route(NetworkKind.THINGS_STACK, "app@tenant", "dev1")


def test_radio_figures() -> None:
    link = only(read(body(), otaa())).link
    assert link is not None
    assert (link.gateway, link.gateways) == ("gtw-2", ["gtw-2", "0016c001ff10a235"])
    assert (link.rssi_dbm, link.snr_db) == (-60, 0)  # what is 0 is left out
    rate = {"settings": {"data_rate_index": 3, "frequency": "868100000"}}
    assert (only(read(body(rate), otaa())).link or link).sf == 9
    american = {"settings": {"data_rate_index": 3, "frequency": "903900000"}}
    assert getattr(only(read(body(american), otaa())).link, "sf", 0) is None


def test_the_network_servers_time_is_taken_and_never_the_gateways() -> None:
    plain = {"frm_payload": ..., "decoded_payload": {"temperature": 1}}
    assert only(read(body(plain))).time == time_of(SERVER)
    later = {"received_at": "0001-01-01T00:00:00Z"}
    assert only(read(body(plain | later))).time == time_of("2026-11-22T10:15:00.2Z")
    assert only(read(body(plain | {"received_at": ..., "rx_metadata": ...}))).time == time_of(
        "2026-11-22T10:15:00.447Z"
    )
    never = only(read(body(plain | {"received_at": ..., "rx_metadata": ...}, received_at=...)))
    assert (never.time, never.time_source) == (datetime.fromtimestamp(NOW_MS / 1000, UTC), TimeSource.RECEIVER)


def test_identity_of_other_makes() -> None:
    plain = {"frm_payload": ..., "decoded_payload": {"temperature": 1}}
    counted = only(read(body(plain)))
    assert (counted.device, counted.generation, counted.seq) == ("eui-" + DEV_EUI, 0x27000020, 7)
    assert only(read(body(plain | {"f_cnt": ...}))).seq == 0
    no_session = only(uplink(body(plain, end_device_ids={"device_id": "eui-" + DEV_EUI}), NOW_MS, Directory()))
    assert (no_session.device, no_session.generation, no_session.seq) == ("eui-" + DEV_EUI, None, None)


def test_a_simulated_uplink_never_takes_a_real_ones_place() -> None:
    reading = only(read(body({"frm_payload": ..., "decoded_payload": {"temperature": 1}}, simulated=True)))
    assert (reading.generation, reading.seq) == (None, None)
    assert reading.link is not None
    assert reading.link.model_dump()["simulated"] is True


def test_devices_without_an_eui() -> None:
    whole = body({"frm_payload": ..., "decoded_payload": {"temperature": 1}}, end_device_ids={"device_id": "RM 200"})
    assert uplink(whole, NOW_MS, Directory()).device == "tts-RM-200"
    assert read(whole).device == "tts-dev1"  # the topic is what a downlink goes to
    assert read(whole, device_at=lambda route: "kn-7" if route.device_id == "dev1" else None).device == "kn-7"


def test_the_normalized_payload_goes_first_and_the_decoded_adds() -> None:
    message = {
        "frm_payload": ...,
        "normalized_payload": [{"air": {"temperature": 3.4, "relativeHumidity": 80}, "battery": 3}],
        "decoded_payload": {"temp": "3.4 °C", "humidity": 79, "co2": 412, "mode": "eco"},
    }
    result = read(body(message))
    assert only(result).values == {
        "air_temperature": 3.4, "relative_humidity": 80.0, "battery": 3.0, "co2": 412.0,
    }  # fmt: skip
    assert [(one.name, one.value) for one in result.read.unmapped] == [("mode", "eco"), ("relative_humidity", 79.0)]


def test_measurements_of_the_normalized_payload() -> None:
    normalized = [
        {"soil": {"depth": 10, "moisture": 21}}, {"soil": {"depth": 30, "moisture": 25, "temperature": 8}},
        {"air": {"temperature": 1}}, {"air": {"temperature": 2}},
        {"time": "2026-11-22T10:00:00Z", "air": {"pressure": 880}},
        "odd",
    ]  # fmt: skip
    result = read(body({"frm_payload": ..., "normalized_payload": normalized}))
    now, past = result.read.readings
    assert now.values == {
        "soil_moisture@10cm": 21.0, "soil_moisture@30cm": 25.0, "soil_temperature@30cm": 8.0,
        "air_temperature@ch3": 1.0, "air_temperature@ch4": 2.0,
    }  # fmt: skip
    assert (past.values, past.time, past.time_source) == (
        {"air_pressure": 880.0}, time_of("2026-11-22T10:00:00Z"), TimeSource.DEVICE,
    )  # fmt: skip
    assert (now.index, past.index) == (0, 1)
    assert [one.value for one in result.read.unmapped] == ["odd"]
    one = only(read(body({"frm_payload": ..., "normalized_payload": {"wind": {"speed": 3}}})))
    assert one.values == {"wind_speed": 3.0}


def test_the_operators_table_by_model() -> None:
    table = parse_channel_table(b"name,channel,unit,codec\nt,water_temperature,,dragino/lse01\nair.temperature,,,\n")
    message = {
        "frm_payload": ..., "decoded_payload": {"t": 4}, "normalized_payload": {"air": {"temperature": 4}},
        "version_ids": {"brand_id": "dragino", "model_id": "lse01"},
    }  # fmt: skip
    assert only(read(body(message), channels=table)).values == {"water_temperature": 4.0}
    assert only(read(body(message), channels=NO_TABLE)).values == {"air_temperature": 4.0}


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ({"frm_payload": "AQI="}, "not a frame of the wire format"),
        ({"frm_payload": ...}, "the event has no data"),
        ({"frm_payload": ..., "decoded_payload": {"mode": "eco"}}, "gave no value that we know"),
        ({"frm_payload": ..., "decoded_payload": "text"}, "gave no value that we know"),
    ],
)
def test_what_gives_no_reading_is_kept_with_its_reason(message: dict[str, Any], reason: str) -> None:
    result = read(body(message), otaa())
    assert result.read.readings == ()
    assert result.read.undecoded is not None
    assert reason in result.read.undecoded.reason
    assert result.read.undecoded.payload


AT_MS = int(datetime(2026, 11, 22, 10, 15, tzinfo=UTC).timestamp() * 1000)


def said(kind: str, **more: Any) -> Event:
    ids = {"device_id": "dev1", "dev_eui": DEV_EUI, "dev_addr": "27000020"}
    return read({"end_device_ids": ids, "received_at": "2026-11-22T10:15:00Z"} | more, otaa(), kind=kind)


OURS = {"f_port": 11, "correlation_ids": ["as:downlink:01E1", "klimanetz:ack-7"]}


@pytest.mark.parametrize(
    ("kind", "more", "note"),
    [
        ("join", {"join_accept": {"session_key_id": "x"}}, {"joined": True, "dev_addr": "27000020"}),
        ("down/queued", {"downlink_queued": OURS}, {"delivery": Delivery("queued", "klimanetz:ack-7")}),
        ("down/sent", {"downlink_sent": OURS}, {"delivery": Delivery("sent", "klimanetz:ack-7")}),
        ("down/ack", {"downlink_ack": OURS}, {"delivery": Delivery("acknowledged", "klimanetz:ack-7")}),
        ("down/nack", {"downlink_nack": {}}, {"delivery": Delivery("not_acknowledged")}),
        (
            "down/failed",
            {"downlink_failed": {"downlink": OURS, "error": {"name": "too_long", "message_format": "is too long"}}},
            {"delivery": Delivery("failed", "klimanetz:ack-7"), "trouble": Trouble("too_long", "is too long")},
        ),
    ],
)
def test_what_becomes_health(kind: str, more: dict[str, Any], note: dict[str, Any]) -> None:
    result = said(kind, **more)
    assert result.notes == (Note(via="things-stack", time_ms=AT_MS, **note),)
    assert (result.kind, result.device) == (kind, "kn-0001")


def test_the_join_is_at_the_network_servers_time() -> None:
    (note,) = said("join", join_accept={"received_at": "2026-11-22T10:14:59.5Z"}).notes
    assert note.time_ms == AT_MS - 500


def test_an_uplink_may_tell_of_health() -> None:
    battery = {"f_cnt": 14, "value": 90.118576, "received_at": "2026-11-22T09:00:00Z"}
    message = {"last_battery_percentage": battery, "decoded_payload_warnings": ["it's cold", "again"]}
    level, warning = read(body(message), otaa()).notes
    assert level == Note(via="things-stack", time_ms=AT_MS - 75 * 60_000, power=Power(90.118576))
    assert warning.trouble == Trouble("DECODED_PAYLOAD_WARNINGS", "it's cold; again")
    assert read(body(), otaa()).notes == ()


def test_events_without_anything_for_us_are_recognised() -> None:
    for kind in OTHER_EVENTS:
        assert read({}, kind=kind) == Event(kind, "tts-dev1")


@pytest.mark.parametrize(
    ("topic", "data"),
    [
        (TOPIC + "up", b""), (TOPIC + "up", b"[]"), (TOPIC + "up", b"{}"), (TOPIC + "join", b"\x0a"),
        (TOPIC + "down/surprise", b"{}"), ("v3/x", b"{}"), (TOPIC + "up/down/up", b"{}"),
    ],
)  # fmt: skip
def test_what_is_no_event_is_kept_with_its_reason(topic: str, data: bytes) -> None:
    undecoded = event(topic, data, NOW_MS, Directory()).read.undecoded
    assert undecoded is not None
    assert undecoded.payload == data


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)
INNER = [
    "f_cnt", "f_port", "frm_payload", "decoded_payload", "normalized_payload", "rx_metadata", "settings", "received_at",
    "last_battery_percentage", "decoded_payload_warnings", "version_ids",
]  # fmt: skip
OUTER = ["end_device_ids", "received_at", "simulated", "uplink_message", "result", "join_accept", "downlink_failed"]


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(INNER), JSON), st.dictionaries(st.sampled_from(OUTER), JSON))
def test_any_field_may_be_anything(inner: dict[str, Any], outer: dict[str, Any]) -> None:
    result = uplink(body() | outer, NOW_MS, Directory(otaa()), "eui-" + DEV_EUI)
    assert result.read.readings or result.read.undecoded
    result = uplink(body(inner) | outer, NOW_MS, Directory(otaa()))
    assert result.read.readings or result.read.undecoded
    for kind in ("join", "down/failed", "down/ack"):
        assert len(read(body(inner) | outer, kind=kind).notes) <= 1
