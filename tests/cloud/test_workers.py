"""`klimanetz ingest --workers N` as people run it: killed in parts and whole, divided anew, it stores all once."""

import asyncio
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloud.ingest import workers as working
from cloud.ingest.service import now_ms
from cloud.ingest.workers import Workers
from cloud.ledger.heartbeats import Heartbeats
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
    until(lambda: [one.troubles for one in Heartbeats(service.ledger.engine).all(now_ms())] == [("store",)])
    until(lambda: len(service.children()) == 2 and workers[0] not in service.children())
    sender.send(41, 80)
    beats = Heartbeats(service.ledger.engine)
    until(lambda: [one.troubles for one in beats.all(now_ms())] == [()])  # who died and was started again is forgiven
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


def test_one_that_hangs_is_killed_and_started_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(working, "HUNG_S", 0.3)
    monkeypatch.setattr(working, "AGAIN_S", 0.0)
    script = "print('{}', flush=True); import time; time.sleep(100)"
    said: list[str | None] = []
    started: list[int] = []

    def command(worker: int, workers: int) -> list[str]:
        started.append(worker)
        return [sys.executable, "-c", script]

    async def reported(_: object) -> None: ...

    async def scenario() -> None:
        some = Workers(1, command, reported, said.append)
        await some.start()
        some.wake()
        some.wake()
        hearing = asyncio.create_task(some.run())
        async with asyncio.timeout(20):
            while len(started) < 3 or said[-1] is not None:
                await asyncio.sleep(0.01)
        hearing.cancel()
        await asyncio.gather(hearing, return_exceptions=True)
        for process in some._processes.values():
            process.kill()
        await some.stop()

    asyncio.run(scenario())
    assert "worker 0 ended with -9; it is started again" in said
