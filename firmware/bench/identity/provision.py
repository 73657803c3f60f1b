"""Provisioning, step by step: ask the registry, look at the board, decide, register, write, deploy.

The rule: whatever may be refused is refused before the board is touched, and what stood on it is on the laptop's disk
first. Each step can be done again: a second run finds what the first one did.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from firmware.bench.board import looking
from firmware.bench.board.backup import CONFIG, IDENTITY, TRIALS, Backup
from firmware.bench.board.filling import check_files, put_files, put_nvs
from firmware.bench.board.repl import Progress, Repl
from firmware.bench.board.shelf import stamp
from firmware.bench.identity.places import Place, Row
from firmware.bench.identity.provisioning import Plan, Wish, decide
from firmware.bench.identity.registry import Registry
from firmware.bench.identity.rows import BenchRow
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
    if order.replaces == wanted.device:
        raise WrongUse(
            say(
                "the box on the cable is %s itself, which is to leave; plug in the new one, or name who leaves: --old",
                "die angesteckte Kiste ist selbst %s, das gehen soll; die neue anstecken oder mit --old sagen, welches"
                " geht",
                wanted.device,
            )
        )
    station = order.station or (order.row.station if order.row else None) or ""
    _check_station(registry, station)
    heard = registry.heard(wanted.device) if known is not None else False
    wish = Wish(wanted, known, heard, order.config, order.replace_identity, order.new_key, order.password)
    plan = decide(wish, board, found.board, now)
    _check_program(repl, plan)
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


def check_order(registry: Registry, order: Order) -> None:
    """What can be refused without a board: its device and station, as registered. Raises BenchError."""
    if order.row is None and order.new is None and order.device and registry.device(order.device) is None:
        raise WrongUse(_unknown(order.device))
    _check_station(registry, order.station or (order.row.station if order.row else None) or "")


def _check_station(registry: Registry, station: str) -> None:
    if station and registry.station(station) is None:
        raise WrongUse(
            say(
                "station '%s' is not registered; `klimanetz stations import` does that",
                "die Station '%s' ist nicht eingetragen; das geht mit `klimanetz stations import`",
                station,
            )
        )


def _unknown(name: str) -> str:
    return say(
        "device '%s' is not registered; `klimanetz devices import` does that, or `klimanetz device provision --new`",
        "das Gerät '%s' ist nicht eingetragen; das geht mit `klimanetz devices import` oder `klimanetz device provision"
        " --new`",
        name,
    )


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
        raise WrongUse(_unknown(name))
    if known is None:
        return Device(device=name, activation=order.new or Activation.OTAA), None
    return Device.model_validate({n: v for n, v in known.items() if n in Device.model_fields}), known


def _check_program(repl: Repl, plan: Plan) -> None:
    """Raises WrongUse where the program on the board cannot do what a new configuration asks for."""
    if CONFIG not in plan.files:
        return
    there = {path.rpartition("/")[2].partition(".")[0] for path in repl.files("/lib/firmware/device")}
    config = json.loads(plan.files[CONFIG])
    carrier = "lora" if config["radio"] == "lorawan" else "mqtt"
    needed = [carrier, *sorted({sensor["chip"] for sensor in config["sensors"].values()})]
    if there and (missing := [name for name in needed if name not in there]):  # nothing is there where it is frozen
        raise WrongUse(
            say(
                "the program on this board lacks %s for this configuration; flash it with it: klimanetz device flash"
                " --config …",
                "dem Programm auf dieser Karte fehlt für diese Konfiguration %s; damit flashen: klimanetz device flash"
                " --config …",
                ", ".join(missing),
            )
        )


def _write(repl: Repl, board: Backup, plan: Plan, told: Progress) -> None:
    """The identity comes last: a board that is cut off is still the old device, or none."""
    for path in board.files if plan.clears else ():
        if path.startswith(plan.clears) and path != IDENTITY:
            repl.remove(path)
    put_files(repl, {path: data for path, data in plan.files.items() if path != IDENTITY}, told)
    put_files(repl, {path: data for path, data in plan.files.items() if path == IDENTITY}, told)
    nvs = {TRIALS: 0} if board.nvs.get(TRIALS) else {}
    put_nvs(repl, nvs)
    check_files(repl, plan.files, nvs)


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
