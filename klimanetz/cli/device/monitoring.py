"""`klimanetz device monitor`: what a device prints as it works, or its sensors read again and again."""

import json
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from firmware.bench.checklist.asking import Fact, ask, firmware_of
from firmware.bench.trouble import BenchError
from firmware.bench.words import say
from klimanetz.cli.device.options import Json, Port, port_or_only

MONITOR_EXAMPLE = "Example: klimanetz device monitor --live"
HELP = say(
    "Show what a device tells as it works, until Ctrl-C; it is not stopped.",
    "Zeigen, was ein Gerät bei der Arbeit sagt, bis Strg-C; es läuft dabei weiter.",
)
LIVE_S = 60  # of measuring at a stretch: a board whose cable is out goes back to its work soon after


def monitor(
    port: Port = "",
    live: Annotated[
        bool,
        typer.Option(
            "--live",
            help=say(
                "Read the sensors all the time; nothing is stored or sent.",
                "Die Sensoren fortwährend lesen; nichts wird gespeichert oder gesendet.",
            ),
        ),
    ] = False,
    every: Annotated[
        int,
        typer.Option(
            min=1,
            max=60,
            metavar="S",
            help=say("Seconds between two, with --live.", "Sekunden dazwischen, mit --live."),
        ),
    ] = 2,
    as_json: Json = False,
) -> None:
    where, show = port_or_only(port), Shown(as_json)
    try:
        if live:
            _live(where, every, show)
        else:
            _listen(where, show)
    except KeyboardInterrupt:
        pass


def _listen(port: str, show: "Shown") -> None:
    from firmware.bench.checklist.listening import Listener

    with Listener(port) as listener:
        show.note(
            say(
                "Listening at %s; Ctrl-C ends it. A device that sleeps is quiet.",
                "Höre an %s zu; Strg-C beendet es. Ein Gerät, das schläft, ist still.",
                port,
            )
        )
        listener.listen(show.fact, show.text, show.gone)


def _live(port: str, every_s: int, show: "Shown") -> None:
    from firmware.bench.board.repl import Repl

    with Repl(port) as repl:
        firmware = firmware_of(repl.read("/main.py"))
        if firmware is None:
            raise BenchError(
                say(
                    "there is no firmware of ours on it; flash it: klimanetz device flash",
                    "es ist keine Firmware von uns darauf; flashen: klimanetz device flash",
                )
            )
        show.note(
            say(
                "Reading the sensors; Ctrl-C ends it, and the device goes on.",
                "Lese die Sensoren; Strg-C beendet es, und das Gerät läuft weiter.",
            )
        )
        values = {"ROUNDS": max(2, LIVE_S // every_s), "PAUSE_MS": every_s * 1000}
        try:
            while True:
                facts = ask(repl, "sensors", firmware, show.fact, show.text, values)
                if not any(fact["kn"] == "measured" for fact in facts):
                    trouble = next((fact.get("trouble") for fact in facts if fact["kn"] == "settings"), "")
                    raise BenchError(
                        say(
                            "no sensor can be read: %s",
                            "kein Sensor lässt sich lesen: %s",
                            trouble or say("it has no configuration", "es hat keine Konfiguration"),
                        )
                    )
        finally:
            repl.fresh()
            repl.reset()


class Shown:
    """Each event as a line: words, or JSON with the laptop's time."""

    def __init__(self, as_json: bool) -> None:
        self._json = as_json
        self._console = Console(highlight=False)
        self._notes = Console(highlight=False, stderr=True)

    def note(self, text: str) -> None:
        """For the person only."""
        self._notes.print(text, style="dim", soft_wrap=True)

    def fact(self, fact: Fact) -> None:
        """Something that the device told."""
        from firmware.bench.checklist.told import sentence

        if self._json:
            self._print_json({"at": _now(), **fact})
        elif said := sentence(fact):
            self._line(said[1], said[0])

    def text(self, text: str) -> None:
        """Any other line, without what could move the cursor."""
        clean = "".join(c if c.isprintable() else "·" for c in text)
        if self._json:
            self._print_json({"at": _now(), "text": clean})
        else:
            self._line(clean, "dim")

    def gone(self, is_gone: bool) -> None:
        """The port went, or is back."""
        self.note(
            say(
                "the port is gone (asleep, or unplugged); waiting",
                "der Anschluss ist weg (schläft oder abgesteckt); warte",
            )
            if is_gone
            else say("it is back", "er ist wieder da")
        )

    def _line(self, text: str, style: str) -> None:
        self._console.print(Text.assemble((f"{datetime.now():%H:%M:%S} ", "dim"), (text, style)), soft_wrap=True)

    def _print_json(self, row: dict[str, Any]) -> None:
        print(json.dumps(row, ensure_ascii=False), flush=True)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
