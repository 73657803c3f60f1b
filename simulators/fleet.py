"""A fleet of simulated stations on real ports: joins by OTAA, history as fast as it is taken, then live.

The rule of the real devices holds here too: state is on disk before what was made from it is sent, so a fleet that
is killed goes on where it was and never counts a reading twice.
"""

import asyncio
import json
import os
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiomqtt

from edge.lorawan.device import Device
from schemas import topics
from simulators.air import Air
from simulators.city import Site, sites
from simulators.station import Aes, Station, WeatherAt, message
from simulators.weather import weather_at

JOIN_EUI = "70b3d57ed0000000"
READINGS_IN_MESSAGE = 50  # fewer than the uplinks after which a device asks for an answer
READINGS_AT_FIRST = 2  # then more and more, so that every station soon has a value
JOIN_TRIES = 5
JOINS_AT_ONCE = 32


@dataclass(frozen=True, slots=True)
class Identity:
    """What a registry needs to know of a simulated device; `app_key` is None for a Wi-Fi station."""

    device: str
    site: Site
    dev_eui: str | None = None
    app_key: str | None = None


class FleetFileError(Exception):
    """The file of identities and states cannot be read; the message is one sentence."""


class Fleet:
    """The stations, and the file that keeps their identity and state. Raises FleetFileError."""

    def __init__(self, path: Path, count: int, aes: Aes, weather: WeatherAt = weather_at) -> None:
        self.path = path
        self._aes, self._weather = aes, weather
        saved: dict[str, Any] = {"seed": secrets.randbits(31), "devices": {}}
        try:
            if path.exists():
                saved = json.loads(path.read_text())
            self.seed: int = saved["seed"] + 0
            self._devices: dict[str, dict[str, Any]] = saved["devices"]
            self._outbox: dict[str, Any] = saved.get("outbox", {})  # made and perhaps not sent
            self._phys()
            self.identities = [self._identity(n, site) for n, site in enumerate(sites(count))]
            self.stations = [self._station(identity) for identity in self.identities]
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            raise FleetFileError(f"{path} is not what a fleet has stored ({error!r})") from None
        self.stop = asyncio.Event()  # finish what is being sent, then measure no more

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
        return Station(
            identity.device, identity.site, self.seed, radio, identity.dev_eui, weather=self._weather, **counted
        )

    def save(self) -> None:
        """On disk when it returns: a new file takes the place of the old one."""
        for station in self.stations:
            self._devices[station.device]["state"] = station.to_dict()
        text = json.dumps({"seed": self.seed, "devices": self._devices, "outbox": self._outbox})
        new = self.path.with_suffix(".new")
        with new.open("w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        new.replace(self.path)
        if os.name == "posix":  # elsewhere a folder cannot be opened, and the new name is the system's business
            folder = os.open(self.path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)

    async def join(self, air: Air) -> None:
        """Every LoRaWAN station without a session joins, some at a time."""
        without = [station for station in self.stations if _outside(station)]
        for n in range(0, len(without), JOINS_AT_ONCE):
            await self._join_some(without[n : n + JOINS_AT_ONCE], air)
        self.save()

    async def _join_some(self, stations: list[Station], air: Air) -> None:
        for _ in range(JOIN_TRIES):
            requests = [(one, one.lorawan.join_request()) for one in stations if one.lorawan is not None]
            self.save()
            await air.join(requests)
            stations = [station for station in stations if _outside(station)]
            if not stations:
                return
        names = ", ".join(station.device for station in stations)
        raise TimeoutError(f"not let in after {JOIN_TRIES} joins: {names}")

    async def history(self, times: Sequence[int], air: Air, broker: aiomqtt.Client) -> None:
        """Readings of past moments, station after station at each moment, until `stop`."""
        first, size = 0, READINGS_AT_FIRST
        while first < len(times) and not self.stop.is_set():
            self._measure(times[first : first + size])
            await self.send(air, broker)
            first, size = first + size, min(2 * size, READINGS_IN_MESSAGE)

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

    async def send(self, air: Air, broker: aiomqtt.Client) -> None:
        """Send what is in the outbox, also what a killed run has left there; then it is empty."""
        await air.send(self._phys())
        for device, readings in self._outbox.get("messages", {}).items():
            await broker.publish(topics.topic(topics.UP, device), json.dumps(readings), qos=1)
        self._outbox = {}
        self.save()

    def _phys(self) -> list[bytes]:
        """The frames in the outbox."""
        return [bytes.fromhex(frame) for frame in self._outbox.get("frames", ())]

    async def live(self, every_s: int, air: Air, broker: aiomqtt.Client) -> None:
        """One reading of every station at every full interval, until `stop`."""
        while not self.stop.is_set():
            now = datetime.now(UTC).timestamp()
            at = (int(now) // every_s + 1) * every_s
            try:
                async with asyncio.timeout(at - now):
                    await self.stop.wait()
            except TimeoutError:
                await self.history([at], air, broker)


def _outside(station: Station) -> bool:
    """Whether it is a LoRaWAN station that has not joined."""
    return station.lorawan is not None and station.lorawan.session is None
