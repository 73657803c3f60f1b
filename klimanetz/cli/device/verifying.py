"""`klimanetz device verify`: the check-list of a board, live, and its signed protocol.

What it does is in `firmware/bench/checklist/verifying.py`.
"""

import contextlib
import json
import sys
from collections.abc import Callable
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.status import Status
from rich.table import Table
from rich.text import Text

from firmware.bench.checklist.check import Check, Colour, colour_word, label, worst
from firmware.bench.words import say
from klimanetz import __version__
from klimanetz.cli.device.asking import ManifestFile, Technician
from klimanetz.cli.device.asking import now as moment
from klimanetz.cli.device.options import SHELF, CloudWait, Height, Json, NoRadio, Port, Shelf, Shield, port_or_only
from klimanetz.cli.device.seeing import cloud_of_settings

if TYPE_CHECKING:
    from firmware.bench.checklist.verifying import Seen

VERIFY_EXAMPLE = "Example: klimanetz device verify --station marktplatz --technician AB --height 3.2 --shield passive"
HELP = say(
    "Check a board: image, sensors, battery, radio, and its first reading in the cloud.",
    "Eine Karte prüfen: Image, Sensoren, Batterie, Funk und die erste Messung in der Cloud.",
)
STYLES: dict[Colour, str] = {"green": "green", "yellow": "yellow", "red": "bold red"}


def verify(
    port: Port = "",
    image: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help=say(
                "The image it should have; without it, made again.", "Das Image, das es haben soll; sonst neu gebaut."
            ),
        ),
    ] = None,
    station: Annotated[
        str,
        typer.Option(
            help=say("Where it is to stand; else as registered.", "Wo es stehen soll; sonst wie registriert.")
        ),
    ] = "",
    manifest: ManifestFile = None,
    technician: Technician = "",
    height: Height = None,
    shield: Shield = "",
    cell: Annotated[
        str,
        typer.Option(help=say("Kind of cell, as `energy` has it: 18650.", "Art der Zelle wie bei `energy`: 18650.")),
    ] = "",
    no_radio: NoRadio = False,
    cloud_wait: CloudWait = 60,
    rounds: Annotated[
        int,
        typer.Option(min=1, max=600, help=say("How often each sensor is read.", "Wie oft jeder Sensor gelesen wird.")),
    ] = 3,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help=say("Where the protocol goes; else the shelf.", "Wohin das Protokoll kommt; sonst die Ablage."),
        ),
    ] = None,
    shelf: Shelf = SHELF,
    as_json: Json = False,
) -> None:
    from firmware.bench.board.repl import Repl
    from firmware.bench.checklist import protocol
    from firmware.bench.checklist.verifying import Verification, Wanted, check_cell
    from firmware.bench.identity.trip import Trip

    check_cell(cell)
    key = protocol.signing_key(shelf / "technician.key")
    trip = Trip(manifest, technician, moment) if manifest is not None else None
    cloud, why_not = cloud_of_settings(trip)
    wanted = Wanted(__version__, image, station, cell, not no_radio, rounds, cloud_wait)
    screen, begun = Lines(as_json), datetime.now(UTC)
    with screen.steps() as step, Repl(port_or_only(port)) as repl:
        verification = Verification(repl, cloud, wanted, screen.line, step, why_not)
        seen = verification.run()
    with screen.steps() as step:
        waiting = say("waiting for the cloud", "auf die Cloud warten")
        verification.await_cloud(lambda done, of: step(f"{waiting}: {done:.0f}/{of:.0f} s"))
    place = Place(technician, height, shield)
    told, file = recorded(seen, begun, place, key, out or shelf / "protocols", ask=not as_json)
    if trip is not None and seen.facts.get("device"):
        trip.tell("verified", seen.facts["device"], {"colour": told["colour"], "protocol": file.name})
    _say_end(screen, told, file, place.missing(), as_json)
    raise typer.Exit(1 if worst(seen.checks) == "red" else 0)


def recorded(
    seen: "Seen", begun: datetime, place: "Place", key: Any, folder: Path, ask: bool
) -> tuple[dict[str, Any], Path]:
    """The signed protocol of a check-list: what is in it, and where it is kept. `ask`: for what is missing."""
    from firmware.bench.checklist import protocol

    if seen.station is not None:
        place.take(seen.station)
    if ask:
        place.ask()
    told = place.to_dict() | seen.facts | {
        "begun": _utc(begun), "ended": _utc(datetime.now(UTC)), "laptop_clock": laptop_clock(),
        "colour": worst(seen.checks), "checks": [check.to_dict() for check in seen.checks],
    }  # fmt: skip
    return told, _keep(protocol.signed(told, key), folder, told)


class Lines:
    """The list as it grows: a line a check, and what is being done below it; nothing of it with --json."""

    def __init__(self, quiet: bool, console: Console | None = None) -> None:
        self.console = console or Console(highlight=False, stderr=quiet, quiet=quiet)

    def line(self, check: Check) -> None:
        """One more is known."""
        way_out = ("→ " + check.way_out, "dim" if check.colour == "green" else "")
        word, name = f" {colour_word(check.colour):<7}", f"{label(check.name):<22}"
        if self.console.is_terminal:  # what is too long goes on below itself
            grid = Table.grid(padding=(0, 1))
            grid.add_row(Text(word, STYLES[check.colour]), name, check.reason)
            if check.way_out:
                grid.add_row("", "", Text(*way_out))
            self.console.print(grid)
            return
        text = Text.assemble((word, STYLES[check.colour]), f" {name} ", check.reason)
        if check.way_out:
            text.append(f"\n{'':<31} ").append(*way_out)
        self.console.print(text, soft_wrap=True)

    @contextmanager
    def steps(self) -> Any:
        """A function that says what is being done."""
        if not self.console.is_terminal:
            yield lambda _: None
            return
        with Status("", console=self.console) as status:
            tell: Callable[[str], None] = status.update
            yield tell


class Place:
    """What the registry cannot know before somebody has been there, and who was."""

    def __init__(self, technician: str, height_m: float | None, shield: str) -> None:
        self.technician, self.height_m, self.shield = technician, height_m, shield
        self.place: dict[str, float] | None = None
        self.elevation_m: float | None = None

    def take(self, station: Any) -> None:
        """From a station's GeoJSON, where nothing else was said."""
        properties = station["properties"]
        longitude, latitude = station["geometry"]["coordinates"][:2]
        self.place = {"latitude": latitude, "longitude": longitude}
        self.elevation_m = properties.get("elevation_m")
        self.height_m = properties.get("height_m") if self.height_m is None else self.height_m
        self.shield = self.shield or properties.get("shield") or ""

    def ask(self) -> None:
        """On a terminal, for what is missing; an empty answer leaves it out, Ctrl-C all the rest."""
        if sys.stdin.isatty():
            with contextlib.suppress(typer.Abort):  # what was found is recorded all the same
                self._ask()

    def _ask(self) -> None:
        if not self.technician:
            self.technician = typer.prompt(say("Your initials", "Kürzel"), default="", show_default=False).strip()
        while self.height_m is None:
            text = typer.prompt(
                say("Height above ground, m", "Höhe über Grund, m"), default="", show_default=False
            ).strip()
            if not text:
                break
            with contextlib.suppress(ValueError):
                height_m = float(text.replace(",", "."))
                self.height_m = height_m if 0 <= height_m <= 500 else None
            if self.height_m is None:
                typer.echo(say("a number from 0 to 500, like 3.2", "eine Zahl von 0 bis 500, wie 3,2"))
        if not self.shield:
            self.shield = typer.prompt(
                say("Radiation shield", "Strahlungsschutz"), default="", show_default=False
            ).strip()

    def to_dict(self) -> dict[str, Any]:
        """For the protocol."""
        return {"technician": self.technician or None, "height_m": self.height_m, "shield": self.shield or None,
                "place": self.place, "elevation_m": self.elevation_m}  # fmt: skip

    def missing(self) -> list[str]:
        """In words, with the options that say it."""
        known = {
            say("initials (--technician)", "Kürzel (--technician)"): self.technician,
            say("height above ground (--height)", "Höhe über Grund (--height)"): self.height_m,
            say("shield (--shield)", "Strahlungsschutz (--shield)"): self.shield,
            say("place (a station of the registry)", "Ort (eine Station des Registers)"): self.place,
        }
        return [name for name, value in known.items() if value in (None, "")]


def laptop_clock() -> str:
    """Where the laptop's time comes from, as far as the system tells."""
    import subprocess

    try:
        said = subprocess.run(
            ["timedatectl", "show", "-p", "NTPSynchronized", "--value"], capture_output=True, text=True, timeout=5
        ).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        said = ""
    return {"yes": "system, synchronised by NTP", "no": "system, not synchronised"}.get(said, "system, source unknown")


def _utc(when: datetime) -> str:
    return when.strftime("%Y-%m-%dT%H:%M:%SZ")


def _keep(data: bytes, folder: Path, told: dict[str, Any]) -> Path:
    """On disk when it returns, beside what is there."""
    from firmware.bench.board.backup import durable

    folder.mkdir(parents=True, exist_ok=True)
    stamp = told["begun"].replace("-", "").replace(":", "")
    name = "".join(
        c if c.isalnum() or c in "._-" else "_" for c in str(told.get("device") or told.get("serial") or "board")
    )
    n, path = 1, folder / f"{name}-{stamp}.json"
    while True:
        try:
            path.touch(exist_ok=False)  # its name is ours, also beside another program
        except FileExistsError:
            n += 1
            path = folder / f"{name}-{stamp}-{n}.json"
            continue
        durable(path, data)
        return path


def _say_end(screen: Lines, told: dict[str, Any], file: Path, missing: list[str], as_json: bool) -> None:
    if as_json:
        print(json.dumps(told | {"file": str(file)}, ensure_ascii=False))
        return
    colour: Colour = told["colour"]
    word = {
        "green": say("Everything is as it should be.", "Alles ist, wie es sein soll."),
        "yellow": say("Usable; look at the yellow lines.", "Brauchbar; die gelben Zeilen ansehen."),
        "red": say("Do not leave it like this: see the red lines.", "So nicht stehen lassen: siehe die roten Zeilen."),
    }[colour]
    screen.console.print(Text(word, STYLES[colour]))
    if missing:
        screen.console.print(
            say("Not in the protocol: %s.", "Nicht im Protokoll: %s.", ", ".join(missing)), soft_wrap=True
        )
    screen.console.print(say("Protocol: %s", "Protokoll: %s", file), soft_wrap=True)
