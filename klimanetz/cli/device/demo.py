"""`klimanetz device demo`: a simulated factory-new board, from the shelf to its first reading in the API.

What stands around it is in `klimanetz/device_demo.py`; what is done with it is `klimanetz device install`.
"""

import contextlib
import json
import signal
import threading
import time
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from firmware.bench.checklist.units import with_unit
from firmware.bench.words import say
from klimanetz.cli.device.installing import on_screen, say_installed, signing_key
from klimanetz.cli.device.options import Json
from klimanetz.cli.device.verifying import Place, recorded
from klimanetz.cli.foreground import own_foreground
from klimanetz.failure import wrong_use

if TYPE_CHECKING:
    from klimanetz.device_demo import Bench

DEMO_EXAMPLE = "Example: klimanetz device demo --keep"
DEMO_HELP = say(
    "A simulated factory-new board: flashed, provisioned, verified, its first reading in the API.",
    "Eine simulierte fabrikneue Karte: flashen, einrichten, prüfen, bis zur ersten Messung in der API.",
)
STOPPED = 130  # by Ctrl-C


def demo(
    data: Annotated[
        str,
        typer.Option(
            metavar="DIR", help=say("Folder of everything; emptied at each start.", "Ordner für alles; wird geleert.")
        ),
    ] = "device-demo-data",
    port: Annotated[
        int,
        typer.Option(
            min=0, max=65535, metavar="HTTP-PORT",
            help=say("Port of pages and API; 0: any.", "Port von Seiten und API; 0: irgendeiner."),
        ),
    ] = 0,
    keep: Annotated[
        bool,
        typer.Option("--keep", help=say("Let everything live until Ctrl-C.", "Alles bis Strg-C weiterlaufen lassen.")),
    ] = False,
    as_json: Json = False,
) -> None:  # fmt: skip
    if not data.strip():  # which pathlib takes for the current folder
        raise wrong_use(say("--data is empty; name a folder", "--data ist leer; einen Ordner nennen"))
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    console = Console(highlight=False, quiet=as_json)
    try:
        with own_foreground():
            red = _whole(Path(data), port, keep, as_json, console)
    except KeyboardInterrupt:
        console.print(say("Stopped; nothing is left running.", "Beendet; es läuft nichts mehr."))
        raise typer.Exit(STOPPED) from None
    raise typer.Exit(1 if red else 0)


def _whole(data: Path, port: int, keep: bool, as_json: bool, console: Console) -> bool:
    """Whether it is red."""
    from firmware.bench.installing import install
    from klimanetz.device_demo import TECHNICIAN, bench, first_reading

    began, begun = time.monotonic(), datetime.now(UTC)
    console.print(
        say(
            "Simulated are a board, its sensors and the radio's waves; all else is what a city runs.",
            "Simuliert sind Karte, Sensoren und Funkwellen; alles andere ist, was eine Stadt betreibt.",
        ),
        soft_wrap=True,
    )
    with bench(data, port) as stands:
        _say_stands(stands, time.monotonic() - began, console)
        with on_screen(as_json) as (screen, lines):
            done = install(stands.laptop, stands.wish, stands.order, stands.wanted, screen.told, lines.line)
        shelf = stands.laptop.shelf.folder
        place = Place(TECHNICIAN, None, "")
        told, file = recorded(done.seen, begun, place, signing_key(shelf), shelf / "protocols", ask=False)
        found = first_reading(stands.url, done)
        if as_json:
            whole = {"seconds": done.seconds, "provisioned": asdict(done.provisioned), "reading": found}
            print(json.dumps({"protocol": str(file), **told, **whole, "url": stands.url, "port": stands.port},
                             ensure_ascii=False), flush=True)  # fmt: skip
        else:
            say_installed(done, {"protocol": str(file)}, as_json=False)
            _say_reading(found, done.provisioned.dev_eui, console)
        if keep:
            _say_on(stands, console)
            _until_stopped()
    if not keep:
        console.print(
            say(
                "\nAll has ended. With --keep it goes on, to be watched and tried.",
                "\nAlles ist beendet. Mit --keep läuft es weiter, zum Zusehen und Ausprobieren.",
            )
        )
    return done.colour == "red"


def _say_stands(stands: "Bench", seconds: float, console: Console) -> None:
    console.print(
        say(
            "%s stations report (%s s). %s is free; a factory-new board is plugged in.\nA technician types:",
            "%s Stationen melden (%s s). %s ist frei; eine fabrikneue Karte ist angesteckt.\nDie Technik tippt:",
            stands.around, f"{seconds:.1f}", stands.station,
        ),
        soft_wrap=True,
    )  # fmt: skip
    from klimanetz.device_demo import TECHNICIAN

    wish = stands.wish
    console.print(
        f"\n  klimanetz device install --board {wish.board} --config {_near(stands.config)} \\\n"
        f"    --station {stands.station} --technician {TECHNICIAN} --port {_near(wish.port)}\n",
        soft_wrap=True,
    )


def _say_reading(found: dict[str, Any], dev_eui: str, console: Console) -> None:
    """Board, radio, cloud: what anybody gets, and which reading that is."""
    reading = found["reading"]
    console.print(
        say("\nWhat anybody gets now:", "\nWas jetzt jeder bekommt:") + f"\n  GET {found['address']}", soft_wrap=True
    )
    console.print(
        say(
            "  %s at %s, quality %s: reading %s/%s of %s (DevEUI %s)",
            "  %s um %s, Qualität %s: Messung %s/%s von %s (DevEUI %s)",
            with_unit(found["value"], found["unit"], 2), found["time"], found["quality"],
            reading["generation"], reading["seq"], found["device"], dev_eui,
        ),
        soft_wrap=True,
    )  # fmt: skip


def _say_on(stands: "Bench", console: Console) -> None:
    console.print(
        say(
            "\nIt goes on, a reading a minute. Watch it from another terminal, in this folder:\n"
            "  klimanetz device monitor --port %s\n  %s/station/%s\nCtrl-C ends everything.",
            "\nSie läuft weiter, jede Minute eine Messung. Zusehen von einem anderen Terminal, in diesem Ordner:\n"
            "  klimanetz device monitor --port %s\n  %s/station/%s\nStrg-C beendet alles.",
            _near(stands.port), stands.url, stands.station,
        ),
        soft_wrap=True,
    )  # fmt: skip


def _near(path: str | Path) -> str:
    """As it is typed here: shorter where it is below this folder."""
    try:
        return str(Path(path).relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def _until_stopped() -> None:
    with contextlib.suppress(KeyboardInterrupt):
        threading.Event().wait()
