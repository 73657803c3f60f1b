"""The cloud's side of a simulated device: broker, ingest and store as they run, the gateway's real core beside them."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import pytest

from gateway.mqtt import MqttUrl
from schemas.models import Device
from tests.brokers import Broker
from tests.cloud import ingest_process
from tests.firmware.gateway_core import GatewayCore

DEVICE = "kn-0"


class Heard:
    """Every message on `up/<device>`: {(generation, seq): [reading, …]} in the order in which they came."""

    def __init__(self, host: str, port: int) -> None:
        self.readings: dict[tuple[int, int], list[dict[str, Any]]] = {}
        self.status: list[dict[str, Any]] = []
        self._client = paho.Client(paho.CallbackAPIVersion.VERSION2, "listener")
        listening = threading.Event()
        self._client.on_subscribe = lambda *_: listening.set()
        self._client.on_message = self._on_message
        self._client.connect(host, port)
        self._client.subscribe([("klimanetz/v1/up/" + DEVICE, 1), ("klimanetz/v1/status/" + DEVICE, 1)])
        self._client.loop_start()
        assert listening.wait(10)

    def _on_message(self, _client: Any, _data: Any, message: paho.MQTTMessage) -> None:
        body = json.loads(message.payload)
        if message.topic.startswith("klimanetz/v1/status/"):
            self.status.append(body)
            return
        for reading in body if isinstance(body, list) else [body]:
            self.readings.setdefault((reading["generation"], reading["seq"]), []).append(reading)

    def close(self) -> None:
        self._client.loop_stop()


class CloudSide:
    """`core`: the gateway; `service`: ingest; `heard`: what passed the broker."""

    def __init__(self, core: GatewayCore, service: ingest_process.Service, heard: Heard) -> None:
        self.core, self.service, self.heard = core, service, heard

    def until_stored(self, wanted: set[tuple[int, int]], patience_s: float = 60) -> None:
        """Waits until the store has these, or fails with what is missing."""
        deadline = time.monotonic() + patience_s
        while (missing := wanted - set(self.service.store.identities(DEVICE))) and time.monotonic() < deadline:
            time.sleep(0.2)
        assert not missing, sorted(missing)[:20]


@contextmanager
def cloud_side(
    mosquitto: str, folder: Path, device: Device, since_ms: int, monkeypatch: pytest.MonkeyPatch
) -> Iterator[CloudSide]:
    """Everything runs; the device's deployment begins at `since_ms`."""
    broker = Broker(mosquitto, folder / "broker", "")
    monkeypatch.setattr(ingest_process, "NOW_MS", since_ms)
    (folder / "ingest").mkdir()
    service = ingest_process.Service(broker, folder / "ingest", devices=1)
    service.start()
    heard = Heard(broker.host, broker.port)
    try:
        with GatewayCore(folder / "gateway", device, broker=MqttUrl(broker.host, broker.port)) as core:
            yield CloudSide(core, service, heard)
    finally:
        heard.close()
        service.close()
        broker.stop()
