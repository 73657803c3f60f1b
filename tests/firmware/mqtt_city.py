"""What stands around a station in tests of Wi-Fi and MQTT: a real Mosquitto, a cloud that acknowledges, a bad line.

The broker has the access list of deploy/, passwords, and TLS with certificates made for the test. `Cloud` is a paho
subscriber that counts what came, decodes it and says `ack` as ingest does. `Line` is a TCP proxy that cuts, holds up,
drips and swallows.
"""

import datetime
import json
import select
import socket
import subprocess
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from deploy.prepare import add_user
from schemas import topics, wire
from simulators.board.host import START_US, Chip
from tests.brokers import Broker, start_mosquitto
from tests.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
STATION = ROOT / "tests" / "firmware" / "wifi_station.py"
DEVICE, PASSWORD, HOST = "kn-0007", "lamp post", "broker.test"
WAIT_S = 20.0
CARRIER = [
    ROOT / "firmware" / "device" / f"{name}.py"
    for name in ("addresses", "mqtt", "ntp", "stream", "talk", "trouble", "wifi")
]


class Authority:
    """A certificate authority and what it signs."""

    def __init__(self, folder: Path, name: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.certificate = self._signed(self._name, self._key, -30, 3650, True)
        self.der = self.certificate.public_bytes(serialization.Encoding.DER)
        (folder / "ca.pem").write_bytes(self.certificate.public_bytes(serialization.Encoding.PEM))

    def _signed(
        self, name: x509.Name, key: ec.EllipticCurvePrivateKey, from_days: int, to_days: int, authority: bool = False
    ) -> x509.Certificate:
        now = datetime.datetime.now(datetime.UTC)
        common = name.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value
        builder = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + datetime.timedelta(days=from_days))
            .not_valid_after(now + datetime.timedelta(days=to_days))
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        )
        if not authority:
            builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(str(common))]), critical=False)
        return builder.sign(self._key, hashes.SHA256())

    def server(self, host: str = HOST, from_days: int = -1, to_days: int = 365) -> str:
        """Mosquitto's lines for a listener with a certificate of this authority for `host`."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self._signed(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)]), key, from_days, to_days)
        stem = self.folder / f"{host}-{from_days}-{to_days}"
        stem.with_suffix(".crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        stem.with_suffix(".key").write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return (
            f"certfile {stem.with_suffix('.crt')}\nkeyfile {stem.with_suffix('.key')}\n"
            f"cafile {self.folder / 'ca.pem'}\n"
        )


def start_broker(binary: str, folder: Path, more: str = "") -> Broker:
    """A Mosquitto with passwords and the access list of deploy/."""
    passwords = folder / "passwords"
    for user, password in ((DEVICE, PASSWORD), ("ingest", "cloud"), ("kn-0008", "another")):
        add_user(passwords, user, password)
    acl = ROOT / "deploy" / "mosquitto" / "acl"
    extra = f"allow_anonymous false\npassword_file {passwords}\nacl_file {acl}\nmax_inflight_messages 100\n{more}"
    return start_mosquitto(binary, folder, extra)


class Cloud:
    """Subscribes as ingest does. `acknowledge`: whether it says what it stored."""

    def __init__(self, broker: Broker, acknowledge: bool = True) -> None:
        self.frames: list[wire.Frame] = []
        self.sent: list[Any] = []  # topic and payload of everything that came, in order
        self.acknowledge = acknowledge
        self._changed = threading.Condition()
        self._subscribed = 0
        self._client = paho.Client(paho.CallbackAPIVersion.VERSION2, "ingest-1", clean_session=False)
        self._client.username_pw_set("ingest", "cloud")
        self._client.reconnect_delay_set(1, 1)
        self._client.on_connect = lambda client, *_: client.subscribe(
            [(topics.topic(kind, "+"), 1) for kind in (topics.RAW, topics.STATUS)]
        )
        self._client.on_subscribe = self._on_subscribe
        self._client.on_message = self._on_message
        self._client.connect(broker.host, broker.port)
        self._client.loop_start()
        self.wait_subscribed(1)

    def _on_subscribe(self, *_: Any) -> None:
        with self._changed:
            self._subscribed += 1
            self._changed.notify_all()

    def wait_subscribed(self, times: int) -> None:
        """Until it has subscribed so often: a broker that was killed knows it no more until then."""
        self.wait(lambda: self._subscribed >= times)

    def _on_message(self, client: paho.Client, _: Any, message: paho.MQTTMessage) -> None:
        kind, device = topics.parse(message.topic)
        with self._changed:
            self.sent.append((message.topic, message.payload))
            if kind == topics.RAW:
                frame = wire.decode(message.payload)
                self.frames.append(frame)
                if self.acknowledge:
                    body = {"stored": [[r.generation, r.seq, r.seq] for r in frame.readings]}
                    client.publish(topics.topic(topics.ACK, device), json.dumps(body), qos=1)
            self._changed.notify_all()

    def say_stored(self, device: str, ranges: list[list[int]]) -> None:
        self.say(topics.topic(topics.ACK, device), {"stored": ranges})

    def say(self, topic: str, body: Any, retain: bool = False) -> None:
        payload = body if isinstance(body, bytes) else json.dumps(body).encode()
        self._client.publish(topic, payload, qos=1, retain=retain).wait_for_publish(WAIT_S)

    @property
    def counted(self) -> Counter[tuple[int, int]]:
        """How often each reading came."""
        with self._changed:
            return Counter((r.generation, r.seq) for frame in self.frames for r in frame.readings)

    @property
    def readings(self) -> dict[tuple[int, int], set[str]]:
        """What each identity stood for: one thing only, if all is well."""
        found: dict[tuple[int, int], set[str]] = {}
        with self._changed:
            for frame in self.frames:
                for r in frame.readings:
                    found.setdefault((r.generation, r.seq), set()).add(repr((r.time_s, sorted(r.values.items()))))
        return found

    def wait(self, condition: Callable[[], bool]) -> None:
        with self._changed:
            assert self._changed.wait_for(condition, WAIT_S), f"{len(self.frames)} frames came"

    def statuses(self) -> list[Any]:
        with self._changed:
            return [json.loads(body) for topic, body in self.sent if topics.parse(topic)[0] == topics.STATUS]

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


class Line(threading.Thread):
    """A TCP proxy. What it does with the bytes of each direction is up to `up` and `down`, which see and return them."""

    def __init__(self, broker: Broker) -> None:
        super().__init__(daemon=True)
        self.target = (broker.host, broker.port)
        self.connections = 0
        self.piece = 65536  # how many bytes are handed on at once
        self.passes = True  # False: accepts, and hands nothing on (half-open)
        self.up: Callable[[bytes], bytes | None] = lambda data: data  # None: cut the line
        self.down: Callable[[bytes], bytes | None] = lambda data: data
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._wake, self._woken = socket.socketpair()
        self._ends: dict[socket.socket, tuple[socket.socket, str]] = {}
        self.start()

    def run(self) -> None:
        while True:
            ready, _, _ = select.select([self._listener, self._woken, *self._ends], [], [])
            if self._woken in ready:
                break
            for one in ready:
                if one is self._listener:
                    self._accept()
                elif one in self._ends:
                    self._move(one)
        for one in [self._listener, self._wake, self._woken, *self._ends]:
            one.close()

    def _accept(self) -> None:
        near, _ = self._listener.accept()
        self.connections += 1
        try:
            far = socket.create_connection(self.target, 2)
        except OSError:
            near.close()
            return
        for one in (near, far):
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._ends[near], self._ends[far] = (far, "up"), (near, "down")

    def _move(self, one: socket.socket) -> None:
        other, way = self._ends[one]
        try:
            data: bytes | None = one.recv(65536) or None
            if data is not None and not self.passes:
                return
            if data is not None:
                data = (self.up if way == "up" else self.down)(data)
            if data is None:
                raise ConnectionError
            for start in range(0, len(data), self.piece):
                other.sendall(data[start : start + self.piece])
        except OSError:
            for end in (one, other):
                self._ends.pop(end, None)
                end.close()

    def close(self) -> None:
        self._wake.send(b".")
        self.join(5)


class Station:
    """One chip with the carrier for MQTT. `grace_ms`: what its peers may take in real time before virtual time leaps."""

    def __init__(
        self, folder: Path, micropython: str, broker_port: int, code: Path = ROOT, grace_ms: int = 100, **mqtt: Any
    ) -> None:
        self.chip = Chip(folder, micropython, code, environment={"KLIMANETZ_BOARD_GRACE_MS": str(grace_ms)})
        self.chip.change(rtc_us=START_US)
        self.plan: dict[str, Any] = {
            "start_ms": START_US // 1000 - 60_000,
            "identity": {"device": DEVICE, "activation": "mqtt", "mqtt_user": DEVICE, "mqtt_password": PASSWORD},
            "config": {
                "interval_s": 900,
                "radio": "mqtt",
                "mqtt": {"host": HOST, "port": broker_port, "tls": False} | mqtt,
                "wifi": {"ssid": "stadtnetz", "password": "geheim"},
                "ntp": "ntp.test",
            },
        }
        self.chip.change(
            wifi={"ssid": "stadtnetz", "password": "geheim", "channel": 6},
            ntp={"ntp.test": {"way_ms": 40}},
            hosts={f"{HOST}:{broker_port}": ["127.0.0.1", broker_port]},
        )

    def run(self, **plan: Any) -> list[dict[str, Any]]:
        """One start of the chip; what its sessions said."""
        self.plan |= plan
        self.chip.change(plan=self.plan)
        return [json.loads(line) for line in self.chip.start(STATION, 100).splitlines()]

    @property
    def held(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.chip.folder / "station.json").read_text())
        return found


def tls_listener(authority_lines: str) -> tuple[int, str]:
    """(port, Mosquitto's lines) of a second listener."""
    port = free_port()
    return port, f"listener {port} 127.0.0.1\n{authority_lines}"


def compiled(mpy_cross: str, folder: Path) -> Path:
    """What a board gets of the carrier: bytecode."""
    for source in [*ROOT.glob("schemas/*.py"), *ROOT.glob("edge/mqtt/*.py"), ROOT / "edge/sntp.py", *CARRIER]:
        if source.name in ("models.py", "export.py", "asyncapi.py", "readings.py", "csv_rows.py", "device_rows.py"):
            continue
        out = folder / source.relative_to(ROOT).with_suffix(".mpy")
        out.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run([mpy_cross, "-o", str(out), str(source)], check=True, timeout=30)
    return folder
