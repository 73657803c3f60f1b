"""The gateway's real core behind a real UDP socket, with the time of whoever sends: `tmst` and `time` of its frames.

Everything is the service's own (`gateway.service`), but its clock: a frame that says when it was heard is taken then,
and its window closes at once, so that windows cost no real time. Answers go out before the PUSH_ACK, so a simulated
gateway that has its PUSH_ACK has everything. Readings go to `on_readings`, or to a real broker as the service's do.
One thread with an event loop; what is called from outside runs there.
"""

import asyncio
import logging
import threading
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import orjson

from gateway.counters import Faults, GatewayCounters
from gateway.database import Database
from gateway.health_store import HealthStore
from gateway.lorawan.downlinks import Downlinks
from gateway.lorawan.network import Network
from gateway.lorawan.sessions import Sessions
from gateway.mqtt import MqttUrl
from gateway.networks.events import Events
from gateway.notices import Notices
from gateway.radio import Now, Radio
from gateway.semtech import datagrams
from gateway.semtech.endpoint import UdpEndpoint
from gateway.semtech.forwarders import Address, Forwarders
from gateway.spool import Spool
from gateway.tell import Tell
from gateway.unread import UnreadPayloads
from gateway.uplink import BrokerUplink
from schemas.models import Device
from tests.gateway.helpers import Directory, PlainSeal

T = TypeVar("T")
NETWORK_MS = 40  # from a gateway to us
OnReadings = Callable[[str, list[dict[str, Any]]], None]


class GatewayCore:
    """`with GatewayCore(…) as core`: hears gateways at `core.address` until the block ends."""

    def __init__(
        self, folder: Path, *devices: Device, on_readings: OnReadings | None = None, broker: MqttUrl | None = None,
        acknowledges: bool = False,
    ) -> None:  # fmt: skip
        """`acknowledges`: without a broker, every reading is said to be stored as soon as it is there."""
        self._folder, self._devices = folder, devices
        self._acknowledges = acknowledges
        self._on_readings, self._broker = on_readings, broker
        self.readings: dict[str, dict[tuple[int, int], dict[str, Any]]] = {}  # device -> (generation, seq) -> newest
        self.frames: list[tuple[int, str, int]] = []  # (wall ms, datr, bytes) of each uplink
        self.counters = GatewayCounters()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)
        self._steady_ms = 0.0
        self._wall_ms = 0
        self._told_to = 0
        self._statuses: dict[str, list[dict[str, Any]]] = {}
        self._failure: BaseException | None = None

    def __enter__(self) -> "GatewayCore":
        self._thread.start()
        assert self._ready.wait(10), self._failure
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)
        if error is None and self._failure is not None:
            raise self._failure

    def call(self, what: Callable[[], T]) -> T:
        """Runs something in the core's own thread; its result."""

        async def run() -> T:
            return what()

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result(10)

    def acknowledge(self, device: str, ranges: list[tuple[int, int, int]]) -> None:
        """What the cloud says on `klimanetz/v1/ack/<device>`."""

        self.call(lambda: self._stored(device, ranges))

    def command(self, device: str, **command: Any) -> None:
        """What the cloud says on `klimanetz/v1/down/<device>`."""
        self.call(lambda: self.tell.command(device, orjson.dumps(command), self._wall_ms))

    def health(self, device: str) -> dict[str, Any]:
        """The device's status as it would be published."""
        return self.call(lambda: HealthStore(self.database).state(device))

    def statuses(self, device: str) -> list[dict[str, Any]]:
        """Each status that was another one than that before, oldest first."""
        return list(self._statuses.get(device, ()))

    def faults_told(self, device: str) -> set[tuple[str, str]]:
        """(sensor, fault) of all statuses."""
        return {(one["sensor"], one["fault"]) for status in self.statuses(device) for one in status.get("faults", ())}

    def _stored(self, device: str, ranges: list[tuple[int, int, int]]) -> None:
        with self.database.transaction():
            self.spool.forget(device, ranges)
            self.tell.acknowledged(device, ranges)

    async def _run(self) -> None:
        try:
            self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
            self._build()
            self._udp = UdpEndpoint("127.0.0.1", 0, self._on_batch)
            self.address = self._udp.address
            self._ready.set()
            tasks = [asyncio.create_task(self._stop.wait())]
            if self._uplink:
                tasks.append(asyncio.create_task(self._uplink.run(lambda: {"role": "gateway"})))
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in tasks[1:]:
                self._uplink and self._uplink.leave()
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._udp.close()
            self.database.close()
        except BaseException as error:
            self._failure = error
            raise

    def _build(self) -> None:
        """As gateway.service does."""
        self.database = database = Database(self._folder)
        self.spool = Spool(database)
        self.directory = directory = Directory(*self._devices)
        faults = Faults(logging.getLogger(__name__), lambda: 0)
        self.forwarders = Forwarders()
        self.downlinks = Downlinks(database)
        self.tell = Tell(database, directory, self.downlinks, self.counters, faults)
        self.network = Network(directory, Sessions(database, PlainSeal()), self.downlinks, self.tell)
        self.unread = UnreadPayloads(database, self.spool, directory, self.counters, faults)
        self.radio = Radio(
            database, self.spool, self.network, self.downlinks, self.unread, self.forwarders, self.counters, faults
        )
        self._uplink: BrokerUplink | None = None
        if self._broker:
            events = Events(database, self.spool, directory, self.counters, faults, self.tell)
            notices = Notices(database, self.downlinks, self.unread, self.forwarders.states, faults)
            self._uplink = BrokerUplink(
                self._broker, "gateway-core", database, self.spool, events, self.tell, notices, self.counters, faults
            )

    def _on_batch(self, batch: list[tuple[bytes, Address]]) -> None:
        try:
            for datagram, address in batch:
                self._on_datagram(datagram, address)
        except BaseException as error:
            self._failure = error
            self._stop.set()

    def _on_datagram(self, datagram: bytes, address: Address) -> None:
        self._steady_ms += 1000
        self._note(datagram)
        acks = self.radio.take([(datagram, address)], Now(self._wall_ms, self._steady_ms))
        due_ms = self.radio.next_due_ms()
        if due_ms is not None:
            waited_ms = due_ms - self._steady_ms
            self._udp.send(self.radio.work(Now(self._wall_ms + int(waited_ms), due_ms)))
        self._udp.send(acks)
        self._publish()
        for device in self._devices:
            told, state = self._statuses.setdefault(device.device, []), HealthStore(self.database).state(device.device)
            if state and (not told or told[-1] != state):
                told.append(state)

    def _note(self, datagram: bytes) -> None:
        """The time is that of the newest frame."""
        try:
            parsed = datagrams.parse(datagram)
        except datagrams.DatagramError:
            return
        for rx in parsed.frames if isinstance(parsed, datagrams.PushData) else ():
            if isinstance(rx.time, datetime):
                heard_ms = round(rx.time.timestamp() * 1000)
                self._wall_ms = heard_ms + NETWORK_MS
                self.frames.append((heard_ms, f"SF{rx.sf}", len(rx.phy)))

    def _publish(self) -> None:
        if self._uplink:
            self._uplink.wake()
            return
        while rows := self.spool.waiting(self._told_to, 500):
            self._told_to = rows[-1].id
            for row in rows:
                reading = orjson.loads(row.body)
                key = (reading["generation"], reading["seq"])
                self.readings.setdefault(row.device, {})[key] = reading
                if self._acknowledges:
                    self._stored(row.device, [(key[0], key[1], key[1])])
                if self._on_readings:
                    self._on_readings(row.device, [reading])
