"""The gateway as a process: the socket, the broker, the clocks. What is decided is decided in the modules it wires.

Frames are captured and acknowledged whether or not the broker is there. A stop finishes what is captured; what is
not published then goes out at the next start.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from gateway.counters import Faults, GatewayCounters
from gateway.database import Database, StorageError
from gateway.lorawan.downlinks import Downlinks
from gateway.lorawan.network import Network
from gateway.lorawan.sessions import Sessions
from gateway.mqtt import MqttUrl
from gateway.networks.channel_table import NO_TABLE, ChannelTable
from gateway.networks.events import Events
from gateway.notices import Notices
from gateway.ports import DeviceDirectory, Seal
from gateway.radio import Now, Radio
from gateway.semtech.endpoint import UdpAddress, UdpEndpoint
from gateway.semtech.forwarders import Address, Allowed, Forwarders
from gateway.spool import GWMP, MQTT, Limits, Spool
from gateway.tell import Tell
from gateway.unread import UnreadPayloads
from gateway.uplink import BrokerUplink, first_of

REPLAY_ROWS = 500
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class GatewayConfig:
    """`gateways`: "any", or EUI -> address (None: any). `instance`: MQTT client id and name on the status topic."""

    mqtt: MqttUrl
    spool: Path
    instance: str = "gateway-1"
    udp_host: str = "0.0.0.0"  # gateways are elsewhere
    udp_port: int = 1700
    gateways: Allowed = "any"
    net_id: int = 0
    limits: Limits = field(default_factory=Limits)
    republish_after_s: float = 300
    read_again_s: float = 10  # how often what could not be read is tried again
    channels: ChannelTable = NO_TABLE  # how decoders of other networks name what devices measure


async def run(
    config: GatewayConfig,
    directory: DeviceDirectory,
    seal: Seal,
    ready: Callable[[UdpAddress], None],
    stop: asyncio.Event,
    counters: GatewayCounters | None = None,
) -> None:
    """Works until `stop`. `ready` is told where gateways are heard. Raises PortError and StorageError at the start."""
    service = _Service(config, directory, seal, counters or GatewayCounters())
    try:
        service.replay()
        await service.run(ready, stop)
    finally:
        service.close()


class _Service:
    def __init__(
        self, config: GatewayConfig, directory: DeviceDirectory, seal: Seal, counters: GatewayCounters
    ) -> None:
        self._counters = counters
        self._database = Database(config.spool)
        self._spool = Spool(self._database, config.limits)
        faults = Faults(_log, time.monotonic)
        self._forwarders = Forwarders(config.gateways)
        downlinks = self._downlinks = Downlinks(
            self._database,
            lambda device, how: faults.report("lost" + device, f"a downlink for {device} was given up: {how}"),
        )
        tell = Tell(self._database, directory, downlinks, counters, faults)
        network = Network(directory, Sessions(self._database, seal), downlinks, tell, config.net_id)
        self._unread = UnreadPayloads(self._database, self._spool, directory, counters, faults)
        self._radio = Radio(
            self._database, self._spool, network, downlinks, self._unread, self._forwarders, counters, faults
        )
        self._events = Events(self._database, self._spool, directory, counters, faults, tell, config.channels)
        notices = Notices(self._database, downlinks, self._unread, self._forwarders.states, faults)
        self._uplink = BrokerUplink(
            config.mqtt, config.instance, self._database, self._spool, self._events, tell, notices, counters, faults,
            config.republish_after_s,
        )  # fmt: skip
        self._config = config
        self._udp: UdpEndpoint | None = None
        self._heard = asyncio.Event()

    def replay(self) -> None:
        """What a former run captured and did not finish; too late to answer, in time to publish."""
        last = 0
        if waiting := self._spool.rows["captured"]:
            _log.info("taking up %d datagrams and events that the last run did not finish", waiting)
        while rows := self._spool.captured(last, REPLAY_ROWS):
            now = _now()
            self._radio.replay([row for row in rows if row[1].kind == GWMP], now)
            self._radio.work(now, flush=True)
            self._events.replay([row for row in rows if row[1].kind == MQTT])
            self._events.work()
            last = rows[-1][0]

    async def run(self, ready: Callable[[UdpAddress], None], stop: asyncio.Event) -> None:
        self._udp = UdpEndpoint(self._config.udp_host, self._config.udp_port, self._on_datagrams)
        address = self._udp.address
        _log.info("hearing gateways on UDP %s:%d, broker %s", *address, self._config.mqtt)
        ready(address)
        await first_of(
            self._work(), self._uplink.run(self._status), self._summary(), self._read_again(), self._until(stop)
        )
        self._radio.work(_now(), flush=True)

    def close(self) -> None:
        if self._udp:
            self._udp.close()
        self._database.close()

    def _on_datagrams(self, batch: list[tuple[bytes, Address]]) -> None:
        assert self._udp
        try:
            self._udp.send(self._radio.take(batch, _now()))
        except Exception:  # the socket goes on, whatever came
            self._counters.faults += 1
            _log.exception("datagrams could not be handled")
        self._heard.set()

    async def _until(self, stop: asyncio.Event) -> None:
        await stop.wait()
        self._uplink.leave()

    async def _work(self) -> None:
        """Deals with frames when their window has closed."""
        assert self._udp
        while True:
            due_ms = self._radio.next_due_ms()
            if due_ms is None:
                self._heard.clear()
                await self._heard.wait()
                continue
            await asyncio.sleep(max(0.0, due_ms - _now().steady_ms) / 1000)
            self._udp.send(self._radio.work(_now()))
            self._uplink.wake()

    async def _read_again(self) -> None:
        """What could not be read, once the registry says more of the device."""
        while True:
            try:
                if self._unread.try_again():
                    self._uplink.wake()
            except StorageError as error:
                _log.warning("%s", error)
            await asyncio.sleep(self._config.read_again_s)

    async def _summary(self) -> None:
        while True:
            seen = (self._counters.frames, self._counters.published)
            await asyncio.sleep(60)
            if seen != (self._counters.frames, self._counters.published):
                _log.info(
                    "%d gateways, %d frames, %d readings, %d published, %d stored, %d wait",
                    len(self._forwarders), self._counters.frames, self._counters.readings, self._counters.published,
                    self._counters.acknowledged, self._spool.rows["reading"],
                )  # fmt: skip

    def _status(self) -> dict[str, object]:
        counted = self._counters.as_dict() | {"unmapped": self._counters.unmapped.total()}
        counted["downlinks_ended"] = dict(self._downlinks.ended)
        return {"role": "gateway", "gateways": len(self._forwarders), "spool": dict(self._spool.rows), **counted}


def _now() -> Now:
    return Now(time.time_ns() // 1_000_000, time.monotonic() * 1000)
