"""A new box takes over a place: the series goes on there, and what the old one had not sent is not lost.

The rule: the old box's readings are on the laptop's disk before anything else, and the place changes hands at one
moment, before the new box's first reading. Each part can be done again, and the whole, too.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from firmware.bench.board import looking
from firmware.bench.board.backup import CONFIG, Backup, durable, read
from firmware.bench.board.shelf import Shelf, stamp
from firmware.bench.checklist.verifying import Wanted
from firmware.bench.flash.flashing import Told, Wish
from firmware.bench.identity.places import Row, moment
from firmware.bench.identity.provision import Order
from firmware.bench.identity.registry import Registry
from firmware.bench.installing import Installed, Laptop, install
from firmware.bench.trouble import BenchError, WrongUse
from firmware.bench.words import say

OLD = "old"


@dataclass(frozen=True, slots=True)
class Change:
    """`old`: the device that leaves, "" for the one that stands at `station`; `port`: where the old box hangs, ""
    where it is gone or dead.
    """

    old: str = ""
    station: str = ""
    port: str = ""


@dataclass(frozen=True, slots=True)
class Replaced:
    """`backup`: of the old box, "" where it could not be asked; `unsent`: readings that are only there."""

    installed: Installed
    old: str
    station: str
    backup: str
    unsent: int


def exchange(
    laptop: Laptop, change: Change, wish: Wish, order: Order, wanted: Wanted, told: Told, on_check: Callable[..., None]
) -> Replaced:
    """Raises BenchError; whatever happened, running it again goes on."""
    now = laptop.now()
    old, station = who_and_where(laptop.registry, laptop.shelf, change, stamp(now))
    if old in (order.device, order.row.device.device if order.row else ""):
        raise WrongUse(
            say(
                "%s is the old box's name: give the new one its own, --device or nothing",
                "%s heißt die alte Kiste: der neuen einen eigenen Namen geben, --device oder nichts",
                old,
            )
        )
    mark = _mark(laptop.shelf, station)
    kept = _saved(laptop.shelf, mark, change.port, old, now, told)
    if kept is not None and not wish.config and order.row is None:
        wish = replace(wish, config=kept[1].files.get(CONFIG, b""))
    order = replace(order, config=wish.config, station=station, replaces=old)
    done = install(laptop, wish, order, replace(wanted, station=station), told, on_check)
    laptop.registry.tell("replaced", done.provisioned.device, {"old": old, "station": station})
    mark.unlink(missing_ok=True)
    return Replaced(done, old, station, str(kept[0]) if kept else "", kept[1].unsent if kept else 0)


def who_and_where(registry: Registry, shelf: Shelf, change: Change, now: str) -> tuple[str, str]:
    """The device that leaves, and the station; of a change that was begun, as it began. Raises WrongUse."""
    old, station = change.old, change.station
    begun = _begun(_mark(shelf, station)) if station else {}
    if begun and old in ("", begun["old"]) and _goes_on(begun, registry.stays(begun["old"]), station):
        return begun["old"], station
    if not old:
        here = registry.standing_at(station, now) if station else []
        if len(here) != 1:
            raise WrongUse(
                say(
                    "which device leaves? --old NAME (%s)",
                    "welches Gerät geht? --old NAME (%s)",
                    ", ".join(here) or say("none stands there now", "dort steht jetzt keines"),
                )
            )
        old = here[0]
    stays = registry.stays(old)
    if not station and stays:
        station = _last(stays)["station"]
    if not station:
        raise WrongUse(
            say("%s stands nowhere: name the place, --station", "%s steht nirgends: den Ort nennen, --station", old)
        )
    return old, station


def _last(stays: list[Row]) -> Row:
    """Where it stands, or stood last."""
    return next((stay for stay in stays if not stay.get("to")), stays[-1])


def _goes_on(begun: dict[str, str], stays: list[Row], station: str) -> bool:
    """Whether a change that was begun is still the one to be made: its old device stands there, or left by it."""
    last = _last(stays) if stays else {}
    left = last.get("to")
    return last.get("station") == station and (not left or moment(left) >= moment(begun.get("time")))


def _saved(shelf: Shelf, mark: Path, port: str, old: str, now: datetime, told: Told) -> tuple[Path, Backup] | None:
    """The old box's backup: now, or that of the run before where it is unplugged already."""
    before = _begun(mark)
    before = before if before.get("old") == old else {}
    known = before.get("backup", "")
    if port:
        try:
            kept = looking.by_port(port, now, lambda n, of: told(OLD, n, of))
        except BenchError:
            if not known:
                raise
        else:
            if kept.device != old:
                raise WrongUse(_other(port, kept.device, old))
            known = str(shelf.save(kept))
    time = before.get("time") or stamp(now)
    durable(mark, json.dumps({"old": old, "backup": known, "time": time}).encode())
    return (Path(known), read(Path(known))) if known else None


def _other(port: str, found: str, old: str) -> str:
    return say(
        "the box at %s is %s, not %s: are the ports the wrong way round? If the old box is dead, leave --old-port out",
        "die Kiste an %s ist %s, nicht %s: Anschlüsse vertauscht? Ist die alte Kiste tot, --old-port weglassen",
        port,
        found or say("no device", "kein Gerät"),
        old,
    )


def _begun(mark: Path) -> dict[str, str]:
    """What a change was begun with, {} where none was."""
    try:
        said: dict[str, str] = json.loads(mark.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise BenchError(
            say("%s cannot be read: %s; delete it", "%s ist nicht lesbar: %s; löschen", mark, error)
        ) from None
    return said


def _mark(shelf: Shelf, station: str) -> Path:
    return shelf.folder / f"replace-{station}.json"
