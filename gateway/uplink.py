"""The gateway's side of the broker: readings and devices' health out, acknowledgements and other networks' events in.

Live goes before backlog: what is decoded now goes out at once, and between it, in the order in which it was spooled,
what waited; the readings of a device in one message, the next round when the broker has taken this one. They stay in
the spool until `klimanetz/v1/ack/<device>` names them. After every connection everything that is not acknowledged is
backlog, since a broker may have forgotten what it took; so it is once in a while where the cloud acknowledges, but not
everything.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

import aiomqtt
import orjson
from pydantic import ValidationError

from gateway import mqtt
from gateway.counters import Faults, GatewayCounters
from gateway.database import Database, StorageError
from gateway.networks.events import Events
from gateway.notices import Notices
from gateway.spool import Spool, Waiting
from gateway.tell import Tell
from schemas import topics
from schemas.models import Acknowledgement

ROUND_MAX = 500  # readings; also what one message may hold, see spool.ROUND_BYTES
PUBACK_S = 60.0
EVENTS_MAX = 200  # captured with one flush to the disk
RETRY_S = 2.0  # after the spool could not be written
GATEWAYS_S = 10.0  # how often the states of LoRa gateways are looked through
STABLE_S = 30.0  # a connection that lasts so long starts the waiting times anew
_log = logging.getLogger(__name__)
SUBSCRIPTIONS = (
    topics.topic(topics.ACK, "+"), topics.topic(topics.DOWN, "+"),
    topics.CHIRPSTACK_EVENTS, topics.TTS_UPLINKS, topics.TTS_JOINS,
    *topics.TTS_DOWNLINK_EVENTS, *topics.TTS_OTHER_EVENTS,
)  # fmt: skip


class BrokerUplink:
    """Runs until it is cancelled, with the broker or without."""

    def __init__(
        self, url: mqtt.MqttUrl, instance: str, database: Database, spool: Spool, events: Events, tell: Tell,
        notices: Notices, counters: GatewayCounters, faults: Faults, republish_after_s: float = 300,
    ) -> None:  # fmt: skip
        self._url = url
        self._instance = instance
        self._status_topic = topics.topic(topics.STATUS, instance)
        self._database = database
        self._spool = spool
        self._events = events
        self._tell = tell
        self._notices = notices
        self._counters = counters
        self._faults = faults
        self._republish_after_s = republish_after_s
        self._live_to = 0  # id of the last reading that has gone out live, on this connection
        self._backlog = (0, 0)  # ids of the last one that has gone out of the backlog, and of its end
        self._swept_s = time.monotonic()
        self._acks_at_sweep = 0
        self._more = asyncio.Event()
        self._leaving = False
        self.connected = False

    def leave(self) -> None:
        """Call before cancelling `run`."""
        self._leaving = True

    def wake(self) -> None:
        """There is something to publish."""
        self._more.set()
        self._notices.wake()

    async def run(self, status: Callable[[], dict[str, object]]) -> None:
        """Connects, works, waits and connects again. `status` gives what goes into the status message."""
        failures = 0
        while True:
            started_s = time.monotonic()
            try:
                await self._connection(status)
            except (aiomqtt.MqttError, OSError, StorageError) as error:
                stable = time.monotonic() - started_s > STABLE_S
                failures = 0 if stable else failures + 1
                line = "no broker at %s (%s): readings wait in the spool, trying again"
                self._faults.report("broker", line % (self._url, error))
            except Exception:  # readings wait in the spool; hearing gateways goes on
                self._counters.faults += 1
                failures += 1
                _log.exception("the connection to the broker ended for a reason of our own")
            finally:
                self.connected = False
            if self._leaving:  # an error on the way out has taken the cancellation's place
                return
            await asyncio.sleep(mqtt.retry_s(failures))

    async def _connection(self, status: Callable[[], dict[str, object]]) -> None:
        will = aiomqtt.Will(self._status_topic, _status(False), qos=1, retain=True)
        async with mqtt.client(self._url, self._instance, will) as client:
            for pattern in SUBSCRIPTIONS:
                await client.subscribe(pattern, qos=1)
            self._live_to = self._spool.last_id()
            self._backlog = (0, self._live_to)
            self._counters.connections += 1
            self.connected = True
            try:
                await first_of(
                    self._publish(client), self._listen(client), self._say(client, status), *self._notices.loops(client)
                )
            finally:
                self.connected = False
                if not client._disconnected.done():
                    with contextlib.suppress(aiomqtt.MqttError, OSError):
                        await client.publish(self._status_topic, _status(False), qos=1, retain=True, timeout=2)

    async def _publish(self, client: aiomqtt.Client) -> None:
        while True:
            self._more.clear()
            if rows := self._spool.waiting(self._live_to, ROUND_MAX):
                await self._round(client, rows)
                self._live_to = rows[-1].id
                continue
            sent_to, end = self._backlog
            if rows := self._spool.waiting(sent_to, ROUND_MAX, to_id=end):
                await self._round(client, rows)
                self._backlog = (rows[-1].id, end)
                continue
            self._sweep()
            try:
                await asyncio.wait_for(self._more.wait(), min(60, self._republish_after_s))
            except TimeoutError:
                continue

    async def _round(self, client: aiomqtt.Client, rows: list[Waiting]) -> None:
        """One message for each device, all under way at once; returns when the broker has taken all."""
        devices: dict[str, list[bytes]] = {}
        for row in rows:
            devices.setdefault(row.device, []).append(row.body)
        under_way = []
        for device, bodies in devices.items():
            message = bodies[0] if len(bodies) == 1 else b"[" + b",".join(bodies) + b"]"
            under_way.append(client.publish(topics.topic(topics.UP, device), message, qos=1, timeout=PUBACK_S))
        await asyncio.gather(*under_way)
        self._counters.published += len(rows)
        if uncounted := [row.id for row in rows if not row.counted]:
            self._spool.forget_ids(uncounted)

    def _sweep(self) -> None:
        """Now and then from the start again, if the cloud acknowledges at all: what it left out may be lost."""
        if time.monotonic() - self._swept_s > self._republish_after_s:
            if self._counters.acknowledged > self._acks_at_sweep and self._spool.rows["reading"]:
                self._backlog = (0, self._live_to)
                self._more.set()
            self._swept_s = time.monotonic()
            self._acks_at_sweep = self._counters.acknowledged

    async def _listen(self, client: aiomqtt.Client) -> None:
        messages = client.messages
        async for message in messages:
            batch = [message]
            while len(messages) and len(batch) < EVENTS_MAX:
                batch.append(await anext(messages))
            told = [m for m in batch if m.topic.value.startswith(topics.PREFIX)]
            events = [m for m in batch if not m.topic.value.startswith(topics.PREFIX)]
            if told:
                await self._until_it_works(partial(self._told, told))
                for one in told:
                    mqtt.acknowledge(client, one)
                self._notices.wake()
            if events:
                await self._take(client, events)

    async def _take(self, client: aiomqtt.Client, events: list[aiomqtt.Message]) -> None:
        """Captures, acknowledges, deals with. While the spool cannot be written the broker keeps them."""
        pairs = [(m.topic.value, _bytes(m.payload)) for m in events]
        await self._until_it_works(lambda: self._events.capture(pairs, time.time_ns() // 1_000_000))
        for one in events:
            mqtt.acknowledge(client, one)
        await self._until_it_works(self._events.work)
        self.wake()

    async def _until_it_works(self, step: Callable[[], None]) -> None:
        while True:
            try:
                return step()
            except StorageError as error:
                self._counters.not_captured += 1
                self._faults.report("capture", "%s; events are not acknowledged until then" % error)
                await asyncio.sleep(RETRY_S)

    def _told(self, messages: list[aiomqtt.Message]) -> None:
        """What the cloud says to us and to devices, in one transaction. Raises StorageError."""
        with self._database.transaction():
            for message in messages:
                self._from_cloud(message)

    def _from_cloud(self, message: aiomqtt.Message) -> None:
        try:
            kind, device = topics.parse(message.topic.value)
            if kind == topics.DOWN:
                self._tell.command(device, _bytes(message.payload), time.time_ns() // 1_000_000)
                return
            stored = Acknowledgement.model_validate_json(_bytes(message.payload)).stored
        except (topics.TopicError, ValidationError) as error:
            self._counters.bad_acknowledgements += 1
            self._faults.report("ack", "%s is not an acknowledgement: %s" % (message.topic, str(error).split("\n")[0]))
            return
        self._counters.acknowledged += self._spool.forget(device, stored)
        self._tell.acknowledged(device, stored)

    async def _say(self, client: aiomqtt.Client, status: Callable[[], dict[str, object]]) -> None:
        while True:
            await client.publish(self._status_topic, _status(True, status()), qos=1, retain=True)
            await asyncio.sleep(60)


def _status(online: bool, more: dict[str, object] | None = None) -> bytes:
    return orjson.dumps({"online": online, **(more or {})})


def _bytes(payload: object) -> bytes:
    return payload if isinstance(payload, bytes) else str(payload).encode()


async def first_of(*coroutines: Coroutine[Any, Any, None]) -> None:
    """Runs them together until the first ends, with its error if it has one; the others are ended.

    Not a TaskGroup: `asyncio.wait_for` of Python 3.11, also inside aiomqtt, may swallow a cancellation (cpython#86296),
    so one is not enough.
    """
    tasks = [asyncio.ensure_future(coroutine) for coroutine in coroutines]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        while pending := [task for task in tasks if not task.done()]:
            for task in pending:
                task.cancel()
            await asyncio.wait(pending, timeout=3)
    for task in sorted(done, key=tasks.index):
        task.result()
