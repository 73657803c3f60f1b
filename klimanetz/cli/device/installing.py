"""`klimanetz device install` and `replace`: a box from the shelf to a reporting station, in one go.

What they do is in `firmware/bench/installing.py` and `replacing.py`.
"""

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from firmware.bench.trouble import BenchError
from firmware.bench.words import say
from klimanetz import __version__
from klimanetz.cli.device.asking import ManifestFile, Technician, chosen, registry
from klimanetz.cli.device.options import (
    SHELF,
    BoardName,
    CloudWait,
    ConfigFile,
    Height,
    Images,
    Json,
    NoRadio,
    Port,
    RowFile,
    Shelf,
    Shield,
    images_in,
    port_or_only,
)  # fmt: skip
from klimanetz.cli.device.screen import Screen, name_of
from klimanetz.cli.device.seeing import cloud_of_settings
from klimanetz.cli.device.verifying import Lines, Place, recorded
from schemas.models import Activation

if TYPE_CHECKING:
    from firmware.bench.identity.provision import Order
    from firmware.bench.installing import Installed, Laptop

INSTALL_EXAMPLE = (
    "Example: klimanetz device install --board heltec_v3 --config config.json --station marktplatz --technician AB"
)
REPLACE_EXAMPLE = "Example: klimanetz device replace --station marktplatz --port /dev/ttyUSB0 --old-port /dev/ttyUSB1"
Device = Annotated[
    str, typer.Option("--device", help=say("Which it is to be; else a new one.", "Welches es wird; sonst ein neues."))
]
Station = Annotated[str, typer.Option("--station", help=say("Where it stands from now.", "Wo es ab jetzt steht."))]


def install(
    port: Port = "",
    board: BoardName = "",
    config: ConfigFile = None,
    device: Device = "",
    row: RowFile = None,
    station: Station = "",
    manifest: ManifestFile = None,
    technician: Technician = "",
    height: Height = None,
    shield: Shield = "",
    no_radio: NoRadio = False,
    cloud_wait: CloudWait = 60,
    images: Images = None,
    shelf: Shelf = SHELF,
    as_json: Json = False,
) -> None:
    """…"""
    from firmware.bench.checklist.verifying import Wanted
    from firmware.bench.flash.flashing import Wish
    from firmware.bench.installing import install as work

    laptop, begun = laptop_of(images, shelf, manifest, technician), datetime.now(UTC)
    order = order_of(device, row, station, height, config, as_json)
    wish = Wish(port_or_only(port), board or (order.row.board if order.row else ""), order.config)
    wanted = Wanted(__version__, None, station, "", not no_radio, cloud_wait_s=cloud_wait)
    with on_screen(as_json) as (screen, lines):
        done = work(laptop, wish, order, wanted, screen.told, lines.line)
    told, file = recorded(
        done.seen, begun, Place(technician, height, shield), signing_key(shelf), shelf / "protocols", not as_json
    )
    say_installed(done, {"protocol": str(file), **told}, as_json)
    raise typer.Exit(1 if done.colour == "red" else 0)


def replace(
    port: Port = "",
    old: Annotated[str, typer.Option(help=say("The device that leaves.", "Das Gerät, das geht."))] = "",
    old_port: Annotated[
        str,
        typer.Option(
            metavar="PORT",
            help=say("Where the old box hangs, if it still lives.", "Wo die alte Kiste hängt, wenn sie noch lebt."),
        ),
    ] = "",
    station: Station = "",
    board: BoardName = "",
    config: ConfigFile = None,
    device: Device = "",
    row: RowFile = None,
    manifest: ManifestFile = None,
    technician: Technician = "",
    height: Height = None,
    shield: Shield = "",
    no_radio: NoRadio = False,
    cloud_wait: CloudWait = 60,
    images: Images = None,
    shelf: Shelf = SHELF,
    as_json: Json = False,
) -> None:
    """…"""
    from firmware.bench.checklist.verifying import Wanted
    from firmware.bench.flash.flashing import Wish
    from firmware.bench.replacing import Change, exchange

    laptop, begun = laptop_of(images, shelf, manifest, technician), datetime.now(UTC)
    order = order_of(device, row, station, height, config, as_json)
    wish = Wish(port_or_only(port), board or (order.row.board if order.row else ""), order.config)
    wanted = Wanted(__version__, None, station, "", not no_radio, cloud_wait_s=cloud_wait)
    with on_screen(as_json) as (screen, lines):
        done = exchange(laptop, Change(old, station, old_port), wish, order, wanted, screen.told, lines.line)
    told, file = recorded(
        done.installed.seen,
        begun,
        Place(technician, height, shield),
        signing_key(shelf),
        shelf / "protocols",
        not as_json,
    )
    if done.unsent and not as_json:
        Console(highlight=False).print(
            say(
                "Sending what the old box had not sent, from %s",
                "Ungesendetes der alten Kiste wird gesendet, aus %s",
                done.backup,
            ),
            soft_wrap=True,
        )
    rescued = _rescued(done.backup) if done.unsent else 0
    swapped = {"old": done.old, "station": done.station, "backup": done.backup, "unsent": done.unsent}
    say_installed(done.installed, {"protocol": str(file), **told, **swapped, "rescued": rescued}, as_json)
    if not as_json:
        _say_swap(done.old, done.station, done.unsent, rescued, done.backup)
    raise typer.Exit(1 if done.installed.colour == "red" else 0)


def laptop_of(images: Path | None, shelf: Path, manifest: Path | None, technician: str) -> "Laptop":
    """What this laptop works with. Raises BenchError."""
    from firmware.bench.board.shelf import Shelf as Shelves
    from firmware.bench.flash import images as pinned
    from firmware.bench.flash.flashing import Flasher
    from firmware.bench.installing import Laptop

    def now() -> datetime:
        return datetime.now(UTC)

    place = Shelves(shelf)
    cloud, why_not = cloud_of_settings()
    flasher = Flasher(place, pinned.load(images_in(images, shelf)), __version__, now)
    return Laptop(flasher, place, registry(manifest, technician), cloud, why_not, now)


def order_of(
    device: str, row: Path | None, station: str, height: float | None, config: Path | None, as_json: bool
) -> "Order":
    """Which device a box becomes: of a row, a registered one, or new. Raises WrongUse."""
    from firmware.bench.identity.provision import Order

    found, given = chosen(row, device, config, as_json)
    new = None if found or device else _activation(given)
    return Order(device, found, new, station, height, None, given)


def _activation(config: bytes) -> Activation:
    """Of a new device, by its configuration's radio."""
    try:
        radio = json.loads(config or b"{}").get("radio")
    except (ValueError, AttributeError):
        radio = None  # said with its reason when it is checked
    return Activation.MQTT if radio == "mqtt" else Activation.OTAA


def signing_key(shelf: Path) -> Any:
    """The technician's, made once."""
    from firmware.bench.checklist import protocol

    return protocol.signing_key(shelf / "technician.key")


@contextmanager
def on_screen(as_json: bool) -> Iterator[tuple[Screen, Lines]]:
    """Where steps and checks are shown."""
    console = Console(highlight=False, stderr=True, quiet=as_json)
    with Screen(console) as screen:
        yield screen, Lines(as_json, console)


def _rescued(backup: str) -> int:
    """How many of a backup's readings the cloud has stored now."""
    from firmware.bench.board import backup as backups
    from firmware.bench.board.rescue import frames, readings
    from klimanetz.cli.device.sending import send
    from klimanetz.wiring import settings

    kept = backups.read(Path(backup))
    found = readings(kept)
    try:
        return asyncio.run(send(settings().mqtt_url, kept.device, found, frames(found), 30))
    except BenchError:
        return 0


def say_installed(done: "Installed", told: dict[str, Any], as_json: bool) -> None:
    """How it went, and how long each step took."""
    if as_json:
        print(json.dumps(told | {"seconds": done.seconds, "provisioned": asdict(done.provisioned)}, ensure_ascii=False))
        return
    console = Console(highlight=False)
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(justify="right")
    for step, seconds in done.seconds.items():
        table.add_row(f"{seconds:.1f} s", name_of(step))
    table.add_row(f"{sum(done.seconds.values()):.1f} s", say("in all", "zusammen"), style="bold")
    console.print(table)
    made = done.provisioned
    where = say(" at %s", " an %s", made.station) if made.station else ""
    console.print(say("This box is %s%s.", "Diese Kiste ist %s%s.", made.device, where))
    for sentence in made.next:
        console.print(say("Next: %s", "Weiter: %s", sentence), soft_wrap=True)
    console.print(say("Protocol: %s", "Protokoll: %s", told["protocol"]), soft_wrap=True)


def _say_swap(old: str, station: str, unsent: int, rescued: int, backup: str) -> None:
    console = Console(highlight=False)
    console.print(
        say(
            "%s has left %s: take its cell out, or it goes on sending.",
            "%s steht nicht mehr an %s: die Zelle herausnehmen, sonst sendet es weiter.",
            old,
            station,
        )
    )
    if unsent and rescued == unsent:
        console.print(
            say("Its %s unsent readings are stored.", "Seine %s ungesendeten Messungen sind gespeichert.", unsent)
        )
    elif unsent:
        console.print(
            say(
                "%s of its %s unsent readings are stored; once you can reach the broker: klimanetz device rescue %s",
                "%s seiner %s ungesendeten Messungen sind gespeichert; sobald der Broker erreichbar ist: klimanetz"
                " device rescue %s",
                rescued,
                unsent,
                backup,
            ),
            soft_wrap=True,
        )


install.__doc__ = say(
    "A box in one go: flash, provision, verify; it says how long each step took.",
    "Eine Kiste in einem Zug: flashen, einrichten, prüfen; mit der Dauer jedes Schritts.",
)
replace.__doc__ = say(
    "A new box takes over a place: the series goes on, the old one's unsent readings are rescued.",
    "Eine neue Kiste übernimmt einen Ort: die Reihe geht weiter, Ungesendetes der alten wird gerettet.",
)
