"""Other people's networks through a real Mosquitto: what they send is what we publish, and nobody needs more rights."""

import base64
import json
import re
import runpy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.mqtt import MqttUrl
from gateway.networks.channel_table import parse_channel_table
from gateway.networks.downlinks import NetworkKind, Route, Routes, push
from gateway.semtech.objects import time_of
from tests.brokers import Broker, start_mosquitto
from tests.gateway.test_service import WAIT_S, Listener, broker, brokers, gateway, listener

__all__ = ["broker", "brokers", "listener"]  # fixtures
ROOT = Path(__file__).resolve().parent.parent.parent
CHIRPSTACK = "application/app/device/%s/event/%s"
THINGS_STACK = "v3/app@tenant/devices/%s/%s"
DECODED = {"temperature": 20.5}


def event_of(case: dict[str, Any], number: int) -> tuple[str, dict[str, Any]]:
    """(topic, event): a collected one as a device of its own, with decoder output beside it, else nothing is changed.

    The collection has several events under one address and counter, which are one event's bytes cut in several ways.
    """
    body, eui = case["payload"], "%016x" % (0xABC000 + number)
    if case["format"] == "chirpstack_v4":
        return CHIRPSTACK % (eui, "up"), body | {"deviceInfo": body["deviceInfo"] | {"devEui": eui}, "object": DECODED}
    if case["format"] == "chirpstack_v3_legacy":
        changed = {"devEUI": base64.b64encode(bytes.fromhex(eui)).decode(), "objectJSON": json.dumps(DECODED)}
        return CHIRPSTACK % (eui, "up"), body | changed
    ids = body["end_device_ids"] | {"dev_eui": eui.upper()}
    message = body["uplink_message"] | {"decoded_payload": DECODED}
    return THINGS_STACK % (ids["device_id"], "up"), body | {"end_device_ids": ids, "uplink_message": message}


def expected_of(case: dict[str, Any]) -> dict[str, Any]:
    """What the collected event says, read off by hand for each format."""
    body = case["payload"]
    if case["format"] == "chirpstack_v4":
        best = body["rxInfo"][0]
        link = {"gateway": best["gatewayId"], "rssi_dbm": best["rssi"], "snr_db": best["snr"],
                "sf": body["txInfo"]["modulation"]["lora"]["spreadingFactor"],
                "frequency_hz": body["txInfo"]["frequency"]}  # fmt: skip
        return {"time": body["time"], "dev_addr": body["devAddr"], "fcnt": body["fCnt"], "fport": body["fPort"], **link}
    if case["format"] == "chirpstack_v3_legacy":
        best = body["rxInfo"][0]
        link = {"gateway": "03" * 8, "rssi_dbm": best["rssi"], "snr_db": best["loRaSNR"],
                "sf": body["txInfo"]["loRaModulationInfo"]["spreadingFactor"],
                "frequency_hz": body["txInfo"]["frequency"]}  # fmt: skip
        return {"time": best["time"], "dev_addr": None, "fcnt": body["fCnt"], "fport": body["fPort"], **link}
    message = body["uplink_message"]
    best, settings = message["rx_metadata"][0], message["settings"]
    link = {"gateway": best["gateway_ids"]["eui"].lower(), "rssi_dbm": best["rssi"], "snr_db": best["snr"],
            "sf": settings["data_rate"]["lora"]["spreading_factor"],
            "frequency_hz": int(settings["frequency"])}  # fmt: skip
    return {"time": message["received_at"], "dev_addr": body["end_device_ids"]["dev_addr"].lower(),
            "fcnt": message.get("f_cnt", 0), "fport": message["f_port"], **link}  # fmt: skip


def has_counter(case: dict[str, Any]) -> bool:
    """Version 3's have no session; what has only its time is told apart by the cloud, once the broker has taken it."""
    return bool(case["format"] != "chirpstack_v3_legacy")


@pytest.mark.shared
def test_collected_events(shared_data: Path, broker: Broker, listener: Listener, tmp_path: Path) -> None:
    lines = (shared_data / "lns_json" / "lns_cases.jsonl").read_text().splitlines()
    cases = [json.loads(line) for line in lines]
    assert len(cases) == 62
    with gateway(broker.port, tmp_path) as running:
        running.until(lambda c: c.connections == 1)
        for number, case in enumerate(cases):
            topic, body = event_of(case, number)
            for _ in range(1 + has_counter(case)):  # a doubled event is one reading
                listener.publish(topic, body)
        found = {reading["device"]: reading for reading in listener.readings(62)}
        running.until(lambda c: c.events["up"] == 62 + 53)
        assert (running.counters.readings, running.counters.undecoded, running.counters.faults) == (62, 0, 0)
    for number, case in enumerate(cases):
        reading, expected = found["eui-%016x" % (0xABC000 + number)], expected_of(case)
        assert reading["values"] == {"air_temperature": 20.5}
        shown = time_of(expected.pop("time"))
        assert shown is not None
        assert time_of(reading["time"]) == shown.replace(microsecond=shown.microsecond // 1000 * 1000), case["id"]
        assert reading["time_source"] == "network"
        address = expected["dev_addr"]
        identity = (int(address, 16), expected["fcnt"]) if address else (None, None)
        assert (reading.get("generation"), reading.get("seq")) == identity
        assert {key: reading["link"].get(key) for key in expected} == expected, case["id"]


@pytest.mark.shared
def test_collected_events_as_they_are(shared_data: Path, broker: Broker, listener: Listener, tmp_path: Path) -> None:
    """Without decoder output and without a codec every payload is kept; both real events have the right values."""
    lines = (shared_data / "lns_json" / "lns_cases.jsonl").read_text().splitlines()
    cases = [json.loads(line) for line in lines]
    real = json.loads((shared_data / "lns_json" / "events_with_decoder_output.json").read_text())["events"]
    with gateway(broker.port, tmp_path) as running:
        running.until(lambda c: c.connections == 1)
        for number, case in enumerate(cases):
            listener.publish(event_of(case, number)[0], case["payload"])
        listener.publish(CHIRPSTACK % ("a8404187d187106e", "up"), real[0]["payload"])
        listener.publish(THINGS_STACK % ("eui-a8404194a1875ff3", "up"), real[1]["payload"])
        running.until(lambda c: c.events["up"] == 64)
        assert running.counters.undecoded == 62 - 9  # version 3 has an objectJSON
        found: dict[str, dict[str, Any]] = {}
        while len(found) < 3:
            found |= {reading["device"]: reading for reading in listener.readings(1)}
        assert running.counters.unmapped == {"temp_DS18B20": 1, "conduct_SOIL": 2, "TempC_DS18B20": 1}
    jena, other = found["eui-a8404187d187106e"], found["eui-a8404194a1875ff3"]
    assert jena["values"] == {"battery": 3.301, "soil_temperature": 13.25, "soil_moisture": 13.74}
    assert (jena["time"], jena["link"]["gateway"]) == ("2024-06-20T08:48:38.863Z", "a84041ffff1f4b70")
    assert other["values"] == {"battery": 3.384, "soil_temperature": 30.11, "soil_moisture": 0.0}
    assert (other["time"], other["link"]["sf"]) == ("2023-06-20T14:34:32.656Z", 12)
    assert found["eui-0202020202020202"]["values"] == {"air_temperature": 25.0, "relative_humidity": 32.0}


def uplink(f_cnt: int = 1) -> dict[str, Any]:
    ids = {"device_id": "dev1", "dev_eui": "70B3D57ED0000001", "dev_addr": "27000020"}
    message = {"f_cnt": f_cnt, "received_at": "2026-11-22T10:15:00Z", "decoded_payload": DECODED}
    return {"end_device_ids": ids, "uplink_message": message}


def statuses(listener: Listener, device: str) -> Iterator[dict[str, Any]]:
    """The status messages of a device as they come."""
    while True:
        topic, body = listener.messages.get(timeout=WAIT_S)
        if topic == "klimanetz/v1/status/" + device:
            yield body


def test_health_of_devices(broker: Broker, listener: Listener, tmp_path: Path) -> None:
    device = "kn-0001"  # 70b3d57ed0000001 in the directory
    topic = CHIRPSTACK % ("70b3d57ed0000001", "%s")
    at = {"time": "2026-11-22T10:15:00Z", "deviceInfo": {"devEui": "70b3d57ed0000001"}}
    with gateway(broker.port, tmp_path) as running:
        running.until(lambda c: c.connections == 1)
        heard = statuses(listener, device)
        listener.publish(topic % "join", at | {"devAddr": "01a2b3c4"})
        joined = next(heard)
        assert (joined["online"], joined["joined"], joined["dev_addr"]) == (True, at["time"], "01a2b3c4")
        listener.publish(topic % "status", at | {"margin": 9, "batteryLevel": 93.5})  # may wait a minute
        listener.publish(topic % "log", at | {"level": "ERROR", "code": "UPLINK_F_CNT_RESET", "description": "reset"})
        told = next(heard)  # does not wait, and takes the other with it
        assert (told["battery_percent"], told["margin_db"]) == (93.5, 9)
        assert told["last_error"] == {"code": "UPLINK_F_CNT_RESET", "text": "reset", "time": at["time"]}
        failed = {"downlink": {}, "error": {"name": "too_long", "message_format": "is too long"}}
        listener.publish(THINGS_STACK % ("dev1", "up"), uplink())
        listener.publish(
            THINGS_STACK % ("dev1", "down/failed"), {"downlink_failed": failed}
        )  # names its device by the topic alone
        told = next(heard)
        assert (told["via"], told["errors"]) == ("things-stack", {"UPLINK_F_CNT_RESET": 1, "too_long": 1})
        route = Routes(running.database()).get(device)
    assert route == Route(NetworkKind.THINGS_STACK, "app@tenant", "dev1")
    later = Listener(broker, "klimanetz/v1/status/" + device)  # retained
    assert next(statuses(later, device))["errors"] == told["errors"]
    later.close()


def test_the_operators_table_of_channels(broker: Broker, listener: Listener, tmp_path: Path) -> None:
    table = parse_channel_table(b"name,channel\ntemperature,water_temperature\n")
    with gateway(broker.port, tmp_path, channels=table) as running:
        running.until(lambda c: c.connections == 1)
        listener.publish(THINGS_STACK % ("dev1", "up"), uplink())
        (reading,) = listener.readings(1)
        assert reading["values"] == {"water_temperature": 20.5}


def test_health_is_told_when_the_broker_is_back(broker: Broker, listener: Listener, tmp_path: Path) -> None:
    topic = CHIRPSTACK % ("a8404187d187106e", "join")
    with gateway(broker.port, tmp_path):
        listener.status(online=True)
    listener.publish(topic, {"devAddr": "01a2b3c4"})  # waits for the gateway in its session
    with gateway(broker.port, tmp_path):
        assert next(statuses(listener, "eui-a8404187d187106e"))["dev_addr"] == "01a2b3c4"


def secured(folder: Path, users: dict[str, str], more: str) -> str:
    """Mosquitto with our ACL and these users; `more` is added to the ACL."""
    add_user = runpy.run_path(str(ROOT / "deploy/prepare.py"))["add_user"]
    folder.mkdir()
    for user, password in users.items():
        add_user(folder / "passwords", user, password)
    (folder / "acl").write_text((ROOT / "deploy/mosquitto/acl").read_text() + more)
    return f"password_file {folder}/passwords\nacl_file {folder}/acl"


class Known(Listener):
    """A listener with a name and a password."""

    def __init__(self, broker: Broker, user: str, pattern: str) -> None:
        self._user = user
        super().__init__(broker, pattern)

    def prepare(self) -> None:
        self._client.username_pw_set(self._user, "x")


def test_the_rights_in_the_acl_are_enough(brokers: Callable[[str], Broker], tmp_path: Path) -> None:
    network = "\nuser network\ntopic readwrite v3/#\ntopic readwrite application/#\ntopic read klimanetz/v1/#\n"
    broker = brokers(secured(tmp_path / "rights", {"gateway": "x", "network": "x"}, network))
    heard = Known(broker, "network", "#")
    url = MqttUrl("127.0.0.1", broker.port, "gateway", "x")
    kinds = ["up", "join", "down/queued", "down/sent", "down/ack", "down/nack", "down/failed", "service/data",
             "location/solved"]  # fmt: skip
    with gateway(broker.port, tmp_path, mqtt=url) as running:
        running.until(lambda c: c.connections == 1)
        for kind in kinds:
            heard.publish(THINGS_STACK % ("dev1", kind), uplink())
        running.until(lambda c: sum(c.events.values()) == len(kinds))
        assert running.counters.events == dict.fromkeys(kinds, 1)
        assert next(statuses(heard, "kn-0001"))["dev_addr"] == "27000020"
    downlinks = Known(broker, "gateway", "nothing")
    for route in (Route(NetworkKind.THINGS_STACK, "app", "dev1"), Route(NetworkKind.CHIRPSTACK, "app", "aa" * 8)):
        topic, body = push(route, 10, b"x")
        downlinks.publish(topic, json.loads(body))
        while heard.messages.get(timeout=WAIT_S)[0] != topic:
            pass
    for one in (heard, downlinks):
        one.close()


def test_the_documented_bridge_brings_the_things_stack(
    mosquitto: str, brokers: Callable[[str], Broker], tmp_path: Path
) -> None:
    """A second Mosquitto stands for The Things Stack; what docs/networks.md says is only given another address."""
    text = (ROOT / "docs/networks.md").read_text()
    (block,) = re.findall(r"```\n(connection .*?)```", text, re.DOTALL)
    remote = start_mosquitto(mosquitto, tmp_path / "remote")
    lines = [line for line in block.splitlines() if not line.startswith(("bridge_capath", "remote_"))]
    config = "\n".join(lines).replace("eu1.cloud.thethings.network:8883", f"127.0.0.1:{remote.port}")
    broker = brokers(config.replace("…", ""))
    there, here = Listener(remote, "v3/#"), Listener(broker)
    try:
        with gateway(broker.port, tmp_path) as running:
            running.until(lambda c: c.connections == 1)
            until_bridged(there, here, running)
            (reading,) = here.readings(1)
            assert (reading["device"], reading["values"]) == ("kn-0001", {"air_temperature": 20.5})
            topic, body = push(Route(NetworkKind.THINGS_STACK, "my-app@ttn", "dev1"), 10, b"x")
            here.publish(topic, json.loads(body))
            while (message := there.messages.get(timeout=WAIT_S))[0] != topic:
                pass
            assert message[1] == json.loads(body)
    finally:
        for one in (there, here):
            one.close()
        remote.stop()


def until_bridged(there: Listener, here: Listener, running: Any) -> None:
    """Sends until the bridge, which connects when it likes, has brought one; the same message again is no reading."""
    running.until(lambda c: c.events["up"] or there.publish("v3/my-app@ttn/devices/dev1/up", uplink()))
