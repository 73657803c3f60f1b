"""Parts put together from settings: who gets which store, registry and broker."""

import logging
import os
import sys
import time
from codecs import getincrementaldecoder
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cloud.ledger.arrivals import announce
from cloud.ledger.dead_letters import DeadLetters
from cloud.ledger.heartbeats import Heartbeats
from cloud.ledger.ledger import Ledger
from cloud.registry.adoption import AdoptionRefused, adopt
from cloud.registry.registry import Registry, open_registry
from cloud.registry.sealing import HIDDEN
from cloud.sql import DatabaseUrlError
from cloud.store import open_store
from cloud.store.model import Store, StoreUrlError
from gateway.networks.channel_table import NO_TABLE, ChannelTable, ChannelTableError, parse_channel_table
from klimanetz.failure import Failure, wrong_use
from klimanetz.seal import Seal
from klimanetz.seal import of as seal_of
from klimanetz.settings import SettingError, Settings, load, reread
from schemas.models import utc_text_ms

log = logging.getLogger("klimanetz")


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def settings() -> Settings:
    """From this process's environment and working folder; a bad one ends the program."""
    try:
        return load(os.environ, Path.cwd())
    except SettingError as error:
        raise wrong_use(str(error)) from None


def registry(from_settings: Settings, stale_ms: int = 0, keys: bool = False) -> Registry:
    """`keys`: with the devices' keys, for those who need them."""
    try:
        return open_registry(from_settings.registry, now_ms, stale_ms, seal(from_settings) if keys else HIDDEN)
    except DatabaseUrlError as error:
        raise wrong_use(str(error)) from None


def with_keys(known: Registry, from_settings: Settings) -> Registry | None:
    """The same registry for who may write keys, None where there is no secret to seal them with."""
    try:
        return Registry(known.engine, known.now_ms, 0, seal(from_settings))
    except (Failure, OSError) as error:
        log.warning("%s; until then the registry cannot be changed over HTTP", error)
        return None


def store(from_settings: Settings) -> Store:
    token = from_settings.influx_token
    try:
        return open_store(from_settings.store, token and (lambda: reread(from_settings, "influx_token") or token))
    except StoreUrlError as error:
        raise wrong_use(str(error)) from None


def stored_changed(from_settings: Settings) -> Callable[[set[str]], None]:
    """To be called with the stations whose stored values were changed by something else than arriving readings."""
    engine = registry(from_settings).engine
    return lambda stations: announce(engine, stations, now_ms())


def channels(from_settings: Settings) -> ChannelTable:
    """How other networks' decoders name what devices measure; a bad table ends the program."""
    path = from_settings.channels
    if path is None:
        return NO_TABLE
    try:
        return parse_channel_table(path.read_bytes())
    except OSError as error:
        raise wrong_use(f"KLIMANETZ_CHANNELS names {path}, which cannot be read: {error.strerror}") from None
    except ChannelTableError as error:
        raise wrong_use(f"KLIMANETZ_CHANNELS names {path}, mend it: {error}") from None


def seal(from_settings: Settings) -> Seal:
    """For keys at rest."""
    return seal_of(from_settings.secret, from_settings.registry)


def worker_command(number: int, workers: int) -> list[str]:
    """How `klimanetz ingest --workers` starts one of them."""
    return [sys.executable, "-m", "klimanetz", "ingest", "--workers", str(workers), "--follow", str(number)]


def logging_to_stderr(level: int) -> None:
    """One readable line an event."""
    logging.basicConfig(level=level, format="%(asctime)s %(levelname)s %(name)s: %(message)s", force=True)
    logging.getLogger("mqtt").setLevel(logging.ERROR)  # paho and aiomqtt repeat what we say ourselves
    logging.getLogger("httpx").setLevel(logging.WARNING)


@dataclass(frozen=True, slots=True)
class Delivery:
    """What the API says of a device's delivery."""

    ledger: Ledger
    registry: Registry

    def delivery(self, device: str) -> dict[str, object] | None:
        """None for a device that nobody registered and nothing came from."""
        row = self.ledger.delivery(device)
        if row is None:
            if device not in self.registry.snapshot().devices:
                return None
            counts = {"received": 0, "duplicates": 0, "late": 0, "missing": 0}
            row = {"device": device, **counts, "gaps": [], "stored": []}
        first, last = row.pop("first_ms", None), row.pop("last_ms", None)
        times = {"first": utc_text_ms(first) if first else None, "last": utc_text_ms(last) if last else None}
        return {**row, **times}


@dataclass(frozen=True, slots=True)
class Ingests:
    """What the API knows of those who take readings in."""

    heartbeats: Heartbeats

    def troubles(self, now_s: float) -> dict[str, tuple[str, ...]]:
        """By instance."""
        return {one.instance: one.troubles for one in self.heartbeats.all(int(now_s * 1000))}


@dataclass(frozen=True, slots=True)
class Letters:
    """What the API and the command line show of dead letters and unknown devices."""

    letters: DeadLetters
    registry: Registry | None = None  # one that may write keys, for `adopt`

    def dead_letter(self, number: int) -> dict[str, object] | None:
        letter = self.letters.one(number)
        return None if letter is None else shown(letter)

    def replay(self, number: int) -> bool:
        return bool(self.letters.want_replay([number]))

    def adopt(self, device: str, station: str) -> None:
        if self.registry is None:
            raise AdoptionRefused("this service cannot write keys: set KLIMANETZ_SECRET for it as for the others")
        adopt(self.registry, self.letters, device, station)

    def dead_letters(self, limit: int) -> list[dict[str, object]]:
        return [shown(letter) for letter in self.letters.newest(limit)]

    def unknown(self) -> list[dict[str, object]]:
        return [_with_times(row) for row in self.letters.unknown()]


def shown(letter: dict[str, Any]) -> dict[str, object]:
    """A dead letter for people and scripts: text where the payload is text, else hexadecimal."""
    payload = bytes(letter["payload"])
    cut = letter["size"] > len(payload)  # perhaps inside a character
    try:
        body = {"payload": getincrementaldecoder("utf-8")().decode(payload, final=not cut)}
    except UnicodeDecodeError:
        body = {"payload_hex": payload.hex()}
    names = ("id", "topic", "device", "reason", "detail", "size")
    return {**{n: letter[n] for n in names}, "received": utc_text_ms(letter["received_ms"]), **body}


def _with_times(row: dict[str, Any]) -> dict[str, object]:
    times = {name: utc_text_ms(row.pop(f"{name}_ms")) for name in ("first", "last")}
    return {**row, **times}
