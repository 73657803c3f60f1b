"""Provisioning, step by step: ask the registry, look at the board, decide, register, write, deploy.

The rule: whatever may be refused is refused before the board is touched, and what stood on it is on the laptop's disk
first. Each step can be done again: a second run finds what the first one did.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from firmware.bench import looking
from firmware.bench.backup import IDENTITY, Backup
from firmware.bench.filling import check_files, put_files
from firmware.bench.places import Place, Row
from firmware.bench.provisioning import Plan, Wish, decide
from firmware.bench.registry import Registry
from firmware.bench.repl import Progress, Repl
from firmware.bench.rows import BenchRow
from firmware.bench.shelf import stamp
from firmware.bench.trouble import WrongUse
from firmware.bench.words import say
from schemas.models import Activation, Device


@dataclass(frozen=True, slots=True)
class Order:
    """What a technician asks for. Without `row`, `device` is in the registry already, or it is `new`.

    `device` may be empty: what the board is already, or with `new` a name made of its MAC. `station` "" leaves the
    device where it stands.
    """

    device: str = ""
    row: BenchRow | None = None
    new: Activation | None = None
    station: str = ""
    height_m: float | None = None
    note: str | None = None
    config: bytes = b""
    replace_identity: bool = False
    new_key: bool = False
    password: bool = False
    replaces: str = ""  # the device that leaves the station at the same moment


@dataclass(frozen=True, slots=True)
class Provisioned:
    """`change`: of the registry's row; `station`: where it stands now; `unsent`: readings of `before`, saved in
    `backup`.
    """

    device: str
    mac: str
    dev_eui: str
    change: str
    written: tuple[str, ...]
    station: str
    before: str
    unsent: int
    backup: str
    password: str
    next: tuple[str, ...]


def provision(
    repl: Repl, registry: Registry, order: Order, save: Callable[[Backup], object], now: datetime,
    told: Progress | None = None, mac: str = "",
) -> Provisioned:  # fmt: skip
    """`save` puts a backup on disk and says where; `mac`: as its loader told it. Raises BenchError; the board is as it
    was then, or nearly done.
    """
    found = looking.by_repl(repl, now)
    board = replace(found.backup, mac=found.backup.mac or mac)
    wanted, known = _wanted(order, registry, board)
    station = order.station or (order.row.station if order.row else None) or ""
    if station and registry.station(station) is None:
        raise WrongUse(
            say(
                "station '%s' is not registered; `klimanetz stations import` does that",
                "die Station '%s' ist nicht eingetragen; das geht mit `klimanetz stations import`",
                station,
            )
        )
    heard = registry.heard(wanted.device) if known is not None else False
    wish = Wish(wanted, known, heard, order.config, order.replace_identity, order.new_key, order.password)
    plan = decide(wish, board, found.board, now)
    kept = str(save(board)) if plan.files and not board.is_empty else ""
    change = registry.put_device(plan.row)
    _write(repl, board, plan, told or (lambda *_: None))
    if order.replaces:
        registry.withdraw(order.replaces, stamp(now))
    if station:
        registry.deploy(Place(station, wanted.device, stamp(now), order.height_m, order.note))
    registry.tell("provisioned", wanted.device, {"mac": board.mac, "board": found.board, "station": station or None})
    gone = board.device if board.device != wanted.device else ""
    left = (*plan.next, *_more(gone, board, kept, found, registry, plan))
    return Provisioned(
        wanted.device, board.mac, plan.device.dev_eui or "", change, tuple(plan.files), station, board.device,
        board.unsent if gone else 0, kept, plan.password, left,
    )  # fmt: skip


def _wanted(order: Order, registry: Registry, board: Backup) -> tuple[Device, Row | None]:
    """The device that is meant, and its row in the registry."""
    if order.row is not None:
        return order.row.device, registry.device(order.row.device.device)
    name = order.device or ("" if order.new else board.device)
    if not name and order.new:
        if not board.mac:
            raise WrongUse(
                say(
                    "this board does not tell its MAC, of which its name is made: name the device, --device NAME",
                    "diese Karte nennt ihre MAC nicht, aus der ihr Name entsteht: das Gerät benennen, --device NAME",
                )
            )
        name = "kn-" + board.mac.replace(":", "")[-6:]
    if not name:
        raise WrongUse(
            say(
                "which device is it to be? --device NAME, --row devices.csv, or --new",
                "welches Gerät soll es werden? --device NAME, --row devices.csv oder --new",
            )
        )
    known = registry.device(name)
    if known is None and not order.new:
        raise WrongUse(
            say(
                "device '%s' is not registered; with --new it will be",
                "das Gerät '%s' ist nicht eingetragen; mit --new wird es das",
                name,
            )
        )
    if known is None:
        return Device(device=name, activation=order.new or Activation.OTAA), None
    return Device.model_validate({n: v for n, v in known.items() if n in Device.model_fields}), known


def _write(repl: Repl, board: Backup, plan: Plan, told: Progress) -> None:
    """The identity comes last: a board that is cut off is still the old device, or none."""
    for path in board.files if plan.clears else ():
        if path.startswith(plan.clears) and path != IDENTITY:
            repl.remove(path)
    put_files(repl, {path: data for path, data in plan.files.items() if path != IDENTITY}, told)
    put_files(repl, {path: data for path, data in plan.files.items() if path == IDENTITY}, told)
    check_files(repl, plan.files, {})


def _more(gone: str, board: Backup, kept: str, found: looking.Found, registry: Registry, plan: Plan) -> list[str]:
    """What is left to do that only the whole shows."""
    out = []
    if gone and board.unsent:
        out.append(
            say(
                "%s readings of %s are only in the backup now: klimanetz device rescue %s",
                "%s Messungen von %s stehen nur noch in der Sicherung: klimanetz device rescue %s",
                board.unsent,
                gone,
                kept,
            )
        )
    if gone:
        here = [stay["station"] for stay in registry.stays(gone) if not stay.get("to")]
        if here:
            out.append(
                say(
                    "%s is still registered at %s, without a board",
                    "%s steht noch im Register an %s, ohne Karte",
                    gone,
                    here[-1],
                )
            )
    if not found.alive:
        out.append(say("flash it: klimanetz device flash", "noch flashen: klimanetz device flash"))
    return out
