"""A simulated board at a port of its own, in a thread; what it does there is in life.py. Linux.

Everything is in its folder: `port` (a link to the pseudo-terminal), `flash.bin`, and `chip.json`, what the chip itself
remembers. Time is real.
"""

import os
import select
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from simulators.bench.chips import CHIPS, MODELS
from simulators.bench.faults import Faults
from simulators.bench.flash import FlashFile, PowerCut
from simulators.bench.interpreter import HEAP_KIB
from simulators.bench.life import Kind, Life
from simulators.bench.memory import Memory

_ANSWERS_S = 20.0
_GRACE_MS = 2  # of the modem in real time: what the gateway sent has long arrived


class SimulatedBoard:
    """`with SimulatedBoard(folder, "heltec_v3", micropython) as board`: it is plugged in and has power.

    `chip`: another one than the model has; `stub`: whether code may be loaded into RAM; `air`: `server` (host, port of
    Semtech UDP) and what simulators/board/modem.py knows; `parts`: as in simulators/board/world.py; `hurry_s`: the
    longest deep sleep (the RTC tells the truth about it); `world`: more of `chip.json` (`wifi`, `hosts`, `ntp`, …).
    """

    def __init__(
        self, folder: Path, model: str = "heltec_v3", micropython: str = "micropython", flash_mb: int | None = None,
        auto_reset: bool = True, stub: bool = True, air: Mapping[str, Any] | None = None,
        parts: Sequence[Mapping[str, Any]] = (), hurry_s: float | None = None, chip: str | None = None,
        mac: str = "24ec4a000001", heap_kib: int = HEAP_KIB, world: Mapping[str, Any] | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:  # fmt: skip
        folder = folder.resolve()
        folder.mkdir(parents=True, exist_ok=True)
        of_model, mb = MODELS[model]
        self.folder, self.model, self.mac = folder, model, mac
        self.chip = CHIPS[chip or of_model]
        self.faults = Faults()
        self.flash = FlashFile(folder / "flash.bin", flash_mb or mb)
        known = {
            "parts": [dict(part) for part in parts], "model": self.chip.name, "mac": mac, "real_time": True,
            **({"air": {"grace_ms": _GRACE_MS, **air}} if air else {}), **(world or {}),
        }  # fmt: skip
        kind = Kind(self.chip, mac, auto_reset, stub, hurry_s, micropython, heap_kib, dict(environment or {}))
        self._life = Life(folder, kind, self.flash, Memory(folder, known), self.faults)
        self._calls: list[tuple[Callable[[], None], threading.Event]] = []
        self._wake_read, self._wake_write = os.pipe()
        self._printed = threading.Condition()
        self._ended = False
        self._thread = threading.Thread(target=self._run, name="board", daemon=True)

    @property
    def port(self) -> str:
        """The path that stands for the port, whether it is there or not."""
        return str(self._life.cable.link)

    @property
    def events(self) -> int:
        """Commands to the loader, and every 256 bytes to or from the prompt, since it was made."""
        return self._life.events

    @property
    def mode(self) -> str:
        """ "" without power, "loader", "stuck" (nothing to start), "run", "asleep", or "wrong" (boot mode)."""
        return self._life.mode

    @property
    def baud(self) -> int:
        """What the host has asked the loader for. A pseudo-terminal passes everything at any speed."""
        return self._life.baud

    @property
    def log(self) -> str:
        """What the chip has printed, whether somebody listened or not."""
        return self._life.log.decode("utf-8", "replace")

    def __enter__(self) -> "SimulatedBoard":
        self._life.plug()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended = True
        self._call(self._life.unplug)
        self._thread.join()
        self.flash.close()
        os.close(self._wake_read)
        os.close(self._wake_write)

    def unplug_at(self, event: int | None) -> None:
        """Lose power in the middle of that event, as `events` counts them; None: do not."""
        self._life.cut_at = event

    def unplug(self) -> None:
        """Lose power now."""
        self._call(self._life.unplug)

    def plug(self) -> None:
        """Power again, at a port of the same path."""
        self._call(self._life.plug)

    def press_reset(self) -> None:
        """The button EN."""
        self._call(lambda: self._life.reset("power"))

    def hold_boot(self) -> None:
        """Hold the button BOOT until the next reset."""
        self._life.boot_held = True

    def wait_for(self, text: str, timeout_s: float = 10, since: int = 0) -> None:
        """Until `text` stands in the log behind `since`. Raises TimeoutError with the end of the log."""
        until = time.monotonic() + timeout_s
        with self._printed:
            while text not in self.log[since:]:
                if not self._printed.wait(until - time.monotonic()):
                    raise TimeoutError(f"no {text!r}; mode {self.mode!r}, log: {self.log[-500:]}")

    def wait_mode(self, mode: str, timeout_s: float = 10) -> None:
        """Until it is in that mode. Raises TimeoutError with the end of the log."""
        until = time.monotonic() + timeout_s
        with self._printed:
            while self.mode != mode:
                if not self._printed.wait(until - time.monotonic()):
                    raise TimeoutError(f"mode {self.mode!r}, not {mode!r}, log: {self.log[-500:]}")

    def _call(self, what: Callable[[], None]) -> None:
        """Have the thread do it, and wait until it is done."""
        done = threading.Event()
        self._calls.append((what, done))
        os.write(self._wake_write, b".")
        if not done.wait(_ANSWERS_S):
            raise RuntimeError("the simulated board has stopped: " + self.log[-500:])

    def _run(self) -> None:
        while not self._ended or self._calls:
            try:
                self._turn()
            except PowerCut:
                self._life.unplug()
            with self._printed:
                self._printed.notify_all()

    def _turn(self) -> None:
        """Wait for something, and do it."""
        life, cable = self._life, self._life.cable
        if cable.fd >= 0 and not cable.is_open:
            cable.look()
        reads, writes = [self._wake_read], []
        for end, there in ((cable, cable.is_open), (life.inside, life.inside is not None)):
            if end is not None and there:
                reads.append(end.fd)
                writes += [end.fd] if end.waits else []
        ready, able, _ = select.select(reads, writes, [], life.patience_s())
        if self._wake_read in ready:
            os.read(self._wake_read, 4096)
        if cable.fd in able:
            cable.flush()
        if life.inside and life.inside.fd in able:
            life.inside.flush()
        if cable.fd in ready:
            life.from_host(cable.read())
        if life.inside and (life.inside.fd in ready or not ready):
            life.from_inside()
        while self._calls:
            what, done = self._calls.pop(0)
            try:
                what()
            finally:
                done.set()
        life.on_time()
