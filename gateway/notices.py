"""What the gateway says beside readings: devices' health, LoRa gateways' state, what could not be read, and downlinks
that another network is to send.

The rule is that of readings: what is to be said is in the database, and is marked as said when the broker has it.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Coroutine
from typing import Any

import aiomqtt
import orjson

from gateway.counters import Faults
from gateway.database import Database
from gateway.health_store import HealthStore
from gateway.lorawan.downlinks import Downlinks
from gateway.networks.downlinks import DownlinkError, Routes, push
from gateway.unread import UnreadPayloads
from schemas import topics

PUBACK_S = 60.0
GATEWAYS_S = 10.0  # how often the states of LoRa gateways are looked through


class Notices:
    """Loops that run while the broker is there. `states`: what LoRa gateways have to say, by EUI."""

    def __init__(
        self, database: Database, downlinks: Downlinks, unread: UnreadPayloads,
        states: Callable[[int], dict[str, dict[str, object]]], faults: Faults,
    ) -> None:  # fmt: skip
        self._database = database
        self._health = HealthStore(database)
        self._downlinks = downlinks
        self._routes = Routes(database)
        self._unread = unread
        self._states = states
        self._faults = faults
        self._health_due, self._down, self._unread_wanted = asyncio.Event(), asyncio.Event(), asyncio.Event()

    def wake(self) -> None:
        """There may be something to say."""
        for event in (self._health_due, self._down, self._unread_wanted):
            event.set()

    def loops(self, client: aiomqtt.Client) -> tuple[Coroutine[Any, Any, None], ...]:
        """To be run together until the connection ends."""
        return (
            self._tell_health(client), self._hand_over(client), self._tell_unread(client), self._gateways_say(client)
        )  # fmt: skip

    async def _gateways_say(self, client: aiomqtt.Client) -> None:
        """What LoRa gateways say of themselves, and which fell silent."""
        while True:
            for eui, body in self._states(time.time_ns() // 1_000_000).items():
                await client.publish(topics.topic(topics.STATUS, eui), orjson.dumps(body), qos=1, retain=True)
            await asyncio.sleep(GATEWAYS_S)

    async def _hand_over(self, client: aiomqtt.Client) -> None:
        """Downlinks for devices that another network serves."""
        while True:
            self._down.clear()
            for item in self._downlinks.routed():
                route = self._routes.get(item.device)
                if route is None:
                    continue
                reference = "%s-%d" % (item.device, item.id)
                try:
                    topic, body = push(route, item.fport, item.payload, item.confirmed, reference)
                    await client.publish(topic, body, qos=1, timeout=PUBACK_S)
                except DownlinkError as error:
                    self._faults.report("down" + item.device, "%s is not sent: %s" % (item.device, error))
                with self._database.transaction():
                    self._downlinks.handed_over(item)
            await self._down.wait()

    async def _tell_unread(self, client: aiomqtt.Client) -> None:
        """What could not be read."""
        while True:
            self._unread_wanted.clear()
            while messages := self._unread.messages():
                under_way = []
                for _, device, body in messages:
                    under_way.append(client.publish(topics.topic(topics.UNREAD, device), body, qos=1, timeout=PUBACK_S))
                await asyncio.gather(*under_way)
                self._unread.told([row for row, _, _ in messages])
            await self._unread_wanted.wait()

    async def _tell_health(self, client: aiomqtt.Client) -> None:
        """What is known of devices, when it is due (`health_store`)."""
        while True:
            self._health_due.clear()
            now_ms = time.time_ns() // 1_000_000
            if tellings := self._health.due(now_ms):
                under_way = []
                for one in tellings:
                    topic = topics.topic(topics.STATUS, one.device)
                    under_way.append(client.publish(topic, one.body, qos=1, retain=True, timeout=PUBACK_S))
                await asyncio.gather(*under_way)
                self._health.told(tellings, now_ms)
                continue
            wait_ms = self._health.next_due_ms(now_ms)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._health_due.wait(), 60 if wait_ms is None else max(0.1, wait_ms / 1000))
