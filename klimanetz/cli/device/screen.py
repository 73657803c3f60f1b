"""What a technician sees of a board's steps: a bar each on a terminal, a line each in a pipe."""

import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from firmware.bench.words import say


def name_of(step: str) -> str:
    """A step's name as it is shown."""
    names = {
        "look": say("looking at the board", "Karte ansehen"),
        "save": say("saving what is on it", "Inhalt sichern"),
        "erase": say("erasing", "Löschen"),
        "write": say("writing MicroPython", "MicroPython schreiben"),
        "start": say("starting it", "Starten"),
        "copy": say("copying the firmware", "Firmware kopieren"),
        "restore": say("putting back", "Zurückspielen"),
        "check": say("reading back", "Zurücklesen"),
        "old": say("saving the old box", "alte Kiste sichern"),
        "provision": say("provisioning", "Einrichten"),
        "verify": say("checking", "Prüfen"),
        "cloud": say("first reading in the cloud", "erste Messung in der Cloud"),
    }
    return names.get(step, step)


class Screen:
    """`with Screen(console) as screen`: give `screen.told` to whoever works."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(highlight=False, stderr=True)
        self._bars = Progress(
            TextColumn("  {task.description:<24}"),
            BarColumn(bar_width=30),
            TextColumn("{task.percentage:>3.0f} %"),
            TimeElapsedColumn(),
            console=self.console,
        )
        self._tasks: dict[str, TaskID] = {}
        self._began: dict[str, float] = {}

    def __enter__(self) -> "Screen":
        if self.console.is_terminal:
            self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.console.is_terminal:
            self._bars.stop()  # in a pipe it would leave an empty line

    def told(self, step: str, done: int, of: int) -> None:
        """How far a step is."""
        if not self.console.is_terminal:
            self._line(step, done, of)
            return
        if step not in self._tasks:
            self._tasks[step] = self._bars.add_task(name_of(step), total=of)
        self._bars.update(self._tasks[step], completed=done, total=of)

    def _line(self, step: str, done: int, of: int) -> None:
        if done == 0:
            self._began.setdefault(step, time.monotonic())
        elif (done, of) == (1, 1):
            self.console.print(f"  {name_of(step):<24} {time.monotonic() - self._began[step]:5.1f} s")
