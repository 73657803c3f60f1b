"""The ingest service: a shell of two loops around the raw log.

Capture takes messages from the broker, makes them durable, and only then acknowledges them. Follow applies what was
captured, batch by batch, and tells spools and devices what is stored for good. Neither waits for the other: with
the database away capture goes on, and with the disk full nothing is acknowledged, so the broker keeps it.
"""

import asyncio
import logging
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

import aiomqtt
import orjson
from sqlalchemy.exc import SQLAlchemyError

from cloud import mqtt
from cloud.inbox import Delivery, Inbox
from cloud.ingest.message import Message
from cloud.ingest.pipeline import Pipeline, RegistryCopy, Report
from cloud.ingest.rawlog import RawLog, RawLogUnavailable
from cloud.ingest.replay import replay_waiting, replay_wanted
from cloud.ledger.dead_letters import DeadLetters
from cloud.ledger.ledger import Ledger
from cloud.store.model import Store, StoreRefused, StoreUnavailable
from schemas import topics
from schemas.intervals import Intervals

log = logging.getLogger("klimanetz.ingest")
SUBSCRIBED = tuple(topics.topic(kind, "+") for kind in (topics.UP, topics.RAW, topics.STATUS, topics.UNREAD))
UNIT_MESSAGES = 8000  # applied together
RETENTION_MS = 30 * 86_400_000
ACK_S = 10.0
IDLE_S = 2.0  # how often an idle service looks whether the registry changed
STATUS_S = 60.0


@dataclass(frozen=True, slots=True)
class IngestConfig:
    """`share` names the group whose members divide the messages; None: this one takes all of them."""

    mqtt: mqtt.MqttUrl
    instance: str
    spool: Path
    share: str | None = None


def now_ms() -> int:
    return time.time_ns() // 1_000_000


class Ingest:
    """One replica. `counts` and `problem` are for people and /metrics."""

    def __init__(self, config: IngestConfig, store: Store, ledger: Ledger, registry: RegistryCopy) -> None:
        self.config = config
        self.raw = RawLog(config.spool)
        self.ledger = ledger
        self.letters = DeadLetters(ledger.engine)
        self.registry = registry
        self.pipeline = Pipeline(store, ledger, registry, self.raw.id, divided=config.share is not None)
        self.counts: Counter[str] = Counter()
        self._problems: dict[str, str] = {}  # of each loop, so that none takes back what another said
        self._captured = asyncio.Event()
        self._client: aiomqtt.Client | None = None
        self._unsaid: dict[tuple[str, int], Intervals] = {}  # stored, and not acknowledged to whoever spools

    @property
    def problem(self) -> str | None:
        """What is wrong now, None when all is well."""
        return "; ".join(self._problems.values()) or None

    async def run(self, stop: asyncio.Event, ready: Callable[[], None] = lambda: None) -> None:
        """Until `stop`: then what was captured and not applied waits in the raw log for the next start."""
        tasks = [
            asyncio.create_task(self._capture(ready), name="capture"),
            asyncio.create_task(self._follow(), name="follow"),
            asyncio.create_task(self._tend(), name="tend"),
        ]
        stopped = asyncio.create_task(stop.wait())
        try:
            done, _ = await asyncio.wait([*tasks, stopped], return_when=asyncio.FIRST_COMPLETED)
            for task in done - {stopped}:
                task.result()  # a loop never ends by itself: show why it did
        finally:
            for task in [*tasks, stopped]:
                task.cancel()
            await asyncio.gather(*tasks, stopped, return_exceptions=True)
            self.raw.close()

    async def _capture(self, ready: Callable[[], None]) -> None:
        pause_s = 0.5
        while True:
            try:
                made = self._connect()
                inbox = Inbox(made)
                async with made as client:
                    for topic in SUBSCRIBED:
                        await client.subscribe(self._shared(topic), qos=1)
                    await self._say(client, online=True)
                    self._client, pause_s = client, 0.5
                    self._solve("broker")
                    log.info("connected to %s as %s", self.config.mqtt, self.config.instance)
                    ready()
                    await self._say_stored()
                    while True:
                        await self._keep(inbox, await inbox.take())
            except aiomqtt.MqttError as error:
                self._client = None
                way_out = "check user name, password and ACL" if mqtt.refused(error) else "is KLIMANETZ_MQTT_URL right?"
                self._complain("broker", f"no broker at {self.config.mqtt}: {error}; trying again; {way_out}")
            await asyncio.sleep(pause_s * random.uniform(0.5, 1.5))
            pause_s = min(pause_s * 2, 30.0)

    def _connect(self) -> aiomqtt.Client:
        will = aiomqtt.Will(self._status_topic(), b'{"online": false}', qos=1, retain=True)
        return mqtt.client(self.config.mqtt, self.config.instance, will=will)

    def _shared(self, topic: str) -> str:
        return f"$share/{self.config.share}/{topic}" if self.config.share else topic

    async def _keep(self, inbox: Inbox, deliveries: list[Delivery]) -> None:
        """On disk first, then PUBACK. While the disk refuses, nothing is acknowledged and nothing more is taken."""
        received = now_ms()
        kept = [Message(topic, payload, received, retained) for topic, payload, retained, _ in deliveries]
        while True:
            try:
                await asyncio.to_thread(self.raw.append, kept)
                break
            except RawLogUnavailable as error:
                self._complain("disk", f"{error}; nothing is acknowledged until there is room")
                await asyncio.sleep(1.0)
        self._solve("disk")
        inbox.acknowledge(deliveries)
        self.counts["captured"] += len(kept)
        self._captured.set()

    async def _follow(self) -> None:
        """Apply batch after batch, for ever; what fails is tried again with growing pauses."""
        pause_s = 0.5
        step = self._steps()
        while True:
            try:
                report = await anext(step)
            except (StoreUnavailable, StoreRefused, SQLAlchemyError, RawLogUnavailable) as error:
                self._complain("store", f"cannot store: {error}; captured readings wait, trying again")
                wait_s = getattr(error, "retry_after_s", None) or pause_s
            except Exception as error:
                log.exception("a batch failed by a fault of ours")
                self._complain(
                    "store", f"cannot store, a fault of ours: {error!r}; captured readings wait, trying again"
                )
                wait_s = pause_s
            else:
                pause_s = 0.5
                self._solve("store")
                self._tally(report)
                await self._acknowledge(report)
                continue
            pause_s = min(pause_s * 2, 30.0)
            step = self._steps()
            await asyncio.sleep(wait_s)

    async def _steps(self) -> AsyncIterator[Report]:
        """The report of each batch; begins at the cursor."""
        cursor = await asyncio.to_thread(self.ledger.cursor, self.raw.id)
        revision = -1
        while True:
            if (current := (await asyncio.to_thread(self.registry.snapshot)).revision) != revision:
                await asyncio.to_thread(replay_waiting, self.letters, self.raw, self.registry, now_ms())
                revision = current
            batch = await asyncio.to_thread(self.raw.after, cursor, UNIT_MESSAGES)
            if batch is not None:
                yield await asyncio.to_thread(self.pipeline.apply, batch)
                cursor = batch.id
            elif not await asyncio.to_thread(replay_wanted, self.letters, self.raw, now_ms()):
                await self._idle()

    async def _idle(self) -> None:
        self._captured.clear()
        try:
            async with asyncio.timeout(IDLE_S):
                await self._captured.wait()
        except TimeoutError:
            pass

    async def _acknowledge(self, report: Report) -> None:
        """Say what is stored; what cannot be said now is said when the broker is back."""
        for device, generations in report.acks.items():
            for generation, seqs in generations.items():
                self._owe((device, generation), seqs)
        await self._say_stored()

    async def _say_stored(self) -> None:
        client = self._client
        if client is None or not self._unsaid:
            return
        saying, self._unsaid = self._unsaid, {}
        devices: dict[str, list[list[int]]] = {}
        for (device, generation), seqs in sorted(saying.items()):
            devices.setdefault(device, []).extend([generation, a, b] for a, b in seqs)
        sent = [
            client.publish(topics.topic(topics.ACK, device), orjson.dumps({"stored": ranges}), qos=1)
            for device, ranges in devices.items()
        ]
        try:
            async with asyncio.timeout(ACK_S):
                await asyncio.gather(*sent)
        except (aiomqtt.MqttError, TimeoutError) as error:
            log.warning("some acknowledgements were not sent, they are said again: %s", error or "the broker is slow")
            for key, seqs in saying.items():
                self._owe(key, seqs)

    def _owe(self, key: tuple[str, int], seqs: Intervals) -> None:
        """An acknowledgement of a device's generation that is not said yet."""
        unsaid = self._unsaid.setdefault(key, Intervals())
        for first, last in seqs:
            unsaid.add(first, last)

    async def _tend(self) -> None:
        """Once a minute: say how we are, forget what is old."""
        while True:
            await asyncio.sleep(STATUS_S)
            try:
                applied = await asyncio.to_thread(self.ledger.cursor, self.raw.id)
                await asyncio.to_thread(self.raw.forget, now_ms() - RETENTION_MS, applied)
                await asyncio.to_thread(self.ledger.prune, now_ms() - RETENTION_MS)
                if self._client is not None:
                    await self._say(
                        self._client, online=True, backlog=await asyncio.to_thread(self.raw.backlog, applied)
                    )
            except (aiomqtt.MqttError, SQLAlchemyError, RawLogUnavailable) as error:
                log.warning("status not sent: %s", error)

    async def _say(self, client: aiomqtt.Client, **state: object) -> None:
        body = {**state, "role": "ingest", "problem": self.problem, **self.counts}
        await client.publish(self._status_topic(), orjson.dumps(body), qos=1, retain=True)

    def _status_topic(self) -> str:
        return topics.topic(topics.STATUS, self.config.instance)

    def _tally(self, report: Report) -> None:
        for name in ("messages", "stored", "duplicates", "moved", "refused", "failed_range"):
            self.counts[name] += getattr(report, name)
        if report.refused:
            text = "%d parts of %d messages were put aside: `klimanetz dead-letters list` says why"
            log.warning(text, report.refused, report.messages)

    def _complain(self, where: str, problem: str) -> None:
        if problem != self._problems.get(where):  # once a problem, not once a second
            log.error("%s", problem)
        self._problems[where] = problem

    def _solve(self, where: str) -> None:
        if self._problems.pop(where, None) is not None:
            log.info("%s: all is well again", where)
