"""`klimanetz demo`: the whole chain on embedded parts, on loopback, in one folder.

Simulated stations send real LoRaWAN frames over UDP and readings over MQTT; the same services as in a city take it
from there. Everything lives in `--data`, so a second start goes on where the first one stopped.
"""

import asyncio
import logging
import os
import socket
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiomqtt
import httpx
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from cloud.filelock import locked
from cloud.mqtt import MqttUrl
from cloud.registry import imports
from gateway.lorawan.aes import aes
from klimanetz import broker, services, wiring
from klimanetz.failure import Failure
from klimanetz.settings import Listen, Settings, load
from simulators.air import Air
from simulators.fleet import JOIN_EUI, Fleet, FleetFileError
from simulators.station import WeatherAt
from simulators.weather import weather_at

HISTORY_EVERY_S = 900
LIVE_EVERY_S = 60
READY_S = 120.0
FINISH_S = 20.0  # for what is being sent when somebody presses Ctrl-C; what remains goes out at the next start
log = logging.getLogger("klimanetz.demo")
Address = asyncio.Future[tuple[str, int]]  # where the gateway hears Semtech UDP
Ready = Callable[[Address], Coroutine[Any, Any, None]]


async def run(stations: int, history_days: float, port: int, folder: Path, stop: asyncio.Event) -> None:
    """Until `stop`. Prints `ready http://127.0.0.1:P` once every station's newest value can be asked for."""
    folder = folder.absolute()
    check_free(port)
    with alone(folder):
        settings = settings_in(folder, port)
        fleet = fleet_of(folder, stations)
        register(fleet, settings)
        await carry(folder, settings, fleet, history_days, stop, lambda _: _ready(settings, stations))


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """One demo in a folder; the system lets go when the process ends, however it ends."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        held = (folder / "lock").open("w")
    except OSError as error:
        raise Failure(f"the folder {folder} cannot be used: {error.strerror}; choose another with --data") from None
    with held:
        if not locked(held):
            raise Failure(f"another demo uses {folder}; choose another folder with --data, or end that demo")
        yield


async def carry(
    folder: Path, settings: Settings, fleet: Fleet, history_days: float, stop: asyncio.Event, ready: Ready
) -> None:
    """Broker, services and stations until `stop`; `ready` runs beside them and may end."""
    parts = _Parts()
    embedded = await broker.start(folder / "broker", settings.mqtt_url.port)
    try:
        await _with_services(settings, fleet, history_days, stop, parts, ready)
    finally:
        await parts.end()
        await embedded.stop()


def fleet_of(folder: Path, stations: int, weather: WeatherAt = weather_at) -> Fleet:
    """The stations of this folder. Raises Failure: counts and keys are lost with the file, so all of it begins anew."""
    try:
        return Fleet(folder / "fleet.json", stations, aes, weather)
    except FleetFileError as error:
        raise Failure(f"{error}; begin anew with another folder (--data), or delete all of {folder}") from None


async def _with_services(
    settings: Settings, fleet: Fleet, history_days: float, stop: asyncio.Event, parts: "_Parts", ready: Ready
) -> None:
    address: Address = asyncio.get_running_loop().create_future()
    parts.add("gateway", services.gateway(settings, parts.stop, _nothing, address))
    parts.add("ingest", services.ingest(settings, parts.stop, _nothing))
    parts.add("api", services.api(settings, parts.stop, _nothing))
    sending = parts.add("stations", _stations(settings, fleet, history_days, address))
    said = parts.add("ready", ready(address))
    stopping = asyncio.create_task(stop.wait())
    watched = {*parts.tasks.values(), stopping} - {said}
    done, _ = await asyncio.wait(watched, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    for task in done - {stopping}:
        task.result()  # a part never ends by itself: show why it did
    fleet.stop.set()
    await asyncio.wait([sending], timeout=FINISH_S)


async def _stations(settings: Settings, fleet: Fleet, history_days: float, address: Address) -> None:
    air = Air(fleet.stations)
    await air.open(await address)
    url = settings.mqtt_url
    async with aiomqtt.Client(url.host, url.port, identifier="demo-stations") as client:
        await fleet.join(air)
        await fleet.send(air, client)
        now = int(time.time())
        first = now - int(history_days * 86_400)
        times = list(range(first - first % HISTORY_EVERY_S + HISTORY_EVERY_S, now, HISTORY_EVERY_S)) or [now]
        await fleet.history(times, air, client)
        await fleet.live(LIVE_EVERY_S, air, client)


async def _ready(settings: Settings, stations: int) -> None:
    """Ask our own API until every station has a value, and say so."""
    base = f"http://127.0.0.1:{settings.http_listen.port}"
    console = Console(stderr=True)
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    patience = time.monotonic() + READY_S
    have = 0
    async with httpx.AsyncClient(base_url=base) as client:
        with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
            task = progress.add_task("stations join and send …")
            while have < stations and (have == 0 or time.monotonic() < patience):
                await asyncio.sleep(0.2)
                have = await with_values(client)
                progress.update(task, description=f"stations join and send … {have} of {stations} have values")
    print(f"ready {base}", flush=True)
    print(f"  {have} stations; page {base}/ · API {base}/docs · Ctrl-C ends it", flush=True)


async def with_values(client: httpx.AsyncClient) -> int:
    """How many stations have a value."""
    try:
        answer = await client.get("/v1/latest")
        answer.raise_for_status()
    except httpx.HTTPError:
        return 0
    return sum(bool(feature["properties"]["values"]) for feature in answer.json()["features"])


class _Parts:
    """The running parts; they stop together, senders first."""

    def __init__(self) -> None:
        self.stop = asyncio.Event()
        self.tasks: dict[str, asyncio.Task[None]] = {}

    def add(self, name: str, part: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        self.tasks[name] = asyncio.create_task(part, name=name)
        return self.tasks[name]

    async def end(self) -> None:
        for name in ("ready", "stations"):
            if name in self.tasks:
                self.tasks[name].cancel()
        self.stop.set()
        await asyncio.gather(*self.tasks.values(), return_exceptions=True)


def register(fleet: Fleet, settings: Settings) -> None:
    """The way every station comes in: as registry files."""
    registry = wiring.registry(settings, keys=True)
    stations = ["station,name,latitude,longitude,elevation_m,height_m,lcz,district"]
    devices = ["device,station,activation,dev_eui,join_eui,app_key,codec"]
    for identity in fleet.identities:
        site = identity.site
        stations.append(
            f"{site.station},{site.name},{site.latitude},{site.longitude},{site.place.elevation_m:g},2,"
            f"{site.lcz},{site.district}"
        )
        radio = f"otaa,{identity.dev_eui},{JOIN_EUI},{identity.app_key}" if identity.dev_eui else "mqtt,,,"
        devices.append(f"{identity.device},{site.station},{radio},klimanetz")
    imports.import_stations(registry, "\n".join(stations).encode())
    imports.import_devices(registry, "\n".join(devices).encode())
    registry.engine.dispose()


def settings_in(folder: Path, port: int) -> Settings:
    """The services' settings, all inside the folder and on loopback; nothing comes from the environment."""
    settings = load({}, folder / "no-settings-file-here")
    return replace(
        settings,
        mqtt_url=MqttUrl("127.0.0.1", free_port()),
        mqtt_share=None,
        store=f"sqlite:///{folder / 'series.db'}",
        registry=f"sqlite:///{folder / 'registry.db'}",
        udp_listen=Listen("127.0.0.1", 0),
        http_listen=Listen("127.0.0.1", port),
        spool=folder / "spool",
    )


def free_port() -> int:
    """One that nobody uses now, on loopback."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def check_free(port: int) -> None:
    """Raises Failure."""
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError as error:
        raise Failure(
            f"port {port} cannot be used: {os.strerror(error.errno or 0)}; choose another with --port"
        ) from None


def _nothing(line: str) -> None:
    log.info("%s", line)
