"""The air between simulated stations and gateways: who hears whom, and which receive window an answer falls into.

The rule: simulated gateways are as limited as real ones. One sends a frame at a time and keeps its duty cycle, so a
city has several, each hears a few stations, and its counter moves on from frame to frame by more than an answer takes.
A JoinAccept is heard only in the windows of the request it answers, since it does not name that request. Of the frames
that a station sends at once (history, faster than real) only the last can be answered: the windows of the others are
over, and they come without the gateway's counter. Specification: LoRaWAN 1.0.4, section 3.3; RP002-1.0.4 EU863-870.
"""

import asyncio
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from edge.lorawan import eu868, frames
from simulators import forwarder
from simulators.forwarder import Forwarder, Heard
from simulators.station import Station

FIRST_GATEWAY = 0xA84041FFFF1EC1F5
STATIONS_A_GATEWAY = 3
FRAMES_IN_DATAGRAM = 8
DATAGRAMS_UNDER_WAY = 8  # of all gateways: no more than the network's socket can hold
JOIN_WINDOWS_US = (eu868.JOIN_RX1_DELAY_S * 1_000_000, (eu868.JOIN_RX1_DELAY_S + 1) * 1_000_000)
RX_WAIT_S = 2.0  # for the answers to joins: no simulated station sits out its windows


class Air:
    """LoRaWAN stations and the gateways that hear them."""

    def __init__(self, stations: Sequence[Station]) -> None:
        self._stations = [station for station in stations if station.lorawan is not None]
        self._number = {station.dev_eui: n for n, station in enumerate(self._stations)}
        self._gateways: list[Forwarder] = []
        self._waiting: dict[tuple[str, int], Station] = {}  # by gateway and its counter at the JoinRequest
        self._answered = asyncio.Event()

    async def open(self, address: tuple[str, int]) -> None:
        """Starts the gateways; returns once the network at this address has answered each."""
        window = asyncio.Semaphore(DATAGRAMS_UNDER_WAY)
        for n in range(-(-len(self._stations) // STATIONS_A_GATEWAY)):
            eui = f"{FIRST_GATEWAY + n:016x}"
            self._gateways.append(await forwarder.connect(address, eui, window, self.hear))
        await asyncio.gather(*(gateway.pull() for gateway in self._gateways))

    async def join(self, requests: Sequence[tuple[Station, bytes]]) -> None:
        """Sends JoinRequests, all at once; returns when all are answered, or after `RX_WAIT_S`."""
        self._waiting.clear()  # what answers an earlier request comes too late
        self._answered.clear()
        async with asyncio.TaskGroup() as tasks:
            for station, phy in requests:
                gateway = self._gateway_of(station)
                heard = _heard(phy, gateway.tick())
                self._waiting[gateway.eui, heard.tmst or 0] = station
                tasks.create_task(gateway.push([heard]))
        try:
            async with asyncio.timeout(RX_WAIT_S):
                await self._answered.wait()
        except TimeoutError:
            pass

    async def send(self, phys: Iterable[bytes]) -> None:
        """Sends data frames in this order; returns once the network has acknowledged all of them."""
        senders = {s.lorawan.session.dev_addr: s for s in self._stations if s.lorawan and s.lorawan.session}
        sent = [(senders.get(_dev_addr(phy), self._stations[0]), phy) for phy in phys]
        newest = {station.device: n for n, (station, _) in enumerate(sent)}
        by_gateway: dict[Forwarder, list[Heard]] = {}
        for n, (station, phy) in enumerate(sent):
            gateway = self._gateway_of(station)
            tmst = gateway.tick() if newest[station.device] == n else None
            by_gateway.setdefault(gateway, []).append(_heard(phy, tmst))
        async with asyncio.TaskGroup() as tasks:
            for gateway, heard in by_gateway.items():
                for n in range(0, len(heard), FRAMES_IN_DATAGRAM):
                    tasks.create_task(gateway.push(heard[n : n + FRAMES_IN_DATAGRAM]))

    def hear(self, gateway: str, phy: bytes, tmst: int) -> None:
        """A gateway transmits: a JoinAccept reaches who listens at that moment, any other frame whom it addresses."""
        if phy[0] >> 5 != frames.JOIN_ACCEPT:
            for station in self._stations:
                if station.lorawan and station.lorawan.session and station.lorawan.session.dev_addr == _dev_addr(phy):
                    station.hear(phy)
            return
        for delay_us in JOIN_WINDOWS_US:
            key = gateway, (tmst - delay_us) % forwarder.TMST_WRAP
            if key in self._waiting and self._waiting[key].hear(phy):  # True only where its keys open it
                del self._waiting[key]
        if not self._waiting:
            self._answered.set()

    def _gateway_of(self, station: Station) -> Forwarder:
        return self._gateways[self._number[station.dev_eui] // STATIONS_A_GATEWAY]


def _dev_addr(phy: bytes) -> int:
    return int.from_bytes(phy[1:5], "little")


def _heard(phy: bytes, tmst: int | None) -> Heard:
    strength = phy[-1] / 255  # anything that differs from frame to frame
    return Heard(phy, tmst, datetime.now(UTC), -112 + 40 * strength, -6 + 14 * strength)
