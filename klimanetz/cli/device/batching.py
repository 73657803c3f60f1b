"""`klimanetz device flash --batch devices.csv`: many boxes, and a table of who is where.

How boxes and ports come together is in `firmware/bench/batch.py`; what is done with one in `installing.py`.
"""

import json
import sys
import threading
from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from firmware.bench.batch import BUSY, GREEN, RED, WAITING, YELLOW, Batch, Box, Told, path_of
from firmware.bench.trouble import WrongUse
from firmware.bench.words import say
from klimanetz import __version__
from klimanetz.cli.device.asking import rows_of
from klimanetz.cli.device.installing import laptop_of, signing_key
from klimanetz.cli.device.options import text_of
from klimanetz.cli.device.screen import name_of
from klimanetz.cli.device.verifying import Place, recorded

if TYPE_CHECKING:
    from firmware.bench.identity.rows import BenchRow
    from firmware.bench.installing import Laptop

STYLES = {GREEN: "green", YELLOW: "yellow", RED: "bold red", BUSY: "bold", WAITING: "dim"}


def run(
    file: Path, port: str, config: Path | None, board: str, manifest: Path | None, technician: str, no_radio: bool,
    cloud_wait: int, at_once: int, images: Path | None, shelf: Path, as_json: bool,
) -> None:  # fmt: skip
    """All boxes of the file that are not done yet. Exits with 1 where one is red or waits."""
    rows = {row.device.device: row for row in rows_of(file, as_json)}
    if not rows:
        raise WrongUse(say("%s names no device", "in %s steht kein Gerät", file.name))
    configs = {name: _config(row, config, file.parent) for name, row in rows.items()}
    for name, row in rows.items():
        if not (row.board or board):
            raise WrongUse(
                say(
                    "%s: which board is %s? a column board, or --board",
                    "%s: welche Karte ist %s? eine Spalte board, oder --board",
                    file.name,
                    name,
                )
            )
    ports = _ports(port, rows)
    worker = _Worker(laptop_of(images, shelf, manifest, technician), rows, configs, board, technician)
    worker.settings(no_radio, cloud_wait, shelf)
    batch = Batch([Box(name, row.port) for name, row in rows.items()], path_of(shelf, text_of(file)))
    console = Console(highlight=False, stderr=True, quiet=as_json)
    with _Shown(console) as shown:
        boxes = batch.run(ports, worker.work, shown.show, shown.following, at_once)
    _say(boxes, as_json)
    raise typer.Exit(0 if all(box.state in (GREEN, YELLOW) for box in boxes) else 1)


class _Worker:
    """What is done with one box."""

    def __init__(
        self, laptop: "Laptop", rows: "dict[str, BenchRow]", configs: dict[str, bytes], board: str, technician: str
    ) -> None:
        self._laptop, self._rows, self._configs = laptop, rows, configs
        self._board, self._technician = board, technician

    def settings(self, no_radio: bool, cloud_wait: int, shelf: Path) -> None:
        """How it is verified, and where the protocol goes."""
        self._no_radio, self._cloud_wait, self._shelf = no_radio, cloud_wait, shelf
        self._key = signing_key(shelf)

    def work(self, box: Box, port: str, told: Told) -> Box:
        """Raises BenchError."""
        from firmware.bench.checklist.verifying import Wanted
        from firmware.bench.flash.flashing import Wish
        from firmware.bench.identity.provision import Order
        from firmware.bench.installing import install

        row, text, begun = self._rows[box.device], self._configs[box.device], datetime.now(UTC)
        wish = Wish(port, row.board or self._board, text)
        wanted = Wanted(__version__, None, row.station or "", "", not self._no_radio, cloud_wait_s=self._cloud_wait)
        done = install(self._laptop, wish, Order(row=row, config=text), wanted, told)
        place = Place(self._technician, None, "")
        recorded(done.seen, begun, place, self._key, self._shelf / "protocols", ask=False)
        return replace(
            box, mac=done.flashed.mac, state=done.colour, reason=done.reason, seconds=sum(done.seconds.values())
        )


class _Shown:
    """A live table on a terminal; a line a box elsewhere."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, refresh_per_second=4, transient=True) if console.is_terminal else None
        self._asking = threading.Lock()
        self._said: set[str] = set()

    def __enter__(self) -> "_Shown":
        if self._live:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live:
            self._live.stop()

    def show(self, boxes: Sequence[Box]) -> None:
        """How they stand now."""
        if self._live:
            self._live.update(table(boxes))
            return
        for box in boxes:
            if box.state in (GREEN, YELLOW, RED) and box.device not in self._said:
                self._said.add(box.device)
                self._console.print(f"{box.device}  {box.place}  {word_of(box.state)}  {box.reason}", soft_wrap=True)

    def following(self, box: Box, port: str) -> bool:
        """Ask the technician to plug the next box in."""
        if not self._live or not sys.stdin.isatty():
            return False
        with self._asking:
            self._live.stop()
            said = typer.prompt(
                say(
                    "%s: plug in the box for %s, then Enter (n: no more)",
                    "%s: die Kiste für %s anstecken, dann Enter (n: keine mehr)",
                    port,
                    box.device,
                ),
                default="", show_default=False,
            )  # fmt: skip
            self._live.start()
        return bool(said.strip().lower() != "n")


def table(boxes: Sequence[Box]) -> Table:
    """Who is where."""
    out = Table(
        say("device", "Gerät"), say("port", "Anschluss"), say("state", "Stand"), say("what", "was"), box=None,
        pad_edge=False,
    )  # fmt: skip
    for box in boxes:
        what = f"{name_of(box.step)} {box.part:.0%}" if box.state == BUSY and box.step else box.reason
        out.add_row(box.device, box.place or box.port, Text(word_of(box.state), STYLES[box.state]), what)
    return out


def word_of(state: str) -> str:
    """A state's word."""
    return {
        GREEN: say("green", "grün"),
        YELLOW: say("yellow", "gelb"),
        RED: say("red", "rot"),
        BUSY: say("at work", "in Arbeit"),
        WAITING: say("waits", "wartet"),
    }[state]


def _config(row: "BenchRow", config: Path | None, folder: Path) -> bytes:
    """A row's own configuration, else the batch's; b"" for what a board has."""
    return text_of(folder / row.config if row.config else config)


def _ports(port: str, rows: "dict[str, BenchRow]") -> list[str]:
    """Those that are named, or all boards of this laptop. Raises WrongUse."""
    from firmware.bench.board import ports

    named = [one.strip() for one in port.split(",") if one.strip()]
    found = named or [one.path for one in ports.found() if one.bridge]
    if not found and not any(row.port for row in rows.values()):
        raise WrongUse(say("no board is plugged in; or name it: --port", "keine Karte angesteckt; oder: --port"))
    return found


def _say(boxes: Sequence[Box], as_json: bool) -> None:
    if as_json:
        print(json.dumps([asdict(box) for box in boxes], ensure_ascii=False))
        return
    console = Console(highlight=False)
    console.print(table(boxes))
    counts = {state: sum(box.state == state for box in boxes) for state in (GREEN, YELLOW, RED, WAITING)}
    console.print(", ".join(f"{n} {word_of(state)}" for state, n in counts.items() if n))
    if counts[RED] or counts[WAITING]:
        console.print(
            say(
                "Run the same command again: only these are done.",
                "Denselben Befehl noch einmal geben: nur diese werden bearbeitet.",
            )
        )
