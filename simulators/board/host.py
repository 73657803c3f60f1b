"""The host of one simulated chip: starts the interpreter, keeps what outlives it, starts it again. CPython.

In the folder of a chip: `chip.json` (true time, clocks, RTC memory, cause of the last reset, planned faults),
`nvs.json`, `flash.img`. Each start is a real MicroPython process with the device's heap; deep sleep, reset and loss of
power end it.
"""

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from simulators.board.compiled import doubles

ROOT = Path(__file__).resolve().parent.parent.parent
OVERRIDES = ROOT / "simulators" / "board" / "overrides"
START = ROOT / "simulators" / "board" / "start.py"
HEAP_KIB = 192  # what a device may take; see docs/device.md, "Heap"
MEASURE = ROOT / "simulators" / "board" / "measure.py"
START_US = 1_767_225_600_000_000  # 2026-01-01


class ChipStopped(Exception):
    """The interpreter ended for another reason than sleep, reset or loss of power; the message is what it printed."""


class Chip:
    """One chip. `code`: the folder with the firmware (this checkout, or an image's `lib`)."""

    def __init__(
        self, folder: Path, micropython: str, code: Path = ROOT, heap_kib: int | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:  # fmt: skip
        self.folder = folder
        self._micropython, self._heap_kib = micropython, heap_kib
        made = doubles()
        path = "%s:%s:%s:%s:.frozen" % (made / "simulators/board/overrides", code, made, ROOT)
        self._environment = os.environ | {"MICROPYPATH": path, "KLIMANETZ_BOARD": str(folder)} | dict(environment or {})
        folder.mkdir(parents=True, exist_ok=True)
        if not self._file.exists():
            self.change(true_us=START_US, reset="power")

    @property
    def heap_kib(self) -> int:
        """What a device may take and what the doubles of its hardware take, measured once."""
        if self._heap_kib is None:
            ran = self._run(MEASURE, 4096, 60)
            if ran.returncode:
                raise ChipStopped(ran.stdout + ran.stderr)
            self._heap_kib = HEAP_KIB + -(-int(ran.stdout) // 1024)
        return self._heap_kib

    @property
    def _file(self) -> Path:
        return self.folder / "chip.json"

    @property
    def state(self) -> dict[str, Any]:
        """What `chip.json` holds now."""
        state: dict[str, Any] = json.loads(self._file.read_text())
        return state

    def change(self, **what: Any) -> None:
        """Change what the chip finds at its next start."""
        before = self.state if self._file.exists() else {}
        self._file.write_text(json.dumps(before | what))

    @property
    def true_s(self) -> float:
        """What time it truly is there, seconds since 1970."""
        return float(self.state["true_us"]) / 1e6

    def start(self, script: Path | str, timeout_s: float = 60) -> str:
        """Run until the chip sleeps, resets or loses power; what it printed. Raises ChipStopped."""
        ran = self._run(script, self.heap_kib, timeout_s)
        if ran.returncode or ran.stderr:
            raise ChipStopped(ran.stdout + ran.stderr)
        return ran.stdout

    def _run(self, script: Path | str, heap_kib: int, timeout_s: float) -> "subprocess.CompletedProcess[str]":
        command = [self._micropython, "-X", "heapsize=%dk" % heap_kib, str(START), str(script)]
        return subprocess.run(command, env=self._environment, capture_output=True, text=True, timeout=timeout_s)

    def run(self, script: Path | str, until_s: float, starts_max: int = 100_000) -> list[str]:
        """Start it again and again until true time has come to `until_s`; what each start printed."""
        printed = []
        while self.true_s < until_s and len(printed) < starts_max:
            printed.append(self.start(script))
        return printed
