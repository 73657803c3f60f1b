"""The service against a real Mosquitto: captured before acknowledged, stored before `ack`, nothing lost on the way."""

import asyncio
import json
import random
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiomqtt
import pytest

from cloud.ingest import service
from cloud.ingest.service import Ingest, IngestConfig, now_ms
from cloud.mqtt import MqttUrl
from cloud.store.model import Point, StoreUnavailable
from schemas.intervals import Intervals
from tests.brokers import Broker, start_mosquitto
from tests.cloud import ingest_parts

pytestmark = pytest.mark.mosquitto
LIMITS = "max_inflight_messages 2000\nmax_queued_messages 100000"


@pytest.fixture
def broker(mosquitto: str, tmp_path: Path) -> Iterator[Broker]:
    broker = start_mosquitto(mosquitto, tmp_path / "broker", LIMITS)
    yield broker
    broker.stop()


class Bench:
    """A running service and a client beside it."""

    def __init__(self, service: Ingest, parts: ingest_parts.Parts, client: aiomqtt.Client) -> None:
        self.service, self.parts, self.client = service, parts, client

    async def send(self, *readings: dict[str, Any], device: str = "kn-1") -> None:
        await self.client.publish(f"klimanetz/v1/up/{device}", json.dumps(readings).encode(), qos=1)

    async def acks(self) -> list[list[int]]:
        async with asyncio.timeout(20):
            message = await anext(self.client.messages)
        assert isinstance(message.payload, bytes)
        return json.loads(message.payload)["stored"]  # type: ignore[no-any-return]


@asynccontextmanager
async def bench(broker: Broker, folder: Path, **change: Any) -> AsyncIterator[Bench]:
    parts = ingest_parts.make(folder)
    parts.raw.close()  # the service opens its own
    config = IngestConfig(MqttUrl(broker.host, broker.port), "ingest-1", folder / "spool")
    service = Ingest(config, parts.store, parts.ledger, parts.registry)
    for name, value in change.items():
        value(getattr(service, name))
    ready, stop = asyncio.Event(), asyncio.Event()
    running = asyncio.create_task(service.run(stop, ready.set))
    await asyncio.wait([running, asyncio.create_task(ready.wait())], return_when=asyncio.FIRST_COMPLETED)
    async with aiomqtt.Client(broker.host, broker.port, identifier="tester", clean_session=False) as client:
        await client.subscribe("klimanetz/v1/ack/+", qos=1)
        yield Bench(service, parts, client)
    stop.set()
    await running


def reading(seq: int) -> dict[str, Any]:
    return ingest_parts.reading(generation=1, seq=seq, time=f"2026-11-22T10:{seq % 60:02}:00Z")


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.02)


def test_stored_and_acknowledged(broker: Broker, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with bench(broker, tmp_path) as b:
            await b.send(reading(1), reading(2), reading(4))
            assert await b.acks() == [[1, 1, 2], [1, 4, 4]]
            assert len(b.parts.values("marktplatz", "air_temperature")) == 3

    asyncio.run(scenario())


def test_what_came_while_nobody_listened_is_there_afterwards(broker: Broker, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with bench(broker, tmp_path):
            pass
        async with aiomqtt.Client(broker.host, broker.port) as client:
            await client.publish("klimanetz/v1/up/kn-1", json.dumps(reading(1)), qos=1)
        async with bench(broker, tmp_path) as b:
            assert await b.acks() == [[1, 1, 1]]

    asyncio.run(scenario())


def test_a_broker_that_restarts_while_nobody_listens(broker: Broker, tmp_path: Path) -> None:
    """What it acknowledged before and after its restart comes, although `ingest` was away all the time."""

    async def scenario() -> None:
        async with bench(broker, tmp_path):
            pass
        for seq in (1, 2):
            async with aiomqtt.Client(broker.host, broker.port) as client:
                await client.publish("klimanetz/v1/up/kn-1", json.dumps(reading(seq)), qos=1)
            await asyncio.to_thread(broker.restart)
        async with aiomqtt.Client(broker.host, broker.port) as client:
            await client.publish("klimanetz/v1/up/kn-1", json.dumps(reading(3)), qos=1)
        async with bench(broker, tmp_path) as b:
            await until(lambda: b.service.counts["stored"] == 3)

    asyncio.run(scenario())


def test_a_broker_that_restarts(broker: Broker, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with bench(broker, tmp_path) as b:
            await b.send(reading(1))
            assert await b.acks() == [[1, 1, 1]]
            await asyncio.to_thread(broker.stop)
            await until(lambda: b.service.problem is not None)
            assert f"no broker at mqtt://{broker.host}:{broker.port}" in str(b.service.problem)
            await asyncio.to_thread(broker.start)
            await until(lambda: b.service.problem is None)
            async with aiomqtt.Client(broker.host, broker.port) as client:
                await client.publish("klimanetz/v1/up/kn-1", json.dumps(reading(2)), qos=1)
            await until(lambda: b.service.counts["stored"] == 2)

    asyncio.run(scenario())


def test_a_database_that_is_away(broker: Broker, tmp_path: Path) -> None:
    """Capture goes on and is acknowledged to the broker; `ack` comes once it is stored."""
    calls = []

    def away(pipeline: Any) -> None:
        write = pipeline.store.write

        def once_away(points: Any) -> None:
            calls.append(len(points))
            if len(calls) < 3:
                raise StoreUnavailable("away", retry_after_s=0.05)
            write(points)

        pipeline.store.write = once_away

    async def scenario() -> None:
        async with bench(broker, tmp_path, pipeline=away) as b:
            await b.send(reading(1))
            assert await b.acks() == [[1, 1, 1]]
            assert len(calls) == 3
            assert b.service.problem is None

    asyncio.run(scenario())


def test_a_full_disk_acknowledges_nothing_and_loses_nothing(broker: Broker, tmp_path: Path) -> None:
    """SQLite's own "database or disk is full": the file may not grow any more."""

    async def scenario() -> None:
        async with bench(broker, tmp_path) as b:
            log = b.service.raw._db
            log.execute(f"PRAGMA max_page_count={log.execute('PRAGMA page_count').fetchone()[0]}")
            for seq in range(1, 200):
                noise = random.Random(seq).randbytes(100).hex()
                await b.send({**reading(seq), "noise": noise})
            await until(lambda: b.service.problem is not None)
            assert "full" in str(b.service.problem)
            assert "nothing is acknowledged until there is room" in str(b.service.problem)
            beats = b.service.heartbeats
            await until(lambda: [one.troubles for one in beats.all(now_ms())] == [("disk",)])
            captured = b.service.counts["captured"]
            assert captured < 199
            log.execute("PRAGMA max_page_count=1000000")
            await until(lambda: b.service.counts["stored"] == 199)
            assert sorted(seq for _, seq in b.parts.store.identities("kn-1")) == list(range(1, 200))
            await until(lambda: [one.troubles for one in beats.all(now_ms())] == [()])
            assert [one.troubles for one in beats.all(now_ms() + 120_000)] == [("silent",)]
        assert beats.all(now_ms()) == [], "one that ended in order is missed by nobody"

    asyncio.run(scenario())


def test_what_is_older_than_it_is_to_be_kept_is_dropped(
    broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "STATUS_S", 0.02)

    async def scenario() -> None:
        async with bench(broker, tmp_path) as b:
            old, new = now_ms() - 40 * service.DAY_MS, now_ms() - 30 * service.DAY_MS
            values = {"battery": 3.9}
            b.parts.store.write([Point("marktplatz", "kn-1", time_ms, values, {}, 1, 1) for time_ms in (old, new)])
            b.service.config = replace(b.service.config, retention_days=35)
            await until(lambda: b.parts.store.count() == 1)
            assert [time_ms for time_ms, _, _ in b.parts.values("marktplatz", "battery")] == [new]

    asyncio.run(scenario())


def test_thousands_of_messages_beyond_the_window(broker: Broker, tmp_path: Path) -> None:
    """More than the broker lets be under way, each in a message of its own."""

    async def scenario() -> None:
        async with bench(broker, tmp_path) as b:
            for seq in range(1, 3001):
                b.client._client.publish("klimanetz/v1/up/kn-1", json.dumps(reading(seq)), qos=1)
            await until(lambda: b.service.counts["stored"] + b.service.counts["duplicates"] >= 3000)
            row = b.parts.ledger.delivery("kn-1")
            assert row is not None
            assert (row["received"], row["missing"], row["duplicates"]) == (3000, 0, 0)

    asyncio.run(scenario())


def test_more_than_is_read_ahead_waits_at_the_start(broker: Broker, tmp_path: Path) -> None:
    """A gateway's spool came while `ingest` was away: 16 MB that the broker sends before it answers SUBSCRIBE."""
    noise = "x" * 200_000

    async def scenario() -> None:
        async with bench(broker, tmp_path):
            pass
        async with aiomqtt.Client(broker.host, broker.port) as client:
            for seq in range(1, 81):
                await client.publish("klimanetz/v1/up/kn-1", json.dumps({**reading(seq), "noise": noise}), qos=1)
        async with asyncio.timeout(30), bench(broker, tmp_path) as b:
            await until(lambda: b.service.counts["stored"] == 80)

    asyncio.run(scenario())


def test_a_broker_that_refuses_a_subscription_is_told_of(tmp_path: Path) -> None:
    """As a dynamic ACL does: everything else looks well, and nothing would ever come."""

    async def broker(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while first := await reader.read(1):
            size = (await reader.readexactly(1))[0]
            size = size if size < 0x80 else size - 0x80 + 128 * (await reader.readexactly(1))[0]
            body = await reader.readexactly(size)
            if first[0] >> 4 == 1:
                writer.write(b"\x20\x02\x00\x00")
            elif first[0] >> 4 == 8:
                writer.write(b"\x90\x03" + body[:2] + (b"\x80" if b"/up/" in body else b"\x01"))
            elif first[0] >> 4 == 3:
                writer.write(b"\x40\x02" + body[2 + body[1] :][:2])
        writer.close()

    async def scenario() -> None:
        server = await asyncio.start_server(broker, "127.0.0.1", 0)
        parts = ingest_parts.make(tmp_path)
        parts.raw.close()
        url = MqttUrl("127.0.0.1", server.sockets[0].getsockname()[1])
        service = Ingest(IngestConfig(url, "i", tmp_path / "spool"), parts.store, parts.ledger, parts.registry)
        stop, ready = asyncio.Event(), asyncio.Event()
        running = asyncio.create_task(service.run(stop, ready.set))
        async with asyncio.timeout(20):
            await ready.wait()
        assert str(service.problem).endswith("read them: klimanetz/v1/up/+")
        stop.set()
        await running

    asyncio.run(scenario())


def test_acknowledgements_of_a_large_fleet_are_said_some_at_a_time(broker: Broker, tmp_path: Path) -> None:
    """What is under way is looked through with each: all at once, ten thousand devices hold everything for seconds."""

    async def scenario() -> None:
        async with bench(broker, tmp_path) as b:
            client = b.service._client
            assert client is not None
            publish, most = client._client.publish, [0]

            def watched(*arguments: Any, **more: Any) -> Any:
                most[0] = max(most[0], len(client._pending_publishes))
                return publish(*arguments, **more)

            client._client.publish = watched  # type: ignore[method-assign]
            b.service._owed.add({f"d{n}": {0: Intervals([(1, 5)])} for n in range(2000)})
            b.service._owing.set()
            assert [await b.acks() for _ in range(2000)] == [[[0, 1, 5]]] * 2000
            assert most[0] <= 250

    asyncio.run(scenario())


def test_capture_goes_on_while_all_others_wait_for_a_database_that_hangs(broker: Broker, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with bench(broker, tmp_path) as b:
            loop, go_on = asyncio.get_running_loop(), threading.Event()
            threads = ThreadPoolExecutor(2)
            loop.set_default_executor(threads)
            for _ in range(2):
                threads.submit(go_on.wait, 30)
            await b.send(reading(1))
            await until(lambda: b.service.counts["captured"] >= 1)
            assert b.service.counts["stored"] == 0
            go_on.set()
            await until(lambda: b.service.counts["stored"] == 1)

    asyncio.run(scenario())
