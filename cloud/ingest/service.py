"""The ingest service: a shell of loops around the raw log.

Capture takes messages from the broker, makes them durable, and only then acknowledges them. Following (here, or in
worker processes) applies what was captured; what is stored for good is told to spools and devices. None waits for the
other: with the database away capture goes on, and with the disk full nothing is acknowledged, so the broker keeps it.
"""

import asyncio
import logging
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import aiomqtt
import orjson
from sqlalchemy.exc import SQLAlchemyError

from cloud import mqtt
from cloud.inbox import Delivery, Inbox
from cloud.ingest.follow import Follower
from cloud.ingest.owed import Owed
from cloud.ingest.pipeline import Pipeline
from cloud.ingest.rawlog import RawLog, RawLogUnavailable, add
from cloud.ingest.replay import replay_captured, replay_waiting, replay_wanted
from cloud.ingest.work import RegistryCopy, Report
from cloud.ingest.workers import Command, Workers
from cloud.ledger.dead_letters import DeadLetters
from cloud.ledger.heartbeats import Heartbeats
from cloud.ledger.ledger import Ledger
from cloud.ledger.replays import Replays
from cloud.ledger.turn import lot
from cloud.store.model import Store, StoreRefused, StoreUnavailable
from schemas import topics

log = logging.getLogger("klimanetz.ingest")
SUBSCRIBED = tuple(topics.topic(kind, "+") for kind in (topics.UP, topics.RAW, topics.STATUS, topics.UNREAD))
DAY_MS = 86_400_000
RETENTION_MS = 30 * DAY_MS  # of the raw log, dead letters, arrivals
SAY_S = 1.0  # between two rounds of acknowledgements, which tell all that was stored meanwhile
ACK_S = 10.0
ACKS_AT_ONCE = 250  # aiomqtt looks through all that is under way with each
LOOK_S = 2.0  # how often it is looked whether the registry changed or somebody wants a replay
STATUS_S = 60.0
BEAT_S = 10.0
_TOPICS_MAX = 100_000
NOT_GRANTED = "does not give us with QoS 1 what comes on these topics; its ACL must let this user read them:"


@dataclass(frozen=True, slots=True)
class IngestConfig:
    """`share` names the group whose members divide the messages; None: this one takes all of them.

    `workers`: how many processes apply what this one captures, started by `command`; 1: this one does both.
    """

    mqtt: mqtt.MqttUrl
    instance: str
    spool: Path
    share: str | None = None
    workers: int = 1
    command: Command | None = None
    retention_days: int | None = None  # of readings in the store; None: for ever


def now_ms() -> int:
    return time.time_ns() // 1_000_000


class Ingest:
    """One replica. `counts` and `problem` are for people and /metrics."""

    def __init__(self, config: IngestConfig, store: Store, ledger: Ledger, registry: RegistryCopy) -> None:
        self.config = config
        self.raw = RawLog(config.spool)
        self.ledger = ledger
        self.letters = DeadLetters(ledger.engine)
        self.replays = Replays(ledger.engine)
        self.heartbeats = Heartbeats(ledger.engine)
        # A thread of its own: those that all share may all wait for a database that hangs.
        self._capturing = ThreadPoolExecutor(1, "capture")
        self._changed = asyncio.Event()  # something went wrong, or is well again
        self.registry = registry
        self.pipeline = Pipeline(store, ledger, registry, self.raw.id, divided=config.share is not None)
        self.counts: Counter[str] = Counter()
        self._problems: dict[str, str] = {}  # of each loop, so that none takes back what another said
        self._workers: Workers | None = None
        if config.workers > 1 and config.command is not None:
            self._workers = Workers(config.workers, config.command, self._applied, self._cannot_store)
        self._following = self._workers or Follower(self.raw, self.pipeline, self._applied, self._cannot_store)
        self._client: aiomqtt.Client | None = None
        self._owed = Owed()
        self._owing = asyncio.Event()
        self._parts: dict[bytes, int] = {}  # by topic
        self._forgot_ms = 0
        self._revision = -1  # of the registry by which waiting letters were looked at

    @property
    def problem(self) -> str | None:
        """What is wrong now, None when all is well."""
        return "; ".join(self._problems.values()) or None

    async def run(self, stop: asyncio.Event, ready: Callable[[], None] = lambda: None) -> None:
        """Until `stop`: then what was captured and not applied waits in the raw log for the next start."""
        if self._workers is not None:
            await self._workers.start()
        loops = (
            self._capture(ready),
            self._following.run(),
            self._acknowledge(),
            self._replay(),
            self._tend(),
            self._beat(),
        )
        tasks = [asyncio.create_task(loop) for loop in loops]
        stopped = asyncio.create_task(stop.wait())
        try:
            done, _ = await asyncio.wait([*tasks, stopped], return_when=asyncio.FIRST_COMPLETED)
            for task in done - {stopped}:
                task.result()  # a loop never ends by itself: show why it did
        finally:
            for task in [*tasks, stopped]:
                task.cancel()
            await asyncio.gather(*tasks, stopped, return_exceptions=True)
            if self._workers is not None:
                await self._workers.stop()
            with suppress(SQLAlchemyError):
                await asyncio.to_thread(self.heartbeats.end, self.config.instance)
            self._capturing.shutdown(wait=False)
            self.raw.close()

    async def _capture(self, ready: Callable[[], None]) -> None:
        pause_s = 0.5
        while True:
            try:
                made = self._connect()
                inbox = Inbox(made)
                async with made as client, self._keeping(inbox) as kept:
                    # The broker may send what waited before it answers, more than is read ahead: it is taken meanwhile.
                    granted = {topic: await client.subscribe(self._shared(topic), qos=1) for topic in SUBSCRIBED}
                    self._solve("broker")
                    if short := [topic for topic, said in granted.items() if said[0] != 1]:
                        self._complain("broker", f"{self.config.mqtt} {NOT_GRANTED} {', '.join(short)}")
                    await self._say(client, online=True)
                    self._client, pause_s = client, 0.5
                    log.info("connected to %s as %s", self.config.mqtt, self.config.instance)
                    ready()
                    self._owing.set()
                    await kept
            except aiomqtt.MqttError as error:
                self._client = None
                way_out = "check user name, password and ACL" if mqtt.refused(error) else "is KLIMANETZ_MQTT_URL right?"
                self._complain("broker", f"no broker at {self.config.mqtt}: {error}; trying again; {way_out}")
            await asyncio.sleep(pause_s * random.uniform(0.5, 1.5))
            pause_s = min(pause_s * 2, 30.0)

    @asynccontextmanager
    async def _keeping(self, inbox: Inbox) -> AsyncIterator["asyncio.Task[None]"]:
        """What comes is kept, from the first message on and until the connection ends."""

        async def keep() -> None:
            while True:
                await self._keep(inbox, await inbox.take())

        task = asyncio.create_task(keep())
        try:
            yield task
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def _connect(self) -> aiomqtt.Client:
        will = aiomqtt.Will(self._status_topic(), b'{"online": false}', qos=1, retain=True)
        return mqtt.client(self.config.mqtt, self.config.instance, will=will)

    def _shared(self, topic: str) -> str:
        return f"$share/{self.config.share}/{topic}" if self.config.share else topic

    async def _keep(self, inbox: Inbox, deliveries: list[Delivery]) -> None:
        """On disk first, then PUBACK. While the disk refuses, nothing is acknowledged and nothing more is taken."""
        received_ms = now_ms()
        parts = self._packed(deliveries, received_ms)
        while True:
            try:
                loop = asyncio.get_running_loop()
                await loop.run_in_executor(self._capturing, self.raw.append_packed, parts, received_ms)
                break
            except RawLogUnavailable as error:
                self._complain("disk", f"{error}; nothing is acknowledged until there is room")
                await asyncio.sleep(1.0)
        self._solve("disk")
        inbox.acknowledge(deliveries)
        self.counts["captured"] += len(deliveries)
        self._following.wake()

    def _packed(self, deliveries: list[Delivery], received_ms: int) -> dict[int, tuple[bytes, int]]:
        """As the raw log keeps them, by the worker that applies them, which is the same for all of a device."""
        packed: dict[int, list[bytes]] = {}
        counts: Counter[int] = Counter()
        known, workers = self._parts, self.config.workers if self._workers is not None else 1
        if len(known) > _TOPICS_MAX:
            known.clear()
        for name, payload, retained, _ in deliveries:
            part = known.get(name)
            if part is None:
                part = known[name] = lot(name.rpartition(b"/")[2]) % workers
            if part not in packed:
                packed[part] = []
            add(packed[part], name, payload, received_ms, retained)
            counts[part] += 1
        return {part: (b"".join(parts), counts[part]) for part, parts in packed.items()}

    async def _applied(self, report: Report) -> None:
        self._tally(report)
        self._owed.add(report.acks)
        self._owing.set()
        if report.refused and report.revision < self._revision:  # read by a registry that knew less than today's
            self._revision = -1

    def _cannot_store(self, problem: str | None) -> None:
        if problem is None:
            self._solve("store")
        else:
            self._complain("store", problem)

    async def _acknowledge(self) -> None:
        """Say what is stored, all of a while at once; what cannot be said now is said when the broker is back."""
        while True:
            await self._owing.wait()
            self._owing.clear()
            if (client := self._client) is not None and self._owed:
                await self._say_stored(client)
                await asyncio.sleep(SAY_S)

    async def _say_stored(self, client: aiomqtt.Client) -> None:
        saying, self._owed = self._owed, Owed()
        all_of_it = list(saying.ranges())
        try:
            for start in range(0, len(all_of_it), ACKS_AT_ONCE):
                sent = [
                    client.publish(topics.topic(topics.ACK, device), orjson.dumps({"stored": ranges}), qos=1)
                    for device, ranges in all_of_it[start : start + ACKS_AT_ONCE]
                ]
                async with asyncio.timeout(ACK_S):
                    await asyncio.gather(*sent)
        except (aiomqtt.MqttError, TimeoutError) as error:
            log.warning("some acknowledgements were not sent, they are said again: %s", error or "the broker is slow")
            self._owed.update(saying)
            self._owing.set()

    async def _replay(self) -> None:
        """Capture again what the registry has cured, or what somebody wants again."""
        while True:
            replayed = 0
            try:
                revision = (await asyncio.to_thread(self.registry.snapshot)).revision
                if revision != self._revision:
                    self._revision = revision
                    replayed = await asyncio.to_thread(replay_waiting, self.letters, self.raw, self.registry, now_ms())
                else:
                    replayed = await asyncio.to_thread(replay_wanted, self.letters, self.raw, now_ms())
                replayed += await asyncio.to_thread(replay_captured, self.replays, self.raw, now_ms())
                if replayed:
                    self._following.wake()
                self._solve("letters")
            except (SQLAlchemyError, RawLogUnavailable, OSError) as error:
                self._revision = -1
                self._complain("letters", f"dead letters cannot be looked at: {error}; trying again")
            await asyncio.sleep(0.0 if replayed else LOOK_S)

    async def _tend(self) -> None:
        """Once a minute: say how we are, forget what is old."""
        while True:
            await asyncio.sleep(STATUS_S)
            try:
                applied = await asyncio.to_thread(self._cursors)
                await asyncio.to_thread(self.raw.forget, now_ms() - RETENTION_MS, applied)
                await asyncio.to_thread(self.ledger.prune, now_ms() - RETENTION_MS)
                await asyncio.to_thread(self._forget_readings)
                if self._client is not None:
                    await self._say(
                        self._client, online=True, backlog=await asyncio.to_thread(self.raw.backlog, applied)
                    )
            except (
                aiomqtt.MqttError, SQLAlchemyError, RawLogUnavailable, StoreUnavailable, StoreRefused
            ) as error:  # fmt: skip
                log.warning("status not sent: %s", error)

    def _forget_readings(self) -> None:
        """Once a day drop what is older than it is to be kept."""
        days, now = self.config.retention_days, now_ms()
        if days is not None and now - self._forgot_ms >= DAY_MS:
            self.pipeline.store.forget(now - days * DAY_MS)
            self._forgot_ms = now

    async def _beat(self) -> None:
        """Every few seconds, and as soon as something changes: say how we are to whoever asks /health/ready."""
        while True:
            self._changed.clear()
            with suppress(SQLAlchemyError):  # then nobody hears us, which tells as much
                await asyncio.to_thread(self.heartbeats.beat, self.config.instance, list(self._problems), now_ms())
            with suppress(TimeoutError):
                async with asyncio.timeout(BEAT_S):
                    await self._changed.wait()

    def _cursors(self) -> dict[int, int]:
        return {part: self.ledger.cursor(self.raw.id, part) for part in self.raw.parts()}

    async def _say(self, client: aiomqtt.Client, **state: object) -> None:
        body = {**state, "role": "ingest", "problem": self.problem, **self.counts}
        await client.publish(self._status_topic(), orjson.dumps(body), qos=1, retain=True)

    def _status_topic(self) -> str:
        return topics.topic(topics.STATUS, self.config.instance)

    def _tally(self, report: Report) -> None:
        for name in ("messages", "stored", "duplicates", "moved", "refused", "failed_range", "failed_step"):
            self.counts[name] += getattr(report, name)
        if report.refused:
            text = "%d parts of %d messages were put aside: `klimanetz dead-letters list` says why"
            log.warning(text, report.refused, report.messages)

    def _complain(self, where: str, problem: str) -> None:
        if problem != self._problems.get(where):  # once a problem, not once a second
            log.error("%s", problem)
            self._changed.set()
        self._problems[where] = problem

    def _solve(self, where: str) -> None:
        if self._problems.pop(where, None) is not None:
            log.info("%s: all is well again", where)
            self._changed.set()
