"""`klimanetz ingest --workers N` as people run it: killed in parts and whole, divided anew, it stores all once."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.brokers import Broker, start_mosquitto
from tests.cloud.ingest_process import DEVICES, Sender, Service, until

pytestmark = pytest.mark.mosquitto


@pytest.fixture
def broker(mosquitto: str, tmp_path: Path) -> Iterator[Broker]:
    broker = start_mosquitto(mosquitto, tmp_path / "broker", "max_inflight_messages 500\nmax_queued_messages 100000")
    yield broker
    broker.stop()


@pytest.fixture
def service(broker: Broker, tmp_path: Path) -> Iterator[Service]:
    service = Service(broker, tmp_path)
    yield service
    service.close()


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return "\nState:\tZ" in Path(f"/proc/{pid}/status").read_text()


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="finds the workers in /proc")
def test_killed_in_parts_and_whole_it_stores_all_once(service: Service, broker: Broker) -> None:
    service.start(2)
    workers = service.children()
    assert len(workers) == 2
    sender = Sender(broker)
    sender.send(1, 40)
    until(lambda: service.store.count() > 0)
    os.kill(workers[0], signal.SIGKILL)
    until(lambda: len(service.children()) == 2 and workers[0] not in service.children())
    sender.send(41, 80)
    workers = service.children()
    service.kill("ingest-1")
    until(lambda: all(map(gone, workers)), 20)
    sender.send(81, 100)
    process = service.start(3)
    sender.send(101, 120)
    sender.finish()
    sender.close()
    until(lambda: service.store.count() >= 120 * DEVICES)
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0
    for n in range(DEVICES):
        assert service.seqs(f"kn-{n}") == list(range(1, 121))
        delivery = service.ledger.delivery(f"kn-{n}")
        assert delivery is not None
        assert (delivery["received"], delivery["missing"]) == (120, 0)
