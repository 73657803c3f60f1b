"""The whole gateway: real UDP, a real broker, the real device role; outages, restarts, kill -9, nonsense."""

import asyncio
import base64
import gc
import json
import queue
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from paho.mqtt.enums import CallbackAPIVersion

from edge.lorawan import frames
from edge.lorawan.device import Device as LoRaWANDevice
from edge.lorawan.device import Joined
from gateway import notices
from gateway.counters import GatewayCounters
from gateway.database import Database, StorageError
from gateway.health_store import HealthStore
from gateway.mqtt import MqttUrl
from gateway.semtech import datagrams
from gateway.semtech.endpoint import PortError
from gateway.service import GatewayConfig, run
from gateway.spool import GWMP, Input, Spool
from schemas.models import Reading
from schemas.wire_down import decode_ack, decode_command
from tests.brokers import Broker, start_mosquitto
from tests.gateway.helpers import (
    DEV_EUI,
    EUI,
    OTHER_EUI,
    Directory,
    Forwarder,
    PlainSeal,
    abp,
    abp_on_air,
    on_air,
    otaa,
    payload,
    rxpk,
)
from tests.ports import free_port

WAIT_S = 15.0
Identity = tuple[str, int | None, int | None]


@pytest.fixture
def brokers(mosquitto: str, tmp_path: Path) -> Iterator[Callable[[str], Broker]]:
    """Starts brokers with more configuration; none outlives the test."""
    started: list[Broker] = []

    def start(extra_config: str) -> Broker:
        started.append(start_mosquitto(mosquitto, tmp_path / "broker", extra_config))
        return started[-1]

    yield start
    for broker in started:
        broker.stop()


@pytest.fixture
def broker(brokers: Callable[[str], Broker]) -> Broker:
    return brokers("")


@pytest.fixture
def start_process(broker: Broker, tmp_path: Path) -> Iterator[Callable[[], subprocess.Popen[str]]]:
    """Starts the gateway as a process of its own; none outlives the test."""
    started: list[subprocess.Popen[str]] = []

    def start() -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "tests.gateway.gateway_process", str(tmp_path / "spool"), str(broker.port)]
        started.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()


class Listener:
    """Everything that is published, as a subscriber sees it."""

    def __init__(self, broker: Broker, pattern: str = "klimanetz/v1/#") -> None:
        self.messages: queue.Queue[tuple[str, Any]] = queue.Queue()
        self._subscribed = threading.Event()
        self._client = paho.Client(CallbackAPIVersion.VERSION2, f"listener-{id(self)}", clean_session=False)
        self._client.reconnect_delay_set(1, 1)
        self._client.on_connect = lambda client, *_: client.subscribe(pattern, 1)
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.on_message = lambda _c, _u, m: self.messages.put((m.topic, json.loads(m.payload)))
        self.prepare()
        self._client.connect(broker.host, broker.port)
        self._client.loop_start()
        assert self._subscribed.wait(WAIT_S)

    def prepare(self) -> None:
        """Before it connects: whoever needs a user name gives one."""

    def readings(self, count: int) -> list[dict[str, Any]]:
        """The next `count` readings."""
        found: list[dict[str, Any]] = []
        while len(found) < count:
            topic, body = self.messages.get(timeout=WAIT_S)
            if topic.startswith("klimanetz/v1/up/"):
                found += body if isinstance(body, list) else [body]
        return found

    def status(self, online: bool) -> dict[str, Any]:
        """The next status message that says so."""
        while True:
            topic, body = self.messages.get(timeout=WAIT_S)
            if topic == "klimanetz/v1/status/gateway-1" and body["online"] is online:
                return dict(body)

    def on(self, wanted: str) -> dict[str, Any]:
        """The next message on a topic."""
        while True:
            topic, body = self.messages.get(timeout=WAIT_S)
            if topic == wanted:
                return dict(body)

    def publish(self, topic: str, body: Any) -> None:
        self._client.publish(topic, json.dumps(body), qos=1).wait_for_publish(WAIT_S)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


@pytest.fixture
def listener(broker: Broker) -> Iterator[Listener]:
    listener = Listener(broker)
    yield listener
    listener.close()


class Running:
    """A gateway in a thread of its own."""

    def __init__(self, config: GatewayConfig, directory: Directory) -> None:
        self.counters = GatewayCounters()
        self._addresses: queue.Queue[tuple[str, int]] = queue.Queue()
        self._config, self._directory = config, directory
        self._thread = threading.Thread(target=lambda: asyncio.run(self._main()))
        self._thread.start()
        self.address = self._addresses.get(timeout=WAIT_S)

    async def _main(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        await run(self._config, self._directory, PlainSeal(), self._addresses.put, self._stop, self.counters)

    def database(self) -> Database:
        """What the gateway has open."""
        (database,) = (o for o in gc.get_objects() if isinstance(o, Database) and o.folder == self._config.spool)
        return database

    def register(self, device: Any) -> None:
        """As if somebody had imported it."""
        self._directory.devices.append(device)

    def settled(self) -> None:
        """Returns once the gateway has done what it was about."""
        done = threading.Event()
        self._loop.call_soon_threadsafe(done.set)
        assert done.wait(WAIT_S)

    def stop(self) -> None:
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(WAIT_S)
        assert not self._thread.is_alive()

    def until(self, condition: Callable[[GatewayCounters], bool]) -> None:
        """Waits for the counters to say so."""
        deadline = time.monotonic() + WAIT_S
        while not condition(self.counters):
            assert time.monotonic() < deadline, self.counters
            time.sleep(0.01)


@contextmanager
def gateway(port: int, folder: Path, *devices: Any, **config: Any) -> Iterator[Running]:
    whole = {"mqtt": MqttUrl("127.0.0.1", port), "spool": folder / "spool", "udp_host": "127.0.0.1", "udp_port": 0}
    running = Running(GatewayConfig(**{**whole, **config}), Directory(*(devices or (otaa(), abp()))))
    try:
        yield running
    finally:
        running.stop()


@contextmanager
def spooled(folder: Path) -> Iterator[Spool]:
    """The spool that the next gateway starts with."""
    database = Database(folder / "spool")
    yield Spool(database)
    database.close()


def join(forwarder: Forwarder, device: LoRaWANDevice) -> None:
    forwarder.pull()
    forwarder.push_and_wait(rxpk(device.join_request()))
    tx = forwarder.downlink()
    assert (tx.tmst, tx.freq_hz, tx.sf) == (708016819 + 5_000_000, 868100000, 9)
    assert isinstance(device.on_join_accept(tx.phy), Joined)


def identities(readings: list[dict[str, Any]]) -> list[Identity]:
    return [(r["device"], r.get("generation"), r.get("seq")) for r in readings]


def test_join_readings_acknowledgement(broker: Broker, listener: Listener, tmp_path: Path) -> None:
    device = on_air()
    with gateway(broker.port, tmp_path) as running:
        near, far = Forwarder(running.address), Forwarder(running.address, OTHER_EUI)
        join(near, device)
        for seq in (1, 2):
            phy = device.uplink(payload(seq), 1)
            far.push(rxpk(phy, lsnr=-9))
            near.push_and_wait(rxpk(phy))
        readings = listener.readings(2)
        assert identities(readings) == [("kn-0001", 1, 1), ("kn-0001", 1, 2)]
        assert readings[0]["link"]["gateway"] == EUI
        assert readings[0]["link"]["gateways"] == [EUI, OTHER_EUI]
        assert listener.messages.empty()
        listener.publish("klimanetz/v1/ack/kn-0001", {"stored": [[1, 1, 2]]})
        running.until(lambda c: c.acknowledged == c.published == 2)
        assert (running.counters.readings, running.counters.published, running.counters.frames) == (2, 2, 3)
        assert running.counters.outcomes == {"join": 1, "readings": 2}
    with gateway(broker.port, tmp_path):  # nothing is left to be said again
        listener.status(online=True)
    listener.status(online=False)
    assert [topic for topic, _ in listener.messages.queue if "/up/" in topic] == []


def test_the_broker_is_away(broker: Broker, listener: Listener, tmp_path: Path) -> None:
    device = abp_on_air()
    with gateway(broker.port, tmp_path) as running:
        forwarder = Forwarder(running.address)
        forwarder.push_and_wait(rxpk(device.uplink(payload(1), 1)))
        assert identities(listener.readings(1)) == [("kn-0002", 1, 1)]
        broker.stop()
        for seq in (2, 3):  # captured and acknowledged all the same
            forwarder.push_and_wait(rxpk(device.uplink(payload(seq), 1)))
        broker.start()
        seen = set(identities(listener.readings(3)))  # 1 again: nobody has stored it
        assert seen == {("kn-0002", 1, n) for n in (1, 2, 3)}
        assert running.counters.connections == 2


def test_a_gateway_that_starts_without_a_broker(broker: Broker, tmp_path: Path) -> None:
    broker.stop()
    with gateway(broker.port, tmp_path) as running:
        Forwarder(running.address).push_and_wait(rxpk(abp_on_air().uplink(payload(1), 1)))
        running.until(lambda c: c.readings == 1)
        broker.start()
        listener = Listener(broker)
        assert identities(listener.readings(1)) == [("kn-0002", 1, 1)]
        listener.close()


def test_killed_after_the_acknowledgement(
    start_process: Callable[[], subprocess.Popen[str]], listener: Listener
) -> None:
    device = abp_on_air()
    seen: list[Identity] = []
    for seq in range(1, 4):
        process = start_process()
        assert process.stdout is not None
        forwarder = Forwarder(("127.0.0.1", int(process.stdout.readline())))
        forwarder.push_and_wait(rxpk(device.uplink(payload(seq), 1)))
        process.kill()  # within the 200 ms in which other gateways may still hear the frame
        process.wait()
    start_process()
    while len(set(seen)) < 3:
        seen += identities(listener.readings(1))
    assert set(seen) == {("kn-0002", 1, n) for n in (1, 2, 3)}


def chirpstack(**more: Any) -> dict[str, Any]:
    return {
        "time": "2026-11-22T10:15:00Z",
        "deviceInfo": {"devEui": "a8404187d187106e"},
        "object": {"BatV": 3.3},
    } | more


def test_a_chirpstack_event_becomes_a_reading(broker: Broker, listener: Listener, tmp_path: Path) -> None:
    topic = "application/app/device/a8404187d187106e/event/"
    with gateway(broker.port, tmp_path) as running:
        running.until(lambda c: c.connections == 1)
        listener.publish(topic + "up", chirpstack())
        listener.publish(topic + "join", {})
        listener.publish(topic + "up", chirpstack(devAddr="00d19684", fCnt=7))
        first, second = listener.readings(2)
        assert identities([first, second]) == [
            ("eui-a8404187d187106e", None, None),
            ("eui-a8404187d187106e", 0xD19684, 7),
        ]
        assert (first["values"], first["time"], first["time_source"]) == (
            {"battery": 3.3},
            "2026-11-22T10:15:00Z",
            "network",
        )
        running.until(lambda c: c.events == {"up": 2, "join": 1} and c.published == 2)
    # what no acknowledgement can name was forgotten when the broker had it; the other one waits
    with gateway(broker.port, tmp_path):
        assert identities(listener.readings(1)) == [("eui-a8404187d187106e", 0xD19684, 7)]
    listener.status(online=False)
    assert not [topic for topic, _ in listener.messages.queue if "/up/" in topic]


def test_events_wait_at_the_broker_while_the_gateway_is_away(
    broker: Broker, listener: Listener, tmp_path: Path
) -> None:
    with gateway(broker.port, tmp_path):
        listener.status(online=True)
    for n in range(3):
        event = chirpstack(devAddr="00d19684", fCnt=n)
        listener.publish("application/app/device/a8404187d187106e/event/up", event)
    with gateway(broker.port, tmp_path):
        assert sorted(r["seq"] for r in listener.readings(3)) == [0, 1, 2]


def test_events_that_cannot_be_captured_stay_at_the_broker(broker: Broker, listener: Listener, tmp_path: Path) -> None:
    with gateway(broker.port, tmp_path) as running:
        listener.status(online=True)
        with full_disk(running):
            listener.publish(
                "application/a/device/a8404187d187106e/event/up", chirpstack(object={"BatV": 3.1, "x": "y" * 9000})
            )
            running.until(lambda c: c.not_captured > 0)
            running.stop()
    with gateway(broker.port, tmp_path):
        (reading,) = listener.readings(1)
        assert reading["values"] == {"battery": 3.1}


def test_what_the_cloud_left_out_is_published_again(broker: Broker, listener: Listener, tmp_path: Path) -> None:
    device = abp_on_air()
    with gateway(broker.port, tmp_path, republish_after_s=0.3) as running:
        forwarder = Forwarder(running.address)
        forwarder.push_and_wait(rxpk(device.uplink(payload(1), 1)), rxpk(device.uplink(payload(2), 1)))
        assert len(listener.readings(2)) == 2
        listener.publish("klimanetz/v1/ack/kn-0002", {"stored": [[1, 1, 1]]})
        assert identities(listener.readings(1)) == [("kn-0002", 1, 2)]
        assert running.counters.acknowledged == 1


def test_a_backlog_of_large_readings_passes_a_broker_that_refuses_large_messages(
    brokers: Callable[[str], Broker], tmp_path: Path
) -> None:
    broker = brokers("max_packet_size 300000")
    values = {f"soil_moisture@place-{n}": 20.25 for n in range(64)}
    first = Reading(device="kn-1", generation=1, seq=0, time=datetime(2026, 11, 22, tzinfo=UTC), values=values)
    with spooled(tmp_path) as spool:
        spool.add(first.model_copy(update={"seq": n}) for n in range(300))
    listener = Listener(broker)
    with gateway(broker.port, tmp_path) as running:
        assert {r["seq"] for r in listener.readings(300)} == set(range(300))
        assert running.counters.connections == 1
    listener.close()


def test_an_acknowledgement_that_is_none(broker: Broker, listener: Listener, tmp_path: Path) -> None:
    with gateway(broker.port, tmp_path) as running:
        running.until(lambda c: c.connections == 1)
        for body in ({"stored": [[1, 2]]}, [], {"stored": [["a", 1, 2]]}, {"stored": [[-1, 1, 2]]}):
            listener.publish("klimanetz/v1/ack/kn-0002", body)
        running.until(lambda c: c.bad_acknowledgements == 4)
        assert running.counters.connections == 1


def test_the_downlink_takes_the_way_of_the_pull(broker: Broker, tmp_path: Path) -> None:
    device = on_air()
    with gateway(broker.port, tmp_path) as running:
        up, down = Forwarder(running.address), Forwarder(running.address)  # forwarders have a socket for each
        up.push_and_wait(rxpk(device.join_request()))
        running.until(lambda c: c.downlinks_failed["NO_PULL_DATA"] == 1)
        down.pull()
        up.push_and_wait(rxpk(device.join_request()))
        rx1 = down.downlink(error="TOO_LATE")
        rx2 = down.downlink()
        assert (rx1.tmst, rx1.freq_hz, rx1.sf) == (708016819 + 5_000_000, 868_100_000, 9)
        assert (rx2.tmst, rx2.freq_hz, rx2.sf) == (708016819 + 6_000_000, 869_525_000, 12)
        assert isinstance(device.on_join_accept(rx2.phy), Joined)
        running.until(lambda c: c.downlinks_refused["TOO_LATE"] == 1)
        assert running.counters.downlinks_failed["TOO_LATE"] == 0


def test_over_tls(brokers: Callable[[str], Broker], tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    ca = certificates(tmp_path)
    tls = f"listener {(port := free_port())} 127.0.0.1\ncertfile {tmp_path}/cert.pem\nkeyfile {tmp_path}/key.pem"
    listener = Listener(brokers(tls))
    secure = MqttUrl("localhost", port, tls=True, ca_file=str(ca))
    with gateway(port, tmp_path, mqtt=secure):
        listener.status(online=True)
    with gateway(port, tmp_path, mqtt=MqttUrl("localhost", port, tls=True)) as running:
        running.until(lambda _: "certificate verify failed" in caplog.text)
        assert running.counters.connections == 0
    listener.close()


def test_status_and_last_will(
    broker: Broker, listener: Listener, start_process: Callable[[], subprocess.Popen[str]], tmp_path: Path
) -> None:
    with gateway(broker.port, tmp_path):
        status = listener.status(online=True)
        assert (status["role"], status["dropped"]) == ("gateway", {})
        assert status["spool"] == {"captured": 0, "reading": 0, "undecoded": 0}
    assert listener.status(online=False) == {"online": False}
    process = start_process()
    listener.status(online=True)
    process.kill()
    process.wait()
    assert listener.status(online=False) == {"online": False}


def test_nonsense_does_not_stop_it(broker: Broker, listener: Listener, tmp_path: Path) -> None:
    chance = random.Random(7)
    with gateway(broker.port, tmp_path) as running:
        forwarder = Forwarder(running.address)
        header = b"\x02ab\x00" + bytes.fromhex(EUI)
        for n in range(4000):
            body = chance.randbytes(chance.randrange(60))
            forwarder.raw(body if n % 2 else header + b'{"rxpk":[{"data":"' + body.hex().encode() + b'"}]}')
            if n % 50 == 49:
                forwarder.pull()  # so that no datagram is lost in between
        forwarder.push_and_wait(rxpk(abp_on_air().uplink(payload(1), 1)))
        assert identities(listener.readings(1)) == [("kn-0002", 1, 1)]
        assert running.counters.bad_datagrams > 1900
        assert running.counters.frames > 1000
        assert running.counters.faults == 0


def test_only_listed_gateways_are_heard(broker: Broker, tmp_path: Path) -> None:
    listed = {EUI: "127.0.0.1", OTHER_EUI: "192.0.2.7", "00" * 8: None}
    with gateway(broker.port, tmp_path, gateways=listed) as running:
        Forwarder(running.address).push_and_wait(rxpk(abp_on_air().uplink(payload(1), 1)))
        Forwarder(running.address, "00" * 8).pull()
        Forwarder(running.address, OTHER_EUI).push(rxpk(b"x" * 20))
        Forwarder(running.address, "ff" * 8).push(rxpk(b"y" * 20))
        running.until(lambda c: c.refused_datagrams == 2)
        assert running.counters.frames == 1


def test_a_full_disk_stops_acknowledging(broker: Broker, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    device = abp_on_air()
    with gateway(broker.port, tmp_path) as running:
        forwarder = Forwarder(running.address)
        forwarder.push_and_wait(rxpk(device.uplink(payload(1), 1)))
        running.until(lambda c: c.published == 1)
        big = [rxpk(bytes(200)) for _ in range(100)]
        with full_disk(running):
            forwarder.push(*big)
            running.until(lambda c: c.not_captured > 0)
            assert "full; free some space, what it holds stays; frames are not acknowledged until then" in caplog.text
        forwarder.push_and_wait(*big)


def test_what_a_full_disk_held_up_at_the_start_comes_later(
    broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.radio.RETRY_MS", 200)
    datagram = datagrams.push_data(b"ab", EUI, {"rxpk": [rxpk(abp_on_air().uplink(payload(1), 1))]})
    with spooled(tmp_path) as spool:
        spool.capture([Input(GWMP, "192.0.2.7", 1, datagram)])
        spool._db.execute("CREATE TRIGGER full BEFORE INSERT ON reading BEGIN SELECT RAISE(ABORT, 'no'); END")
    del spool
    with gateway(broker.port, tmp_path) as running:
        assert running.counters.readings == 0
        running.database().execute("DROP TRIGGER full")
        running.until(lambda c: c.readings == 1)


@contextmanager
def full_disk(running: Running) -> Iterator[None]:
    """The spool's database may not grow by a page: SQLite says then what it says on a full disk."""
    database = running.database()
    (pages,) = database.execute("PRAGMA page_count").fetchone()
    database.execute("PRAGMA max_page_count=%d" % pages)
    yield
    with suppress(StorageError):  # the gateway may have been stopped
        database.execute("PRAGMA max_page_count=1000000")


def certificates(folder: Path) -> Path:
    """A certificate of its own for localhost: cert.pem and key.pem."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + timedelta(days=1))
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    path = folder / "cert.pem"
    path.write_bytes(builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    pem = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "key.pem").write_bytes(key.private_bytes(*pem))
    return path


def test_a_port_in_use_is_said_in_one_sentence(broker: Broker, tmp_path: Path) -> None:
    with gateway(broker.port, tmp_path) as running:
        url, port = MqttUrl("127.0.0.1", broker.port), running.address[1]
        config = GatewayConfig(url, tmp_path / "other", udp_host="127.0.0.1", udp_port=port)
        with pytest.raises(PortError, match=r"Address already in use.*set KLIMANETZ_UDP_LISTEN"):
            asyncio.run(run(config, Directory(), PlainSeal(), print, asyncio.Event()))


# --- what cannot be read, and the way back


def heard_elsewhere(n: int, data: str = "0167002a", dev_eui: str = "70b3d57ed0000abc") -> tuple[str, dict[str, Any]]:
    """(topic, body) of an uplink that ChirpStack has heard."""
    body = {
        "time": "2026-11-22T10:15:00Z", "deviceInfo": {"devEui": dev_eui}, "devAddr": "01a2b3c4",
        "fCnt": n, "fPort": 1, "data": base64.b64encode(bytes.fromhex(data)).decode(),
        "rxInfo": [{"gatewayId": EUI, "rssi": -101, "snr": 4.5}],
    }  # fmt: skip
    return f"application/app/device/{dev_eui}/event/up", body


def test_what_nobody_could_read_is_a_reading_once_the_device_is_registered(
    broker: Broker, listener: Listener, tmp_path: Path
) -> None:
    directory = [otaa()]
    with gateway(broker.port, tmp_path, *directory, read_again_s=0.1) as running:
        running.until(lambda c: c.connections == 1)
        listener.publish(*heard_elsewhere(7))
        told = listener.on("klimanetz/v1/unread/eui-70b3d57ed0000abc")
        assert (told["registered"], told["payload_hex"], told["fport"]) == (False, "0167002a", 1)
        assert told["time"] == "2026-11-22T10:15:00Z"
        assert "not registered" in told["reason"]
        running.register(otaa("lpp-1", dev_eui="70b3d57ed0000abc", codec="cayenne-lpp"))
        (reading,) = listener.readings(1)
        assert (reading["device"], reading["generation"], reading["seq"]) == ("lpp-1", 0x01A2B3C4, 7)
        assert (reading["time"], reading["time_source"]) == ("2026-11-22T10:15:00Z", "network")
        assert reading["values"] == {"air_temperature": 4.2}
        assert reading["link"]["rssi_dbm"] == -101
    with spooled(tmp_path) as spool:
        assert spool.rows["undecoded"] == 0


def test_a_device_that_wants_to_join_and_is_not_registered_is_told_of_once(
    broker: Broker, listener: Listener, tmp_path: Path
) -> None:
    stranger, nobody = on_air(), abp()
    with gateway(broker.port, tmp_path, nobody) as running:
        forwarder = Forwarder(running.address)
        for _ in range(3):
            forwarder.push_and_wait(rxpk(stranger.join_request()))
        told = listener.on(f"klimanetz/v1/unread/eui-{DEV_EUI}")
        assert told["registered"] is False
        assert "AppKey" in told["reason"]
        running.until(lambda c: c.outcomes["unknown_device"] == 3)
    assert not [t for t, _ in listener.messages.queue if "/unread/" in t]


def test_devices_of_other_networks_are_told_through_them(broker: Broker, listener: Listener, tmp_path: Path) -> None:
    ours = otaa("kn-9", dev_eui="70b3d57ed0000abc")
    down = Listener(broker, "application/+/device/+/command/down")
    with gateway(broker.port, tmp_path, ours) as running:
        running.until(lambda c: c.connections == 1)
        listener.publish(*heard_elsewhere(1, payload(1).hex()))
        listener.readings(1)
        listener.publish("klimanetz/v1/down/kn-9", {"id": "c-1", "command": "status"})
        topic, command = down.messages.get(timeout=WAIT_S)
        assert topic == "application/app/device/70b3d57ed0000abc/command/down"
        assert (command["devEui"], command["fPort"], command["confirmed"]) == ("70b3d57ed0000abc", 11, True)
        assert decode_command(base64.b64decode(command["data"])).command == "status"
        listener.publish("klimanetz/v1/ack/kn-9", {"stored": [[1, 1, 40]]})
        running.until(lambda c: c.acknowledged == 1)
        listener.publish(*heard_elsewhere(2, payload(41).hex()))
        _, ack = down.messages.get(timeout=WAIT_S)
        assert (ack["fPort"], decode_ack(base64.b64decode(ack["data"]))) == (10, [(1, 1, 40)])
    down.close()


def test_the_health_of_devices_and_gateways_is_published(
    broker: Broker, listener: Listener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notices, "GATEWAYS_S", 0.05)
    device = on_air()
    with gateway(broker.port, tmp_path) as running:
        forwarder = Forwarder(running.address)
        forwarder.raw(datagrams.push_data(b"st", EUI, {"stat": {"rxnb": 5, "rxok": 4, "ackr": 99.5, "lati": 51.48}}))
        said = listener.on(f"klimanetz/v1/status/{EUI}")
        assert said == {
            "online": True, "role": "lora-gateway", "address": "127.0.0.1", "received": 5, "received_ok": 4,
            "acknowledged_percent": 99.5, "latitude": 51.48,
        }  # fmt: skip
        join(forwarder, device)
        joined = listener.on("klimanetz/v1/status/kn-0001")
        assert joined["via"] == "lorawan"
        assert joined["dev_addr"] == frames.addr_text(device.session.dev_addr)  # type: ignore[union-attr]
        forwarder.push_and_wait(rxpk(device.uplink(payload(1), 1)))
        asked = device.on_downlink(forwarder.downlink().phy, battery=128, margin_db=7)
        assert [c.name for c in asked.mac] == ["DevStatusReq"]  # type: ignore[union-attr]
        forwarder.push_and_wait(rxpk(device.uplink(payload(2), 1)))
        running.until(lambda c: c.readings == 2)
    with spooled(tmp_path) as spool:
        state = HealthStore(spool._db).state("kn-0001")
    assert (state["battery_percent"], state["margin_db"]) == (50.2, 7.0)
