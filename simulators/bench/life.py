"""The life of a simulated board between two losses of power: loader, start, MicroPython, deep sleep. No thread in here.

A pseudo-terminal has no modem lines, so three rules stand for what a host does with DTR and RTS. With `auto_reset`
- the first SYNC of the loader's protocol is taken for the reset into the loader, and one after the port was opened
  anew as well;
- a Ctrl-C or Ctrl-A outside of a packet, which nobody sends to a loader, shows that the host has reset the chip since:
  it has started meanwhile, and the byte reaches what runs;
- a Ctrl-C that comes to a chip in deep sleep later than `_PULSE_S` after the first one stands for a pulse of RTS.
Without `auto_reset` (a board that has no such circuit) a SYNC finds a chip that started from flash and says so, until
BOOT is held and the chip reset. The loader is also left as on the chip: by FLASH_END, RUN_USER_CODE or its watchdog.
"""

import contextlib
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from simulators.bench import boot, slip
from simulators.bench.cable import Cable
from simulators.bench.chips import WRONG_MODE, Chip
from simulators.bench.faults import Faults
from simulators.bench.flash import FlashFile, PowerCut
from simulators.bench.interpreter import HOST, Interpreter
from simulators.bench.loader import Loader
from simulators.bench.memory import Memory
from simulators.bench.prompt import Prompt

EVENT_BYTES = 256  # to and from the prompt: one event
_SYNC_BEGIN = b"\xc0\x00\x08\x24"
_TO_A_PROMPT = b"\r\n\x01\x02\x03\x04"
_TRY_AGAIN_S = 1.0  # of a ROM that finds nothing to start
_PULSE_S = 1.2
_WRONG_MODE_S = 0.4  # after the last SYNC
_CHATTER_S = 0.05
_BITES_S = 0.1
_BROKEN_S = 1.0  # the Unix port ends at a second Ctrl-C that comes before the first was looked at
_CAUSES = {
    "power": "rst:0x1 (POWERON)", "hard": "rst:0xc (SW_CPU_RESET)", "watchdog": "rst:0x7 (TG0WDT_SYS_RST)",
    "sleep": "rst:0x5 (DSLEEP)",
}  # fmt: skip
_LOG_MAX = 1 << 20


@dataclass(frozen=True)
class Kind:
    """What does not change in a board's life."""

    chip: Chip
    mac: str
    auto_reset: bool
    stub: bool
    hurry_s: float | None
    micropython: str
    heap_kib: int
    environment: Mapping[str, str]


class Life:
    """`mode`: "" without power, "loader", "stuck" (nothing to start), "run", "asleep", or "wrong" (boot mode).

    Whatever handles an event raises PowerCut where that was the last one.
    """

    def __init__(self, folder: Path, kind: Kind, flash: FlashFile, memory: Memory, faults: Faults) -> None:
        self.mode = ""
        self.cable = Cable(folder / "port")
        self.inside: Interpreter | None = None
        self.events = 0
        self.cut_at: int | None = None
        self.boot_held = False
        self.baud = 115200
        self.log = bytearray()
        self._folder, self._kind, self._flash, self._memory, self._faults = folder, kind, flash, memory, faults
        self._passed = 0  # bytes since the last event of the prompt
        self._loader: Loader | None = None
        self._decoder = slip.Decoder()
        self._opened_at = 0  # cable.opened, when the loader was last spoken to
        self._prompt = Prompt(False, "")
        self._held = bytearray()  # from the host, where it may become a SYNC
        self._until = 0.0  # when the mode does what it waits for
        self._chatter_at = self._dog_at = 0.0
        self._bites_at = 0.0  # when the watchdog does that the host has set in the loader
        self._first_break = 0.0  # the first Ctrl-C that a sleeping chip got
        self._broken_at = -_BROKEN_S  # the last Ctrl-C
        self._found: dict[str, object] = {}  # of what the ROM started: partitions and version
        self._random = random.Random(1)

    # Power and resets.

    def plug(self) -> None:
        """Power, and a port."""
        if self.cable.fd < 0:
            self.cut_at = None
            self.cable.plug()
            self.reset("power")

    def unplug(self) -> None:
        """Neither."""
        self._stop()
        self.mode, self.cut_at = "", None
        self.cable.unplug()

    def reset(self, cause: str) -> None:
        """A reset of the whole chip: into the loader where BOOT is held."""
        if not self.mode and self.cable.fd < 0:
            return
        self._stop()
        (self._folder / "watchdog").unlink(missing_ok=True)
        if self.boot_held:
            self.boot_held = False
            self._load(heard=True)
        else:
            self._start(cause)

    def _stop(self) -> None:
        """Whatever runs, ends."""
        if self.inside:
            self.inside.kill()
            self.inside = None
        self._loader = None
        self._held.clear()

    def _load(self, heard: bool = False) -> None:
        """Into the loader of the ROM. `heard`: else it has said so before the host began to listen."""
        self._stop()
        chip = self._kind.chip
        self._loader = Loader(chip, self._flash, bytes.fromhex(self._kind.mac), self._kind.stub)
        self._decoder = slip.Decoder()
        self._opened_at = self.cable.opened
        self.mode, self._bites_at = "loader", 0.0
        self._say(f"{chip.banner}{_CAUSES['power']},{chip.boot[1]}\r\nwaiting for download\r\n", heard)

    def _start(self, cause: str, keep: bytes | None = None) -> None:
        """What the ROM does with flash. `keep`: what the host has sent to what runs then."""
        self._stop()
        chip = self._kind.chip
        found = boot.start(chip, self._flash)
        if not (self.mode == "stuck" and found.blank):
            self._say(f"{chip.banner}{_CAUSES[cause]},{chip.boot[0]}\r\n")
        self._say(found.said)
        rows = found.partitions or {}
        if not {"vfs", "nvs"} <= rows.keys():
            self.mode, self._until = "stuck", time.monotonic() + _TRY_AGAIN_S
            return
        path = HOST + str(self._flash.path)
        self._memory.after(cause)
        self._found = {
            "vfs": [path, rows["vfs"].at // 4096, rows["vfs"].size // 4096],
            "nvs": [path, rows["nvs"].at, rows["nvs"].size], "version": found.version,
        }  # fmt: skip
        self._interpret(False, keep)

    def _interpret(self, raw: bool, keep: bytes | None = None, main: bool = True) -> None:
        """A start of MicroPython. `main`: whether `main.py` runs, outside of the raw REPL."""
        kind = self._kind
        state = self._memory.change(**self._found, start="full" if main and not raw else "raw", ended=False)
        name = kind.chip.name.upper()
        self._prompt = Prompt(
            raw, f"MicroPython {state['version']} (simulated board); Generic {name} module with {name}", keep
        )
        self.inside = Interpreter(kind.micropython, str(self._folder), kind.heap_kib, kind.environment)
        self.mode = "run"

    def _left(self) -> None:
        """The interpreter has ended; what it wanted stands in its memory."""
        self._stop()
        state = self._memory.state()
        cause = str(state.get("reset")) if state.get("ended") else "crash"
        if cause == "soft":
            self._say("MPY: soft reboot\r\n")
            self._memory.after("soft")
            self._interpret(self._prompt.raw)
        elif cause == "sleep":
            sleep_s = state["sleep_us"] / 1e6
            if self._kind.hurry_s is not None:
                sleep_s = min(sleep_s, self._kind.hurry_s)
            self.mode, self._until = "asleep", time.monotonic() + sleep_s
            self._first_break = 0.0
        elif cause == "crash" and time.monotonic() - self._broken_at < _BROKEN_S:
            self._memory.after("soft")
            self._interpret(self._prompt.raw, main=False)
        else:
            self.reset("watchdog" if cause == "crash" else cause)

    # Time.

    def patience_s(self) -> float:
        """How long nothing has to be looked at."""
        if self.mode == "wrong":
            return 0.002
        if self.cable.fd >= 0 and not self.cable.is_open:
            return 0.02
        return 0.05 if self.mode in ("stuck", "asleep") or self._bites_at or self._faults.chatter else 0.5

    def on_time(self) -> None:
        """What is due by now."""
        now = time.monotonic()
        if self._faults.chatter and now > self._chatter_at:
            self.cable.write(self._faults.chatter)
            self._chatter_at = now + _CHATTER_S
        if self.mode == "wrong" and now > self._until:
            self.reset("power")
        elif self.mode == "wrong" and not self.cable.waits:  # whenever the host looks, the reason stands there
            self._send(f"{_CAUSES['power']},{WRONG_MODE}\r\n".encode() * 400)
        elif self.mode == "stuck" and now > self._until:
            self._start("power")
        elif self.mode == "asleep" and now > self._until:
            self._start("sleep")
        elif self.mode == "loader" and self._bites_at and now > self._bites_at:
            self.reset("watchdog")
        elif self.mode == "run" and now > self._dog_at:
            self._dog_at = now + 0.5
            self._watch()

    def _watch(self) -> None:
        """The watchdog bites where nobody looks at a clock, as at a prompt."""
        file = self._folder / "watchdog"
        with contextlib.suppress(OSError, ValueError):
            if time.time() > file.stat().st_mtime + int(file.read_text()) / 1000:
                self.reset("watchdog")

    # What passes.

    def _say(self, text: str, heard: bool = True) -> None:
        """The chip prints."""
        self.log += text.encode()
        del self.log[:-_LOG_MAX]
        if heard:
            self._send(text.encode())

    def _send(self, data: bytes) -> None:
        if not self._faults.deaf:
            self.cable.write(data)

    def _event(self) -> bool:
        """Count one; True where the power goes in the middle of it."""
        self.events += 1
        return self.events == self.cut_at

    def _pass(self, n: int) -> None:
        """Bytes to or from the prompt."""
        self._passed += n
        while self._passed >= EVENT_BYTES:
            self._passed -= EVENT_BYTES
            if self._event():
                raise PowerCut

    def from_host(self, data: bytes) -> None:
        """Bytes from the cable."""
        if self._faults.deaf:
            return
        if self._faults.loses:
            data = bytes(byte for byte in data if self._random.random() >= self._faults.loses)
        if not data:
            return
        if self.mode == "loader":
            self._to_loader(data)
            return
        self._held += data
        if _SYNC_BEGIN in self._held:
            held = bytes(self._held)
            self._held.clear()
            self._synced(held[held.index(_SYNC_BEGIN) :])
        elif not any(self._held.endswith(_SYNC_BEGIN[:n]) for n in (1, 2, 3)):
            data = bytes(self._held)
            self._held.clear()
            self._to_program(data)

    def _synced(self, data: bytes) -> None:
        """A host wants the loader."""
        if self._kind.auto_reset or self.mode == "stuck":
            self._load()
            self._to_loader(data)
            return
        if self.mode != "wrong":
            self._stop()
            self.mode = "wrong"
            self._say(f"{_CAUSES['power']},{WRONG_MODE}\r\n")
        self._until = time.monotonic() + _WRONG_MODE_S

    def _to_loader(self, data: bytes) -> None:
        packets = self._decoder.feed(data)
        loose, self._decoder.loose = bytes(self._decoder.loose), bytearray()
        if self._kind.auto_reset and not packets and loose and not loose.strip(_TO_A_PROMPT):
            self._start("power", keep=loose)
            return
        anew = self._kind.auto_reset and self.cable.opened != self._opened_at
        for packet in packets:
            if anew and packet[1:2] == b"\x08":
                self._load()
                anew = False
            if self._command(packet):
                return

    def _command(self, packet: bytes) -> bool:
        """One packet for the loader; True where the chip leaves it."""
        loader, dies = self._loader, self._event()
        assert loader is not None
        self._flash.cut, self._flash.bad_at = dies, self._faults.bad_at
        answers = loader.handle(packet)
        if dies:
            raise PowerCut
        for answer in answers:
            self._send(slip.framed(answer))
        self.baud = loader.baud
        if loader.registers.bites:
            self._bites_at = self._bites_at or time.monotonic() + _BITES_S
        if loader.leaves == "run":
            self.reset("power")
        elif loader.leaves:
            self._load()
        return bool(loader.leaves)

    def _to_program(self, data: bytes) -> None:
        if self.mode == "asleep" and self._kind.auto_reset and b"\x03" in data:
            now = time.monotonic()
            self._first_break = self._first_break or now
            if now - self._first_break > _PULSE_S:
                self.reset("power")
        elif self.mode == "run":
            if b"\x03" in data:
                self._broken_at = time.monotonic()
            self._pass(len(data))
            self._prompt.from_host(data)
            self._move()

    def from_inside(self) -> None:
        """What the interpreter has printed, or that it has ended."""
        assert self.inside is not None
        data = self.inside.read()
        if data is None:
            self._left()
        elif data:
            self._prompt.from_inside(data)
            self._move()

    def _move(self) -> None:
        """What the prompt has for either side."""
        prompt = self._prompt
        if prompt.to_inside and self.inside:
            self.inside.write(bytes(prompt.to_inside))
            prompt.to_inside.clear()
        data = bytes(prompt.to_host)
        prompt.to_host.clear()
        if data:
            self.log += data
            del self.log[:-_LOG_MAX]
            self._send(data)
            self._pass(len(data))
