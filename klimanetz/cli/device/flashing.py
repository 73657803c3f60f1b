"""`klimanetz device ports`, `fetch` and `flash`."""

import json
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Column, Table

from firmware.bench.checklist.units import number
from firmware.bench.trouble import BenchError, Silent
from firmware.bench.words import say
from klimanetz import __version__
from klimanetz.cli.device import batching
from klimanetz.cli.device.asking import ManifestFile, Technician
from klimanetz.cli.device.options import (
    SHELF,
    BoardName,
    CloudWait,  # fmt: skip
    ConfigFile,
    Images,
    Json,
    NoRadio,
    Port,
    Shelf,
    images_in,
    port_or_only,
    text_of,
)
from klimanetz.cli.device.screen import Screen

PORTS_EXAMPLE = "Example: klimanetz device ports"
FETCH_EXAMPLE = "Example: klimanetz device fetch --chip esp32s3"
FLASH_EXAMPLE = "Example: klimanetz device flash --board heltec_v3 --config config.json --port /dev/ttyUSB0"


def list_ports(
    also: Annotated[
        list[str] | None,
        typer.Option("--port", metavar="PORT", help=say("Ask this one, too.", "Auch diesen fragen.")),
    ] = None,
    quick: Annotated[
        bool,
        typer.Option("--quick", help=say("Do not ask the boards.", "Die Karten nicht fragen.")),
    ] = False,
    as_json: Json = False,
) -> None:
    """…"""
    from firmware.bench.board import ports

    rows: list[dict[str, Any]] = [port.to_dict() for port in ports.found()]
    known = {row["path"] for row in rows}
    rows += [{"path": path, "bridge": "", "serial": "", "text": ""} for path in also or () if path not in known]
    if not quick:
        for row in rows:
            if row["bridge"] or row["path"] in (also or ()):
                row |= _asked(row["path"])
    if as_json:
        print(json.dumps(rows))
        return
    console = Console(highlight=False)
    if not rows:
        console.print(say("No serial port here.", "Hier ist kein serieller Anschluss."))
        return
    port = Column(say("port", "Anschluss"), overflow="fold")
    table = Table(
        port, say("bridge", "Wandler"), say("chip", "Chip"), say("board", "Karte"), say("device", "Gerät"),
        say("firmware", "Firmware"), say("unsent", "ungesendet"), box=None, pad_edge=False,
    )  # fmt: skip
    for row in rows:
        cells = [str(row.get(name, "")) for name in ("path", "bridge", "chip", "board", "device", "version", "unsent")]
        table.add_row(*cells, style="" if row["bridge"] or row.get("chip") else "dim")
    console.print(table)
    for row in rows:
        if "trouble" in row:
            console.print(row["trouble"], soft_wrap=True)


def _asked(port: str) -> dict[str, Any]:
    """What a board says; it goes on measuring afterwards."""
    from firmware.bench.board import looking, rom
    from firmware.bench.board.repl import Repl

    try:
        with Repl(port, boot_s=2) as repl:
            found = looking.by_repl(repl, datetime.now(UTC))
            repl.reset()
        said = {"chip": rom.chip_of(found.machine), "micropython": found.micropython}
        return said | {
            "board": found.board, "version": found.version, "device": found.backup.device,
            "mac": found.backup.mac, "unsent": found.backup.unsent,
        }  # fmt: skip
    except Silent as silent:
        chip = rom.usable(port)
        return {"chip": chip, "board": say("(new)", "(neu)")} if chip else {"trouble": str(silent)}
    except BenchError as error:
        return {"trouble": str(error)}


def fetch_images(
    chip: Annotated[
        list[str] | None,
        typer.Option(help=say("esp32, esp32s3 or esp32c3; all without.", "esp32, esp32s3 oder esp32c3; sonst alle.")),
    ] = None,
    version: Annotated[
        str,
        typer.Option(help=say("MicroPython's, like v1.26.1; the newest without.", "Von MicroPython, etwa v1.26.1.")),
    ] = "",
    images: Images = None,
    shelf: Shelf = SHELF,
    site: Annotated[str, typer.Option(hidden=True)] = "",
) -> None:
    """…"""
    from firmware.bench.flash import fetching
    from firmware.bench.flash import images as pinned

    console = Console(highlight=False)
    place = images_in(images, shelf)
    folder = fetching.fetch(place, chip or list(pinned.BUILDS), version, site or fetching.SITE, console.print)
    table = Table("chip", "MicroPython", "SHA-256", box=None, pad_edge=False)
    for one in folder.images:
        table.add_row(one.chip, one.version, one.sha256)
    console.print(table)
    console.print(
        say(
            "Recorded in %s: keep it with your team's files, and every laptop checks against it.",
            "Eingetragen in %s: bei den Dateien des Teams aufheben, dann prüft jeder Laptop dagegen.",
            place / pinned.LOCK,
        ),
        soft_wrap=True,
    )


def flash(
    port: Port = "",
    board: BoardName = "",
    config: ConfigFile = None,
    new_identity: Annotated[
        bool,
        typer.Option(
            "--new-identity",
            help=say(
                "It becomes another device: old keys and counters go.",
                "Es wird ein anderes Gerät: alte Schlüssel gehen.",
            ),
        ),
    ] = False,
    erase: Annotated[
        bool, typer.Option("--erase", help=say("Erase also what is right already.", "Auch löschen, was schon stimmt."))
    ] = False,
    baud: Annotated[int, typer.Option(help=say("Speed of writing.", "Geschwindigkeit beim Schreiben."))] = 921_600,
    also: Annotated[
        str,
        typer.Option(metavar="CHIPS", help=say("Drivers for later: sps30,scd4x.", "Treiber für später: sps30,scd4x.")),
    ] = "",
    batch: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.csv",
            help=say(
                "Many boxes: each is flashed, provisioned and verified.",
                "Viele Kisten: jede wird geflasht, eingerichtet und geprüft.",
            ),
        ),
    ] = None,
    manifest: ManifestFile = None,
    technician: Technician = "",
    no_radio: NoRadio = False,
    cloud_wait: CloudWait = 60,
    at_once: Annotated[
        int,
        typer.Option(
            min=1, max=64, help=say("Boxes of a batch at the same time.", "Kisten einer Reihe zur gleichen Zeit.")
        ),
    ] = 4,
    images: Images = None,
    shelf: Shelf = SHELF,
    as_json: Json = False,
) -> None:
    """…"""
    if batch is not None:
        batching.run(
            batch, port, config, board, manifest, technician, no_radio, cloud_wait, at_once, images, shelf, as_json
        )
    from firmware.bench.board.shelf import Shelf as Shelves
    from firmware.bench.flash import images as pinned
    from firmware.bench.flash.flashing import Flasher, Wish

    wish = Wish(
        port_or_only(port), board, text_of(config), new_identity, erase, baud,
        tuple(name.strip() for name in also.split(",") if name.strip()),
    )  # fmt: skip
    flasher = Flasher(Shelves(shelf), pinned.load(images_in(images, shelf)), __version__, lambda: datetime.now(UTC))
    with Screen() as screen:
        done = flasher.flash(wish, screen.told)
    if as_json:
        print(json.dumps(asdict(done)))
        return
    console = Console(highlight=False)
    total = sum(done.seconds.values())
    console.print(
        say(
            "%s at %s: MicroPython %s, firmware %s (%s files, %s bytes), read back, in %.0f s.",
            "%s an %s: MicroPython %s, Firmware %s (%s Dateien, %s Byte), zurückgelesen, in %.0f s.",
            done.board, wish.port, done.micropython, done.version, done.files, number(done.bytes, 0), total,
        ),
        soft_wrap=True,
    )  # fmt: skip
    if done.device:
        console.print(
            say(
                "It is %s as before; %s readings wait to be sent.",
                "Es ist wie vorher %s; %s Messungen warten aufs Senden.",
                done.device,
                done.unsent,
            )
        )
    else:
        console.print(say("Next: klimanetz device provision", "Weiter: klimanetz device provision"))
    if done.left:
        console.print(
            say(
                "%s unsent readings of the old device are only in its backup now: klimanetz device rescue %s",
                "%s ungesendete Messungen des alten Geräts sind nur noch in der Sicherung: klimanetz device rescue %s",
                done.left,
                Shelves(shelf).place(done.mac) / done.backup,
            ),
            soft_wrap=True,
        )
    if new_identity:
        console.print(
            say(
                "At the network: delete the old device there, or its DevNonces go on being refused.",
                "Im Netz: das alte Gerät dort löschen, sonst gelten dessen DevNonces weiter als verbraucht.",
            )
        )


list_ports.__doc__ = say(
    "Find boards and say which they are; each goes on measuring afterwards.",
    "Karten finden und sagen, welche es sind; jede misst danach weiter.",
)
fetch_images.__doc__ = say(
    "Fill the folder of MicroPython images and radio drivers, once, with a network; each SHA-256 is recorded.",
    "Den Ordner mit MicroPython-Images und Funktreibern füllen, einmal mit Netz; jede SHA-256 wird eingetragen.",
)
flash.__doc__ = say(
    "Put MicroPython and firmware on a board; keys, counters, configuration and unsent readings stay.",
    "MicroPython und Firmware auf eine Karte bringen; Schlüssel, Zähler, Konfiguration und Ungesendetes bleiben.",
)
