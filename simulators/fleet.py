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
from schemas.wire import WireReading
from simulators import forwarder
from simulators.city import Site, sites
from simulators.station import Aes, Station, message

GATEWAY_EUI = "a84041ffff1ec1f5"
JOIN_EUI = "70b3d57ed0000000"
FRAMES_IN_DATAGRAM = 8
READINGS_IN_MESSAGE = 100
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
        new.write_text(json.dumps({"seed": self.seed, "devices": self._devices}))
        new.replace(self.path)

    def hear(self, phy: bytes) -> None:
        """The air: only the station that listens now has its receive window open."""
        if self._hearing is not None and self._hearing.hear(phy):
            self._joined.set()

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

    async def history(self, times: Sequence[int], air: forwarder.Forwarder, broker: aiomqtt.Client) -> int:
        """Readings of past moments, station after station at each moment; how many were sent."""
        spans = [times[n : n + READINGS_IN_MESSAGE] for n in range(0, len(times), READINGS_IN_MESSAGE)]
        sent = 0
        for span in spans:
            frames: list[bytes] = []
            messages: dict[str, list[WireReading]] = {}
            for time_s in span:
                for station in self.stations:
                    if time_s <= station.last_s:
                        continue
                    if station.lorawan is not None:
                        frames.append(station.frame(time_s))
                    else:
                        messages.setdefault(station.device, []).append(station.measure(time_s))
            self.save()
            await self._send(frames, messages, air, broker)
            sent += len(frames) + sum(map(len, messages.values()))
        return sent

    async def _send(
        self,
        frames: list[bytes],
        messages: dict[str, list[WireReading]],
        air: forwarder.Forwarder,
        broker: aiomqtt.Client,
    ) -> None:
        groups = [frames[n : n + FRAMES_IN_DATAGRAM] for n in range(0, len(frames), FRAMES_IN_DATAGRAM)]
        async with asyncio.TaskGroup() as tasks:
            for group in groups:
                tasks.create_task(air.push([_received(phy) for phy in group]))
        for device, readings in messages.items():
            body = json.dumps([message(device, reading) for reading in readings])
            await broker.publish(topics.topic(topics.UP, device), body, qos=1)

    async def live(self, every_s: int, air: forwarder.Forwarder, broker: aiomqtt.Client) -> None:
        """One reading of every station at every full interval, for ever."""
        while True:
            now = datetime.now(UTC).timestamp()
            at = (int(now) // every_s + 1) * every_s
            await asyncio.sleep(at - now)
            await self.history([at], air, broker)


def _received(phy: bytes) -> tuple[bytes, datetime, float, float]:
    strength = phy[-1] / 255  # anything that differs from frame to frame
    return phy, datetime.now(UTC), -112 + 40 * strength, -6 + 14 * strength
