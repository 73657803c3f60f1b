"""Frames that other people's software built, and an event that ChirpStack really sent, come out of the API.

Real Mosquitto, real InfluxDB, the services of docker-compose.yml as processes; nothing of ours builds the frames.
"""

import base64
import json
import socket
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import pytest
from influxdb_client import InfluxDBClient

from schemas.wire import WireReading, encode
from tests import oracles
from tests.stack import Device, Stack, stack

__all__ = ["stack"]  # a fixture

pytestmark = [pytest.mark.mosquitto, pytest.mark.influxdb]
GATEWAY = bytes.fromhex("a84041ffff1ec1f5")
NWK_SKEY, APP_SKEY = "44024241ed4ce9a68c6a8bc055233fd3", "ec925802ae430ca77fd3dd73cb2cc588"
APP_KEY, DEV_EUI, JOIN_EUI = "b6b53f4a168a7a88bdf7ea135ce9cfca", "70b3d57ed0000001", "70b3d57ed0000000"
STATIONS = """station,name,latitude,longitude
marktplatz,Marktplatz,51.4828,11.9697
lutherviertel,Lutherviertel,51.4632,11.9775
stadtforst,Stadtforst,50.9497,11.6082
"""
DEVICES = f"""device,station,activation,dev_eui,join_eui,app_key,dev_addr,nwk_skey,app_skey,codec
kn-abp,marktplatz,abp,,,,49be7df1,{NWK_SKEY},{APP_SKEY},klimanetz
kn-otaa,lutherviertel,otaa,{DEV_EUI},{JOIN_EUI},{APP_KEY},,,,klimanetz
kn-0007,marktplatz,mqtt,,,,,,,
lse01,stadtforst,otaa,A8404187D187106E,,,,,,dragino/lse01
"""
BEGAN_S = 1_795_342_500 - 86_400 * 30  # some minutes of last month


class Forwarder:
    """The packet forwarder's side of Semtech UDP, by hand."""

    def __init__(self, port: int) -> None:
        self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._udp.connect(("127.0.0.1", port))
        self._udp.settimeout(10)

    def pull(self) -> None:
        self._udp.send(b"\x02\x00\x01\x02" + GATEWAY)
        assert self._udp.recv(100) == b"\x02\x00\x01\x04"

    def push(self, phy: bytes) -> None:
        rxpk = {
            "tmst": 3_512_348_611, "freq": 868.3, "chan": 1, "rfch": 0, "stat": 1, "modu": "LORA", "datr": "SF9BW125",
            "codr": "4/5", "rssi": -101, "lsnr": 4.5, "size": len(phy), "data": base64.b64encode(phy).decode(),
        }  # fmt: skip
        self._udp.send(b"\x02\xaa\xbb\x00" + GATEWAY + json.dumps({"rxpk": [rxpk]}).encode())
        assert self._udp.recv(100) == b"\x02\xaa\xbb\x01"

    def downlink(self) -> dict[str, Any]:
        data = self._udp.recv(2000)
        assert data[3] == 3, "a PULL_RESP"
        self._udp.send(data[:3] + b"\x05" + GATEWAY)
        return json.loads(data[4:])["txpk"]  # type: ignore[no-any-return]


def payload(seq: int) -> str:
    """Two readings in the wire format: the newest and the one before it."""
    constant = {"relative_humidity": 81.5, "air_pressure": 1009.8, "battery": 3.91}
    readings = [
        WireReading(1, n, BEGAN_S + 900 * n, None, "ntp", 0.5, {"air_temperature": 3 + n / 100, **constant}, ())
        for n in (seq, seq - 1)
    ]
    body, count = encode(readings, 24)
    assert count == 2
    return body.hex()


def up(dev_addr: str, fcnt: int, nwk_skey: str, app_skey: str, payload_hex: str) -> dict[str, Any]:
    return {
        "op": "build_data", "type": "UnconfirmedDataUp", "dev_addr": dev_addr, "fcnt": fcnt, "fport": 1, "adr": False,
        "adr_ack_req": False, "ack": False, "f_pending": False, "fopts_hex": "", "payload_hex": payload_hex,
        "nwk_skey": nwk_skey, "app_skey": app_skey,
    }  # fmt: skip


def register(stack: Stack) -> None:
    stack.until("the API is ready", lambda: stack.get("/health/ready"))
    for name, text in (("stations", STATIONS), ("devices", DEVICES)):
        (stack.folder / f"{name}.csv").write_text(text)
        stack.cli(name, "import", f"{name}.csv")
    time.sleep(1.1)  # the gateway's copy of the registry may be a second old


def series(stack: Stack, station: str, channel: str) -> list[tuple[str, float]]:
    answer = stack.get(f"/v1/stations/{station}/series/{channel}?from=2024-01-01&to=2027-01-01")
    return [(row["time"], row["value"]) for row in answer["rows"]]


def utc(time_s: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time_s))


def expected(*seqs: int) -> list[tuple[str, float]]:
    return [(utc(BEGAN_S + 900 * n), 3 + n / 100) for n in seqs]


@pytest.mark.node
def test_frames_built_by_lora_packet(stack: Stack) -> None:
    lora_packet = oracles.found("node")
    register(stack)
    forwarder = Forwarder(stack.ports["udp"])
    requests = [up("49be7df1", fcnt, NWK_SKEY, APP_SKEY, payload(fcnt * 2)) for fcnt in (1, 2, 4)]
    frames = [bytes.fromhex(answer["phy_hex"]) for answer in lora_packet(requests)]
    for phy in (frames[0], frames[1], frames[1], frames[2]):  # one of them twice
        forwarder.push(phy)
    times = expected(1, 2, 3, 4, 7, 8)
    stack.until("all readings", lambda: series(stack, "marktplatz", "air_temperature") == times)
    delivery = stack.get("/v1/devices/kn-abp/delivery")
    assert (delivery["received"], delivery["missing"]) == (6, 2)
    assert [(g["first"], g["last"]) for g in delivery["gaps"]] == [(5, 6)]
    (feature,) = [f for f in stack.get("/v1/latest")["features"] if f["id"] == "marktplatz"]
    values = feature["properties"]["values"]
    assert {c: (v["value"], v["unit"], v["quality"]) for c, v in values.items()} == {
        "air_temperature": (3.08, "°C", "C"), "relative_humidity": (81.5, "%", "C"),
        "air_pressure": (1009.8, "hPa", "C"), "battery": (3.91, "V", "C"),
    }  # fmt: skip
    assert feature["geometry"]["coordinates"][:2] == [11.9697, 51.4828]


@pytest.mark.cargo
def test_a_device_built_by_lrwn_joins_and_sends(stack: Stack) -> None:
    lrwn = oracles.found("cargo")
    register(stack)
    forwarder = Forwarder(stack.ports["udp"])
    forwarder.pull()
    join = {"join_eui": JOIN_EUI, "dev_eui": DEV_EUI, "dev_nonce": 7, "app_key": APP_KEY}
    (request,) = lrwn([{"op": "build_join_request", **join}])
    forwarder.push(bytes.fromhex(request["phy_hex"]))
    txpk = forwarder.downlink()
    assert (txpk["tmst"], txpk["datr"], txpk["freq"], txpk["ipol"]) == (
        (3_512_348_611 + 5_000_000) % 2**32, "SF9BW125", 868.3, True,
    )  # fmt: skip
    phy_hex = base64.b64decode(txpk["data"]).hex()
    (accept,) = lrwn([{"op": "open_join_accept", "phy_hex": phy_hex, "app_key": APP_KEY}])
    assert accept["mic_ok"]
    keys_of = {"op": "session_keys", "app_key": APP_KEY, "dev_nonce": 7}
    (keys,) = lrwn([{**keys_of, "join_nonce": accept["join_nonce"], "net_id": accept["net_id"]}])
    (data,) = lrwn([up(accept["dev_addr"], 0, keys["nwk_skey"], keys["app_skey"], payload(2))])
    forwarder.push(bytes.fromhex(data["phy_hex"]))
    stack.until("both readings", lambda: series(stack, "lutherviertel", "air_temperature") == expected(1, 2))


@pytest.mark.shared
def test_an_event_that_chirpstack_really_sent(stack: Stack, shared_data: Path) -> None:
    register(stack)
    event = json.loads((shared_data / "lns_json" / "events_with_decoder_output.json").read_text())["events"][0][
        "payload"
    ]
    info = event["deviceInfo"]
    password = (stack.folder / "secrets" / "mqtt_url_chirpstack").read_text().split(":")[2].split("@")[0]
    chirpstack = paho.Client(paho.CallbackAPIVersion.VERSION2)
    chirpstack.username_pw_set("chirpstack", password)
    chirpstack.connect("127.0.0.1", stack.ports["mqtt"])
    chirpstack.loop_start()
    topic = f"application/{info['applicationId']}/device/{info['devEui']}/event/up"
    for _ in range(2):  # a broker may deliver twice
        chirpstack.publish(topic, json.dumps(event), qos=1).wait_for_publish(10)
    chirpstack.loop_stop()
    at = "2024-06-20T08:48:38.863Z"
    for channel, value in (("soil_temperature", 13.25), ("soil_moisture", 13.74), ("battery", 3.301)):
        found = [(at, value)]
        stack.until(channel, lambda c=channel, f=found: series(stack, "stadtforst", c) == f)
    (feature,) = [f for f in stack.get("/v1/latest")["features"] if f["id"] == "stadtforst"]
    assert {c: v["unit"] for c, v in feature["properties"]["values"].items()} == {
        "soil_temperature": "°C", "soil_moisture": "%", "battery": "V",
    }  # fmt: skip


def test_what_dashboards_find_in_influxdb(stack: Stack) -> None:
    """The layout that dashboards are scripted on, seen by InfluxDB's own client."""
    register(stack)
    device = Device(stack, "kn-0007", (stack.folder / "device_password").read_text())
    device.send(1)
    stack.until("the reading", lambda: len(series(stack, "marktplatz", "air_temperature")) == 1)
    device.client.loop_stop()
    token = (stack.folder / "secrets" / "influx_token").read_text()
    flux = 'from(bucket: "readings") |> range(start: 2026-01-01T00:00:00Z, stop: 2026-02-01T00:00:00Z)'
    with InfluxDBClient(stack.influx_url, token, org="klimanetz") as client:
        records = [record for table in client.query_api().query(flux) for record in table.records]
    assert {(r["_measurement"], r["_field"]): (r["_value"], type(r["_value"])) for r in records} == {
        ("reading", "air_temperature"): (3.01, float),
        ("reading", "generation"): (1, int),
        ("reading", "seq"): (1, int),
        ("quality", "air_temperature"): ("C", str),
    }
    for record in records:
        tags = {key: value for key, value in record.values.items() if not key.startswith("_")}
        assert tags == {"result": "_result", "table": tags["table"], "station": "marktplatz", "device": "kn-0007"}
        assert record["_time"] == datetime(2026, 1, 22, 10, 1, tzinfo=UTC)


def test_a_wi_fi_station_s_json(stack: Stack) -> None:
    register(stack)
    device = Device(stack, "kn-0007", (stack.folder / "device_password").read_text())
    device.send(1)
    stack.until(
        "the reading", lambda: series(stack, "marktplatz", "air_temperature") == [("2026-01-22T10:01:00Z", 3.01)]
    )
    device.client.loop_stop()
