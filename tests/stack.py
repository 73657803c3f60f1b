"""The services of docker-compose.yml without Docker: the same commands, environment and Mosquitto files, as processes.

Host names become loopback ports and mounts become folders; everything else is taken from the file as it stands.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import paho.mqtt.client as paho
import pytest
import yaml

from tests.ports import free_port
from tests.servers import start_influxd

ROOT = Path(__file__).resolve().parent.parent
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
BIN = Path(sys.executable).parent


@dataclass
class Stack:
    """The services of the file as processes."""

    folder: Path
    ports: dict[str, int]
    influx_url: str
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def here(self, text: str, service: str) -> str:
        """What a value of the file means on this machine."""
        text = text.replace("influxdb://influxdb:8086", self.influx_url.replace("http", "influxdb", 1))
        text = text.replace("0.0.0.0:1700", f"127.0.0.1:{self.ports['udp']}")
        text = text.replace("0.0.0.0:8000", f"127.0.0.1:{self.ports['http']}")
        text = text.replace("/run/secrets", str(self.folder / "secrets"))
        return text.replace("/var/lib/klimanetz/spool", str(self.folder / service / "spool")).replace(
            "/var/lib/klimanetz", str(self.folder / "lib")
        )

    def environment(self, service: str) -> dict[str, str]:
        given = COMPOSE["services"][service]["environment"]
        return {
            "PATH": f"{BIN}:{os.environ['PATH']}",
            **{key: self.here(str(value), service) for key, value in given.items()},
        }

    def start(self, service: str) -> None:
        command = COMPOSE["services"][service]["command"]
        log = (self.folder / f"{service}.log").open("wb")
        process = subprocess.Popen(command, env=self.environment(service), cwd=self.folder, stdout=log, stderr=log)
        self.processes.append(process)

    def cli(self, *arguments: str) -> str:
        command = [str(BIN / "klimanetz"), *arguments]
        env = self.environment("ingest-1")
        done = subprocess.run(command, env=env, cwd=self.folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def logs(self) -> str:
        return "\n".join(f"== {p.name}\n{p.read_text()[-2000:]}" for p in sorted(self.folder.glob("*.log")))

    def get(self, path: str) -> Any:
        return httpx.get(f"http://127.0.0.1:{self.ports['http']}{path}", timeout=10).raise_for_status().json()

    def until(self, what: str, condition: Any) -> None:
        deadline = time.monotonic() + 40
        while time.monotonic() < deadline:
            try:
                if condition():
                    return
            except (httpx.HTTPError, KeyError, IndexError):
                pass
            time.sleep(0.1)
        pytest.fail(f"not within 40 s: {what}\n{self.logs()}")


@pytest.fixture
def stack(mosquitto: str, influxd: str, tmp_path: Path) -> Iterator[Stack]:
    """Broker, database, gateway, two ingest replicas and the API; each must end with 0 on SIGTERM."""
    (tmp_path / "influx").mkdir()
    (tmp_path / "mosquitto").mkdir()
    setup = COMPOSE["services"]["influxdb"]["environment"]
    org, bucket = setup["DOCKER_INFLUXDB_INIT_ORG"], setup["DOCKER_INFLUXDB_INIT_BUCKET"]
    influx = start_influxd(influxd, tmp_path / "influx", org=org, bucket=bucket)
    stack = Stack(tmp_path, {name: free_port() for name in ("mqtt", "http")}, influx.url)
    stack.ports["udp"] = free_port(socket.SOCK_DGRAM)
    try:
        prepare_secrets(stack, influx)
        start_broker(stack, mosquitto)
        for service in ("gateway", "ingest-1", "ingest-2", "api"):
            stack.start(service)
        yield stack
    finally:
        for process in reversed(stack.processes):
            process.send_signal(signal.SIGTERM)
        codes = [process.wait(20) for process in reversed(stack.processes)]
        influx.stop()
    assert set(codes) == {0}, f"every service ends with 0 on SIGTERM\n{stack.logs()}"


def prepare_secrets(stack: Stack, influx: Any) -> None:
    """deploy/prepare.py as an operator runs it; the token is the one that the server has."""
    (stack.folder / "secrets").mkdir()
    (stack.folder / "secrets" / "influx_token").write_text(influx.token)
    for arguments in ([], ["device", "kn-0007"]):
        done = subprocess.run(
            [sys.executable, ROOT / "deploy/prepare.py", *arguments],
            env={"DEPLOY_FOLDER": str(stack.folder)}, capture_output=True, text=True, check=True,
        )  # fmt: skip
    (stack.folder / "device_password").write_text(done.stdout.split("password ")[1].split()[0])
    for url in (stack.folder / "secrets").glob("mqtt_url_*"):
        url.write_text(url.read_text().replace("@mosquitto:1883", f"@127.0.0.1:{stack.ports['mqtt']}"))


def start_broker(stack: Stack, mosquitto: str) -> None:
    folder = stack.folder / "mosquitto"
    config = (ROOT / "deploy/mosquitto/mosquitto.conf").read_text()
    config = config.replace("listener 1883", f"listener {stack.ports['mqtt']} 127.0.0.1")
    config = config.replace("/mosquitto/config", str(folder)).replace("/mosquitto/data", str(folder))
    (folder / "mosquitto.conf").write_text(f"{config}\nuser root\n")
    (folder / "acl").write_text((ROOT / "deploy/mosquitto/acl").read_text())
    log = (stack.folder / "mosquitto.log").open("wb")
    stack.processes.append(subprocess.Popen([mosquitto, "-c", folder / "mosquitto.conf"], stdout=log, stderr=log))


class Device:
    """A Wi-Fi station with its own user name and password."""

    def __init__(self, stack: Stack, name: str, password: str) -> None:
        self.name = name
        self.client = paho.Client(paho.CallbackAPIVersion.VERSION2, client_id=name)
        self.client.username_pw_set(name, password)
        self.heard: list[tuple[str, Any]] = []
        self.client.on_message = lambda _c, _u, m: self.heard.append((m.topic, json.loads(m.payload)))
        self.client.connect("127.0.0.1", stack.ports["mqtt"])
        self.client.subscribe("klimanetz/v1/ack/+", qos=1)
        self.client.loop_start()

    def send(self, seq: int, topic_device: str | None = None) -> None:
        body = {"device": self.name, "generation": 1, "seq": seq, "time": f"2026-01-22T10:{seq:02}:00Z",
                "time_source": "ntp", "values": {"air_temperature": 3 + seq / 100}}  # fmt: skip
        topic = f"klimanetz/v1/up/{topic_device or self.name}"
        self.client.publish(topic, json.dumps(body), qos=1).wait_for_publish(10)
