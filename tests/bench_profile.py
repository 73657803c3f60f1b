"""`make bench ARGS=profile`: where each microsecond of a reading goes on its way through one worker of ingest.

The steps of `Pipeline.settle` one after the other in one thread, each with its clock, over the messages of the
backlog in units as the follower takes them, into a real InfluxDB. What waits is InfluxDB's work or the disk's.
"""

import asyncio
import gc
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cloud.inbox import Inbox
from cloud.ingest.counting import count
from cloud.ingest.follow import UNIT_MESSAGES
from cloud.ingest.pipeline import Pipeline
from cloud.ingest.rawlog import RawLog, add
from cloud.ingest.settling import settle
from cloud.ledger.ledger import Ledger
from cloud.mqtt import MqttUrl, client
from cloud.registry.registry import open_registry
from cloud.store import open_store
from tests.bench_backlog import DEVICES, MESSAGES, STEP_S, message, register
from tests.servers import influx_for

CHUNK = 1000  # messages that come in one read of the socket


class Clocks:
    """Wall and CPU time by name."""

    def __init__(self) -> None:
        self.wall: dict[str, float] = defaultdict(float)
        self.cpu: dict[str, float] = defaultdict(float)

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        wall, cpu = time.perf_counter(), time.process_time()
        yield
        self.wall[name] += time.perf_counter() - wall
        self.cpu[name] += time.process_time() - cpu

    def tell(self, count: int) -> None:
        print(f"{'where a reading spends its time, one worker':52} {'CPU µs':>8} {'waits µs':>9}")
        for name, wall in self.wall.items():
            cpu = self.cpu[name]
            print(f"      {name:46} {1e6 * cpu / count:8.2f} {1e6 * max(0.0, wall - cpu) / count:9.2f}")
        total = sum(self.cpu.values())
        print(f"      {'all':46} {1e6 * total / count:8.2f} {1e6 * (sum(self.wall.values()) - total) / count:9.2f}")


def _packets(messages: list[tuple[str, bytes]]) -> list[bytes]:
    """PUBLISH packets of QoS 1 as the socket gives them, some at a time."""
    chunks = []
    for start in range(0, len(messages), CHUNK):
        parts = []
        for n, (topic, payload) in enumerate(messages[start : start + CHUNK]):
            body = len(topic).to_bytes(2, "big") + topic.encode() + (n + 1).to_bytes(2, "big") + payload
            parts.append(b"\x32" + bytes([len(body) & 0x7F | 0x80, len(body) >> 7]) + body)
        chunks.append(b"".join(parts))
    return chunks


async def _capture(clock: Clocks, raw: RawLog, messages: list[tuple[str, bytes]], now_ms: int) -> None:
    inbox = Inbox(client(MqttUrl("127.0.0.1", 1), "profile"))
    for chunk in _packets(messages):
        with clock("MQTT: bytes of the socket to messages"):
            inbox._cut(chunk)
            deliveries, inbox._waiting = inbox._waiting, []
        with clock("raw log: frame, zstd, SQLite, fsync"):
            parts: list[bytes] = []
            for topic, payload, retained, _ in deliveries:
                add(parts, topic, payload, now_ms, retained)
            raw.append_packed({0: (b"".join(parts), len(deliveries))}, now_ms)


def _apply(clock: Clocks, raw: RawLog, pipeline: Pipeline) -> None:
    """As Pipeline.settle does."""
    batch_id = 0
    while True:
        with clock("raw log: read, unpack"):
            batch = raw.after(batch_id, UNIT_MESSAGES)
        if batch is None:
            return
        batch_id = batch.id
        with clock("JSON, checks, range, station: runs"):
            work = pipeline.read(batch)
        with pipeline.ledger.turn(work.devices()):
            with clock("ledger: what is known"):
                known = pipeline._ask(work)
            with clock("sort, places, rate of change"):
                pipeline._take_runs(work, known)
                places = pipeline._sort(work, known)
                settle(work, places)
                points = pipeline._judge(work, known)
            with clock("line protocol, arrivals, HTTP"):
                pipeline._write(work, places, points)
            with clock("ledger: intervals, counts, arrivals, commit"):
                count(work, divided=False, alone=True)
                pipeline.ledger.apply(work.outcome)


def profile(row: object) -> None:
    """Prints a table of its own."""
    with influx_for("profile") as influx, tempfile.TemporaryDirectory() as name:
        if influx is None:
            return
        folder, now_s = Path(name), int(time.time())
        registry = open_registry(f"sqlite:///{folder}/registry.db", lambda: 0)
        register(registry)
        store = open_store(influx.store_url(), influx.token)
        raw = RawLog(folder / "spool")
        pipeline = Pipeline(store, Ledger(registry.engine), registry, raw.id)
        messages = [message(n, now_s - (MESSAGES // DEVICES + 1) * STEP_S) for n in range(MESSAGES)]
        gc.collect()
        gc.freeze()
        gc.set_threshold(100_000, 20, 100)
        clock = Clocks()
        asyncio.run(_capture(clock, raw, messages, now_s * 1000))
        _apply(clock, raw, pipeline)
        assert store.count() == MESSAGES
        clock.tell(MESSAGES)
