"""kill -9 of the gateway at random moments under load, with the real ingest behind a real broker.

The promise: what was answered with PUSH_ACK is in the store once, and no counter ever goes back: no DevNonce, no
JoinNonce and no downlink counter is used twice.
"""

import os
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from random import Random
from time import monotonic, sleep

import pytest

from cloud.registry import imports
from cloud.registry.registry import open_registry
from cloud.store import open_store
from edge.lorawan import frames
from edge.lorawan.device import Device, Joined
from gateway.lorawan.aes import aes
from gateway.semtech import datagrams
from tests.brokers import Broker
from tests.gateway.helpers import Forwarder, payload, rxpk
from tests.gateway.test_service import broker, brokers

__all__ = ["broker", "brokers"]  # fixtures
KILLS = 100
DEVICES = 12
PACE_S = 0.01  # a hundred datagrams a second
START_S, APPLIED_S = 20, 60


def key(n: int) -> bytes:
    return bytes([n]) * 16


class Field:
    """Devices that join and send, one forwarder, and what was answered."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.devices = [Device(aes, 1, 0x70B3D57ED0001000 + n, key(n)) for n in range(DEVICES)]
        self.joining: set[int] = set()  # asked this run of the gateway, and not answered
        self.seqs = [0] * DEVICES
        self.owed: dict[bytes, list[tuple[str, int]]] = {}  # token of a datagram -> readings in it
        self.acknowledged: set[tuple[str, int]] = set()
        self.join_nonces: dict[int, list[int]] = defaultdict(list)
        self.downs: dict[int, dict[int, set[bytes]]] = defaultdict(lambda: defaultdict(set))

    def load(self, forwarder: Forwarder, for_s: float) -> None:
        """Datagrams without a pause, whatever was answered: four frames each, sometimes a join."""
        end = monotonic() + for_s
        while monotonic() < end:
            objects, readings = [], []
            for n in self.random.sample(range(DEVICES), 4):
                device = self.devices[n]
                if n in self.joining:
                    continue  # a device waits for its answer; who asks twice cannot tell whose answer comes
                if device.session is None or self.random.random() < 0.02:
                    self.joining.add(n)
                    objects.append(rxpk(device.join_request(), tmst=self.random.randrange(2**32)))
                    continue
                self.seqs[n] += 1
                readings.append((f"kn-{n}", self.seqs[n]))
                phy = device.uplink(payload(self.seqs[n], generation=1), 1, confirmed=self.random.random() < 0.3)
                objects.append(rxpk(phy, tmst=self.random.randrange(2**32)))
            self.owed[forwarder.push(*objects)] = readings
            self.take(forwarder)
            sleep(PACE_S)

    def take(self, forwarder: Forwarder) -> None:
        """What the gateway has said by now."""
        for said in forwarder.heard():
            if isinstance(said, datagrams.PushAck):
                self.acknowledged.update(self.owed.pop(said.token, ()))
            elif isinstance(said, datagrams.PullResp):
                self._down(said.tx.phy)

    def _down(self, phy: bytes) -> None:
        for n, device in enumerate(self.devices):
            if phy[0] >> 5 == 1 and isinstance(device.on_join_accept(phy), Joined):
                assert device.session is not None
                self.join_nonces[n].append(device.session.join_nonce)
                self.joining.discard(n)
                return
            if device.session is not None and phy[0] >> 5 in (3, 5):
                frame = frames.parse(phy)
                if frame.dev_addr == device.session.dev_addr:
                    self.downs[frame.dev_addr][frame.fcnt16].add(phy)
                    device.on_downlink(phy)
                    return


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    registry = open_registry(f"sqlite:///{tmp_path / 'registry.db'}", lambda: 0)
    imports.import_stations(registry, b"station,name,latitude,longitude\nhalle,Halle,51.48,11.97\n")
    rows = [f"kn-{n},halle,otaa,70b3d57ed000{0x1000 + n:04x},{1:016x},{key(n).hex()}" for n in range(DEVICES)]
    imports.import_devices(registry, "\n".join(["device,station,activation,dev_eui,join_eui,app_key", *rows]).encode())
    registry.engine.dispose()
    return tmp_path


class Service:
    """`klimanetz gateway` or `ingest`, to be killed."""

    def __init__(self, name: str, folder: Path, broker: Broker, ready: str, **settings: str) -> None:
        environment = {key: value for key, value in os.environ.items() if not key.startswith("KLIMANETZ_")} | {
            "KLIMANETZ_MQTT_URL": f"mqtt://127.0.0.1:{broker.port}",
            "KLIMANETZ_REGISTRY": f"sqlite:///{folder / 'registry.db'}",
            "KLIMANETZ_STORE": f"sqlite:///{folder / 'series.db'}",
            "KLIMANETZ_SPOOL": str(folder / f"spool-{name}"),
            "KLIMANETZ_UDP_LISTEN": "127.0.0.1:0",
            **settings,
        }
        program = str(Path(sys.executable).with_name("klimanetz"))
        self.process = subprocess.Popen([program, name], stderr=subprocess.PIPE, text=True, env=environment, cwd=folder)
        assert self.process.stderr is not None
        for line in self.process.stderr:
            if ready in line:
                self.line = line
                return
        pytest.fail(f"{name} did not start")

    def end(self, kill: bool = False) -> None:
        (self.process.kill if kill else self.process.terminate)()
        self.process.wait(START_S)
        assert self.process.stderr is not None
        self.process.stderr.close()


@pytest.fixture
def ingest(folder: Path, broker: Broker) -> Iterator[Service]:
    service = Service("ingest", folder, broker, "listens", KLIMANETZ_LOG="error")
    yield service
    service.end()


@pytest.mark.timeout(400)
def test_a_hundred_kills_lose_nothing_and_repeat_nothing(folder: Path, broker: Broker, ingest: Service) -> None:
    field = Field(Random(20261125))
    for _ in range(KILLS):
        service = Service("gateway", folder, broker, "hears Semtech UDP", KLIMANETZ_LOG="error")
        forwarder = Forwarder(("127.0.0.1", int(service.line.rsplit(":", 1)[1])))
        forwarder.pull()
        field.load(forwarder, field.random.uniform(0.01, 0.8))
        service.end(kill=True)
        field.take(forwarder)
        forwarder.close()
        field.joining.clear()
        field.owed.clear()  # what was not answered may be lost, or not
    assert len(field.acknowledged) > 20 * KILLS
    service = Service("gateway", folder, broker, "hears Semtech UDP", KLIMANETZ_LOG="error")
    store = open_store(f"sqlite:///{folder / 'series.db'}")
    stored: Counter[tuple[str, int]] = Counter()
    wait_for = set(field.acknowledged)
    for _ in _patiently():
        stored = Counter((f"kn-{n}", seq) for n in range(DEVICES) for _, seq in store.identities(f"kn-{n}"))
        if wait_for <= set(stored):
            break
    service.end()
    store.close()
    assert not wait_for - set(stored), "acknowledged and not stored"
    assert set(stored.values()) == {1}, "stored once"
    for nonces in field.join_nonces.values():
        assert nonces == sorted(set(nonces)), "JoinNonces only rise"
    assert sum(map(len, field.join_nonces.values())) > DEVICES
    for downs in field.downs.values():
        assert all(len(phys) == 1 for phys in downs.values()), "no downlink counter twice with other bytes"
    assert sum(map(len, field.downs.values())) > KILLS


def _patiently() -> Iterator[int]:
    """Tries, a tenth of a second apart."""
    end, n = monotonic() + APPLIED_S, 0
    while monotonic() < end:
        yield n
        n += 1
        sleep(0.1)
