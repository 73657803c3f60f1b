"""`klimanetz ingest` as a process, with a registry of some devices, and a sender for them."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import paho.mqtt.client as paho

from cloud.ledger.ledger import Ledger
from cloud.registry import imports
from cloud.registry.registry import open_registry
from cloud.store import open_store
from cloud.store.model import Store
from schemas.models import utc_text_ms
from tests.brokers import Broker

DEVICES, START_S = 20, 60.0
STEP_MS = 1000  # between two readings of a device, whenever they are sent
NOW_MS = time.time_ns() // 1_000_000


class Service:
    """The command, its children, and what it has stored."""

    def __init__(
        self, broker: Broker, folder: Path, store_url: str = "", token: str | None = None, devices: int = DEVICES
    ) -> None:
        self.folder = folder
        store_url = store_url or f"sqlite:///{folder}/series.db"
        self.env = {
            **os.environ, "KLIMANETZ_MQTT_URL": f"mqtt://{broker.host}:{broker.port}", "KLIMANETZ_SPOOL": str(folder),
            "KLIMANETZ_STORE": store_url, "KLIMANETZ_REGISTRY": f"sqlite:///{folder}/registry.db",
            **({"KLIMANETZ_INFLUX_TOKEN": token} if token else {}),
        }  # fmt: skip
        registry = open_registry(self.env["KLIMANETZ_REGISTRY"], lambda: NOW_MS)
        names = range(devices)
        stations = "station,name,latitude,longitude\n" + "".join(f"s-{n},S,51.5,12\n" for n in names)
        devices = "device,station,activation\n" + "".join(f"kn-{n},s-{n},mqtt\n" for n in names)
        imports.import_stations(registry, stations.encode())
        imports.import_devices(registry, devices.encode())
        self.ledger = Ledger(registry.engine)
        self.store: Store = open_store(store_url, token)
        self.processes: dict[str, subprocess.Popen[str]] = {}

    def start(self, workers: int = 1, instance: str = "ingest-1") -> subprocess.Popen[str]:
        """Returns when it listens."""
        command = [sys.executable, "-m", "klimanetz", "ingest", "--workers", str(workers)]
        env = {**self.env, "KLIMANETZ_INSTANCE": instance}
        process = subprocess.Popen(command, env=env, cwd=self.folder, stderr=subprocess.PIPE, text=True)
        listening = threading.Event()
        log = (self.folder / f"{instance}.log").open("a")

        def read() -> None:
            for line in process.stderr or ():
                log.write(line)
                log.flush()
                if "listens" in line:
                    listening.set()

        threading.Thread(target=read, daemon=True).start()
        self.processes[instance] = process
        assert listening.wait(START_S)
        return process

    def children(self, instance: str = "ingest-1") -> list[int]:
        pid = self.processes[instance].pid
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    def kill(self, instance: str) -> None:
        """kill -9."""
        process = self.processes.pop(instance)
        process.kill()
        process.wait()

    def close(self) -> None:
        for instance in list(self.processes):
            self.kill(instance)
        self.store.close()

    def seqs(self, device: str) -> list[int]:
        """Of everything stored, sorted."""
        return sorted(seq for _, seq in self.store.identities(device))


class Sender:
    """Publishes readings of all devices with QoS 1, in turn; what the broker has not acknowledged it sends again."""

    def __init__(self, broker: Broker, devices: int = DEVICES) -> None:
        self.devices = devices
        self._client = paho.Client(paho.CallbackAPIVersion.VERSION2, "sender", clean_session=False)
        self._client.max_inflight_messages_set(200)
        self._client.max_queued_messages_set(0)
        self._client.reconnect_delay_set(1, 1)
        self._sent = self._taken = 0
        self._client.on_publish = self._count
        self._client.connect(broker.host, broker.port)
        self._client.loop_start()

    def send(self, first: int, last: int) -> None:
        """Readings `first` to `last` of every device."""
        for seq in range(first, last + 1):
            for n in range(self.devices):
                self.send_one(n, seq)

    def send_one(self, n: int, seq: int) -> None:
        at = utc_text_ms(NOW_MS - 10_000_000 + STEP_MS * seq)
        body = {"device": f"kn-{n}", "seq": seq, "time": at, "time_source": "ntp", "values": {"battery": 3.9}}
        self._sent += 1
        self._client.publish(f"klimanetz/v1/up/kn-{n}", json.dumps(body), qos=1)

    def _count(self, *_: object) -> None:
        self._taken += 1

    def finish(self) -> None:
        """Until the broker has acknowledged all."""
        until(lambda: self._taken >= self._sent)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


def until(condition: Callable[[], bool], limit_s: float = 60.0) -> None:
    """Wait for what other processes do."""
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)
