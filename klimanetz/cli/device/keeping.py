"""`klimanetz device backup`, `restore` and `rescue`: what a board must not lose."""

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from firmware.bench.trouble import BenchError, WrongUse
from firmware.bench.words import say
from klimanetz.cli.device.options import SHELF, Json, Port, Shelf, port_or_only
from klimanetz.cli.device.screen import Screen

BACKUP_EXAMPLE = "Example: klimanetz device backup --port /dev/ttyUSB0"
RESTORE_EXAMPLE = "Example: klimanetz device restore backup-20261125T101500Z.json --port /dev/ttyUSB0"
RESCUE_EXAMPLE = "Example: KLIMANETZ_MQTT_URL=mqtts://tech:…@broker klimanetz device rescue backup-….json"


def backup(
    port: Port = "",
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help=say("Where to; without it, the shelf.", "Wohin; sonst in die Ablage.")),
    ] = None,
    shelf: Shelf = SHELF,
    as_json: Json = False,
) -> None:
    """…"""
    from firmware.bench.board import backup as backups
    from firmware.bench.board import looking
    from firmware.bench.board.shelf import Shelf as Shelves

    if out is not None and out.exists():
        raise WrongUse(
            say(
                "%s is there already and stays as it is; choose another name",
                "%s gibt es schon und bleibt, wie es ist; einen anderen Namen wählen",
                out,
            )
        )
    where, now = port_or_only(port), datetime.now(UTC)
    with Screen() as screen:
        kept = looking.by_port(where, now, lambda done, of: screen.told("save", done, of))
    if kept.is_empty and not kept.nvs_raw:
        raise BenchError(say("there is nothing to save on this board", "auf dieser Karte gibt es nichts zu sichern"))
    if out is not None:
        backups.write(kept, out)
    path = out or Shelves(shelf).save(kept)
    if as_json:
        print(json.dumps({"file": str(path), "mac": kept.mac, "device": kept.device, "unsent": kept.unsent}))
        return
    Console(highlight=False).print(
        say(
            "%s (%s), %s readings not sent yet: %s. Its keys are in it: keep it to yourself.",
            "%s (%s), %s Messungen noch nicht gesendet: %s. Die Schlüssel sind darin: nicht weitergeben.",
            kept.device or say("no identity", "ohne Identität"), kept.mac or "?", kept.unsent, path,
        ),
        soft_wrap=True,
    )  # fmt: skip


def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help=say("A backup.", "Eine Sicherung."))],
    port: Port = "",
    replace_identity: Annotated[
        bool,
        typer.Option(
            "--replace-identity",
            help=say("Though the board is another device now.", "Obwohl die Karte jetzt ein anderes Gerät ist."),
        ),
    ] = False,
    shelf: Shelf = SHELF,
    as_json: Json = False,
) -> None:
    """…"""
    from firmware.bench.board import backup as backups
    from firmware.bench.board import looking, restoring
    from firmware.bench.board.repl import Repl
    from firmware.bench.board.shelf import Shelf as Shelves

    kept, now = backups.read(file), datetime.now(UTC)
    with Screen() as screen, Repl(port_or_only(port)) as repl:
        found = looking.by_repl(repl, now, lambda done, of: screen.told("save", done, of))
        if not found.backup.is_empty:
            Shelves(shelf).save(found.backup)
        out = restoring.onto(
            repl, found, kept, now, replace_identity, lambda done, of: screen.told("restore", done, of)
        )
        repl.reset()
    left = restoring.left_out(kept, out)
    if as_json:
        print(json.dumps({"device": out.device, "mac": found.backup.mac, "unsent": out.unsent, "left": left}))
        return
    console = Console(highlight=False)
    console.print(say("This board is %s now.", "Diese Karte ist jetzt %s.", out.device))
    if left:
        console.print(
            say(
                "%s unsent readings of the backup are not on the board: klimanetz device rescue %s",
                "%s ungesendete Messungen der Sicherung sind nicht auf der Karte: klimanetz device rescue %s",
                left,
                file,
            ),
            soft_wrap=True,
        )
    if kept.mac and found.backup.mac and found.backup.mac != kept.mac:
        console.print(
            say(
                "It was another board before: that one must not be switched on again, or two send under one name.",
                "Vorher war es eine andere Karte: die darf nicht mehr eingeschaltet werden, sonst senden zwei unter"
                " einem Namen.",
            ),
            soft_wrap=True,
        )
    if not found.alive:
        console.print(say("Next: klimanetz device flash", "Weiter: klimanetz device flash"))


def rescue(
    files: Annotated[list[Path], typer.Argument(metavar="FILE…", help=say("Backups.", "Sicherungen."))],
    wait_s: Annotated[
        int, typer.Option("--wait", help=say("Seconds until it has to be stored.", "Sekunden, bis es gespeichert ist."))
    ] = 30,
    as_json: Json = False,
) -> None:
    """…"""
    from firmware.bench.board import backup as backups
    from firmware.bench.board.rescue import frames, readings
    from klimanetz.cli.device.sending import send
    from klimanetz.wiring import settings

    said = []
    for path in files:
        kept = backups.read(path)
        found = readings(kept)
        stored = asyncio.run(send(settings().mqtt_url, kept.device, found, frames(found), wait_s)) if found else 0
        said.append({"device": kept.device, "readings": len(found), "stored": stored})
    if as_json:
        print(json.dumps(said))
    else:
        for one in said:
            Console(highlight=False).print(
                say(
                    "%(device)s: %(readings)s readings sent, %(stored)s of them are stored for good.",
                    "%(device)s: %(readings)s Messungen gesendet, %(stored)s davon sind endgültig gespeichert.",
                    **one,
                )
            )
    if any(one["stored"] != one["readings"] for one in said):
        raise BenchError(
            say(
                "not all of it is stored yet; run it again: what is there already is not doubled",
                "noch ist nicht alles gespeichert; noch einmal aufrufen: was schon da ist, wird nicht doppelt",
            )
        )


backup.__doc__ = say(
    "Save what a board must not lose: identity, counters, configuration, readings not sent yet.",
    "Sichern, was eine Karte nicht verlieren darf: Identität, Zähler, Konfiguration, noch nicht gesendete Messungen.",
)
restore.__doc__ = say(
    "Put a backup onto a board; counters leap ahead, so that none is used twice.",
    "Eine Sicherung auf eine Karte zurückspielen; Zähler springen voraus, damit keiner zweimal benutzt wird.",
)
rescue.__doc__ = say(
    "Send a board's unsent readings from its backup, in its place.",
    "Die ungesendeten Messungen einer Karte aus ihrer Sicherung senden, an ihrer Stelle.",
)
