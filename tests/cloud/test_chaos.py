"""Two replicas while everything dies at random: replicas and database by kill -9, the broker by restarts.

Whatever falls when, each reading is stored exactly once. The seed is printed, so that a failure can be repeated; how
long it goes on is a matter of $KLIMANETZ_CHAOS_S (seconds, 25 unless told).
"""

import os
import random
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloud.store.model import StoreUnavailable
from tests.brokers import Broker, start_mosquitto
from tests.cloud.ingest_process import DEVICES, Sender, Service, until
from tests.servers import InfluxServer, start_influxd

pytestmark = [pytest.mark.mosquitto, pytest.mark.timeout(600)]
RATE, CHAOS_S = 500, float(os.environ.get("KLIMANETZ_CHAOS_S", "25"))
REPLICAS = ("ingest-1", "ingest-2")


class Database:
    """An InfluxDB that can be killed and comes back on its port."""

    def __init__(self, binary: str, folder: Path) -> None:
        self.binary, self.folder = binary, folder
        folder.mkdir()
        self.server: InfluxServer = start_influxd(binary, folder)
        self.port = int(self.server.url.rsplit(":", 1)[1])

    def strike(self) -> None:
        self.server.process.kill()
        self.server.process.wait()
        self.server = start_influxd(self.binary, self.folder, self.port)


@pytest.fixture
def broker(mosquitto: str, tmp_path: Path) -> Iterator[Broker]:
    broker = start_mosquitto(mosquitto, tmp_path / "broker", "max_inflight_messages 1000\nmax_queued_messages 1000000")
    yield broker
    broker.stop()


def storm(broker: Broker, service: Service, database: Database | None) -> int:
    """Send while things die; how many readings of each device were sent."""
    seed = int(os.environ.get("KLIMANETZ_CHAOS_SEED", random.randrange(10**6)))
    print(f"KLIMANETZ_CHAOS_SEED={seed}")
    chance, over, seq = random.Random(seed), threading.Event(), 0
    sender = Sender(broker)

    def send() -> None:
        nonlocal seq
        began = time.monotonic()
        while not over.is_set():
            seq += 1
            sender.send(seq, seq)
            over.wait(max(0.0, began + seq * DEVICES / RATE - time.monotonic()))

    sending = threading.Thread(target=send)
    sending.start()
    ends = time.monotonic() + CHAOS_S
    strikes = [*REPLICAS, "broker", *(["database"] if database else [])]
    while time.monotonic() < ends:
        time.sleep(chance.uniform(0.2, 2.0))  # a random moment is what this is about
        what = chance.choice(strikes)
        if what == "broker":
            broker.restart()
        elif what == "database" and database is not None:
            database.strike()
        else:
            service.kill(what)
            service.start(instance=what)
    over.set()
    sending.join()
    sender.finish()
    sender.close()
    return seq


def check(service: Service, sent: int) -> None:
    def stored() -> int:
        try:
            return service.store.count()
        except StoreUnavailable:
            return 0

    until(lambda: stored() >= sent * DEVICES, 120)
    for n in range(DEVICES):
        assert service.seqs(f"kn-{n}") == list(range(1, sent + 1)), f"kn-{n}: each exactly once"

    def told() -> bool:
        rows = [service.ledger.delivery(f"kn-{n}") for n in range(DEVICES)]
        return all(row is not None and (row["received"], row["missing"]) == (sent, 0) for row in rows)

    until(told, 60)
    assert service.store.count() == sent * DEVICES


def test_with_sqlite(broker: Broker, tmp_path: Path) -> None:
    service = Service(broker, tmp_path)
    try:
        for one in REPLICAS:
            service.start(instance=one)
        check(service, storm(broker, service, None))
    finally:
        service.close()
        shutil.rmtree(tmp_path / "spool", ignore_errors=True)


@pytest.mark.influxdb
def test_with_influxdb(broker: Broker, influxd: str, tmp_path: Path) -> None:
    database = Database(influxd, tmp_path / "influxd")
    service = Service(broker, tmp_path, database.server.store_url(), database.server.token)
    try:
        for one in REPLICAS:
            service.start(instance=one)
        check(service, storm(broker, service, database))
    finally:
        service.close()
        database.server.stop()
