"""docker-compose.yml says what it should, and what it says runs (tests/stack.py)."""

import re
from typing import Any

import paho.mqtt.client as paho
import pytest

from tests.stack import COMPOSE, ROOT, Device, Stack, stack

__all__ = ["stack"]  # a fixture

STATION = "station,name,latitude,longitude\nmarktplatz,Marktplatz,51.4828,11.9697\n"
DEVICE = "device,station,activation\nkn-0007,marktplatz,mqtt\n"


def test_the_file_says_what_the_interface_promises() -> None:
    services = COMPOSE["services"]
    assert {"mosquitto", "influxdb", "gateway", "ingest-1", "ingest-2", "api"} == set(services)
    assert services["influxdb"]["image"].startswith("influxdb:2.7")
    ours = [services[name] for name in ("gateway", "ingest-1", "ingest-2", "api")]
    assert len({service["image"] for service in ours}) == 1
    instances = {service["environment"].get("KLIMANETZ_INSTANCE") for service in ours[:3]}
    assert len(instances) == 3, "each its own client id"
    for service in services.values():
        assert "restart" in service
        for name in service.get("secrets", ()):
            assert name in COMPOSE["secrets"]
        for key, value in service.get("environment", {}).items():
            assert not re.search("PASSWORD$|TOKEN$", key), f"{key}={value}: a secret comes from a file"


def test_mosquitto_s_limits_are_explicit() -> None:
    text = (ROOT / "deploy/mosquitto/mosquitto.conf").read_text()
    settings = dict(line.split(" ", 1) for line in text.splitlines() if line and not line.startswith("#"))
    assert settings["allow_anonymous"] == "false"
    assert settings["persistence"] == "true"
    assert int(settings["max_queued_messages"]) >= 1_000_000
    assert int(settings["max_inflight_messages"]) >= 1000


@pytest.mark.mosquitto
@pytest.mark.influxdb
def test_the_file_s_services_carry_a_reading_to_the_answer(stack: Stack) -> None:
    stack.until("the API is ready", lambda: stack.get("/health/ready"))
    for name, text in (("stations", STATION), ("devices", DEVICE)):
        (stack.folder / f"{name}.csv").write_text(text)
        stack.cli(name, "import", f"{name}.csv")
    device = Device(stack, "kn-0007", (stack.folder / "device_password").read_text())
    for seq in range(1, 21):
        device.send(seq)
    device.send(21, topic_device="kn-0008")  # the ACL: a device speaks for itself only
    stack.until("both replicas stored all", lambda: stack.get("/v1/devices/kn-0007/delivery")["received"] == 20)
    series = stack.get("/v1/stations/marktplatz/series/air_temperature?from=2026-01-22&to=2026-01-23")
    assert [row["value"] for row in series["rows"]] == [round(3 + seq / 100, 2) for seq in range(1, 21)]
    assert series["unit"] == "°C"
    stack.until("the device was told", lambda: sum(b - a + 1 for _, x in device.heard for _, a, b in x["stored"]) >= 20)
    assert {topic for topic, _ in device.heard} == {"klimanetz/v1/ack/kn-0007"}
    assert stack.cli("dead-letters", "list", "--json").strip() == "[]"
    assert stack.cli("unknown", "list", "--json").strip() == "[]"
    device.client.loop_stop()
    stranger = paho.Client(paho.CallbackAPIVersion.VERSION2)
    codes: list[Any] = []
    stranger.on_connect = lambda _c, _u, _f, code, _p: codes.append(code.value)
    stranger.connect("127.0.0.1", stack.ports["mqtt"])
    stack.until("an anonymous client is refused", lambda: stranger.loop(0.1) is not None and bool(codes))
    assert codes[0] != 0
