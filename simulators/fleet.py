"""A fleet of simulated stations on real ports: joins by OTAA, history as fast as it is taken, then live.

The rule of the real devices holds here too: state is on disk before what was made from it is sent, so a fleet that
is killed goes on where it was and never counts a reading twice.
"""

import asyncio
import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiomqtt

from edge.lorawan.device import Device
from schemas import topics
from simulators import forwarder
from simulators.city import Site, sites
from simulators.station import Aes, Station, message

GATEWAY_EUI = "a84041ffff1ec1f5"
JOIN_EUI = "70b3d57ed0000000"
FRAMES_IN_DATAGRAM = 8
READINGS_IN_MESSAGE = 50  # fewer than the uplinks after which a device asks for an answer
JOIN_TRIES = 5
RX_WAIT_S = 2.0


@dataclass(frozen=True, slots=True)
class Identity:
    """What a registry needs to know of a simulated device; `app_key` is None for a Wi-Fi station."""

    device: str
    site: Site
    dev_eui: str | None = None
    app_key: str | None = None


class Fleet:
    """The stations, and the file that keeps their identity and state."""

    def __init__(self, path: Path, count: int, aes: Aes) -> None:
        self.path = path
        self._aes = aes
        new: dict[str, Any] = {"seed": secrets.randbits(31), "devices": {}}
        saved: dict[str, Any] = json.loads(path.read_text()) if path.exists() else new
        self.seed: int = saved["seed"]
        self._devices: dict[str, dict[str, Any]] = saved["devices"]
        self.identities = [self._identity(n, site) for n, site in enumerate(sites(count))]
        self.stations = [self._station(identity) for identity in self.identities]
        self._outbox: dict[str, Any] = saved.get("outbox", {})  # made and perhaps not sent
        self.stop = asyncio.Event()  # finish what is being sent, then measure no more
        self._joined = asyncio.Event()
        self._hearing: Station | None = None

    def _identity(self, n: int, site: Site) -> Identity:
        device = f"kn-{n + 1:04d}"
        kept = self._devices.setdefault(device, {})
        if n % 4 == 3:  # every fourth is a Wi-Fi station
            return Identity(device, site)
        kept.setdefault("dev_eui", f"70b3d57e{secrets.randbits(32):08x}")
        kept.setdefault("app_key", secrets.token_hex(16))
        return Identity(device, site, kept["dev_eui"], kept["app_key"])

    def _station(self, identity: Identity) -> Station:
        state = self._devices[identity.device].get("state", {})
        radio = None
        if identity.dev_eui and identity.app_key:
            key = bytes.fromhex(identity.app_key)
            radio = Device(self._aes, int(JOIN_EUI, 16), int(identity.dev_eui, 16), key, state.get("radio"))
            radio.link.dr = 3  # SF9
        counted = {name: state[name] for name in ("generation", "seq", "last_s") if name in state}
        return Station(identity.device, identity.site, self.seed, radio, identity.dev_eui, **counted)

    def save(self) -> None:
        """On disk when it returns: a new file takes the place of the old one."""
        for station in self.stations:
            self._devices[station.device]["state"] = station.to_dict()
        new = self.path.with_suffix(".new")
        new.write_text(json.dumps({"seed": self.seed, "devices": self._devices, "outbox": self._outbox}))
        new.replace(self.path)

    def hear(self, phy: bytes) -> None:
        """The air: a JoinAccept reaches the station that waits for one, any other downlink the one it addresses."""
        if self._hearing is not None:
            if self._hearing.hear(phy):
                self._joined.set()
            return
        for station in self.stations:  # address: bytes 1 to 4, the least significant first
            session = station.lorawan.session if station.lorawan is not None else None
            if session is not None and session.dev_addr == int.from_bytes(phy[1:5], "little"):
                station.hear(phy)

    async def join(self, air: forwarder.Forwarder) -> None:
        """Every LoRaWAN station without a session joins, one after the other."""
        for station in self.stations:
            if station.lorawan is not None and station.lorawan.session is None:
                await self._join_one(station, air)
        self._hearing = None
        self.save()

    async def _join_one(self, station: Station, air: forwarder.Forwarder) -> None:
        assert station.lorawan is not None
        for _ in range(JOIN_TRIES):
            self._hearing = station
            self._joined.clear()
            request = station.lorawan.join_request()
            self.save()
            await air.push([_received(request)])
            try:
                async with asyncio.timeout(RX_WAIT_S):
                    await self._joined.wait()
                return
            except TimeoutError:
                continue
        raise TimeoutError(f"{station.device} was not let in after {JOIN_TRIES} joins")

    async def history(self, times: Sequence[int], air: forwarder.Forwarder, broker: aiomqtt.Client) -> None:
        """Readings of past moments, station after station at each moment, until `stop`."""
        for n in range(0, len(times), READINGS_IN_MESSAGE):
            if self.stop.is_set():
                return
            self._measure(times[n : n + READINGS_IN_MESSAGE])
            await self.send(air, broker)

    def _measure(self, times: Sequence[int]) -> None:
        """Fill the outbox and store it with the counts, before anything is sent."""
        frames: list[str] = []
        messages: dict[str, list[dict[str, Any]]] = {}
        for time_s in times:
            for station in self.stations:
                if time_s <= station.last_s:
                    continue
                if station.lorawan is not None:
                    frames.append(station.frame(time_s).hex())
                else:
                    messages.setdefault(station.device, []).append(message(station.device, station.measure(time_s)))
        self._outbox = {"frames": frames, "messages": messages}
        self.save()

    async def send(self, air: forwarder.Forwarder, broker: aiomqtt.Client) -> None:
        """Send what is in the outbox, also what a killed run has left there; then it is empty."""
        phys = [bytes.fromhex(frame) for frame in self._outbox.get("frames", ())]
        groups = [phys[n : n + FRAMES_IN_DATAGRAM] for n in range(0, len(phys), FRAMES_IN_DATAGRAM)]
        async with asyncio.TaskGroup() as tasks:
            for group in groups:
                tasks.create_task(air.push([_received(phy) for phy in group]))
        for device, readings in self._outbox.get("messages", {}).items():
            await broker.publish(topics.topic(topics.UP, device), json.dumps(readings), qos=1)
        self._outbox = {}
        self.save()

    async def live(self, every_s: int, air: forwarder.Forwarder, broker: aiomqtt.Client) -> None:
        """One reading of every station at every full interval, until `stop`."""
        while not self.stop.is_set():
            now = datetime.now(UTC).timestamp()
            at = (int(now) // every_s + 1) * every_s
            try:
                async with asyncio.timeout(at - now):
                    await self.stop.wait()
            except TimeoutError:
                await self.history([at], air, broker)


def _received(phy: bytes) -> tuple[bytes, datetime, float, float]:
    strength = phy[-1] / 255  # anything that differs from frame to frame
    return phy, datetime.now(UTC), -112 + 40 * strength, -6 + 14 * strength
