"""A simulated board at a port: power, loader, start, MicroPython, deep sleep, faults. Linux.

A pseudo-terminal has no modem lines, so three rules stand for what a host does with DTR and RTS. With `auto_reset`
- the first SYNC of the loader's protocol is taken for the reset into the loader, and one after the port was opened
  anew as well;
- a Ctrl-C or Ctrl-A that reaches the loader after the port was opened anew shows that the host had reset the chip
  before it closed the port: the chip has started meanwhile, and the byte reaches what runs;
- a Ctrl-C that comes to a chip in deep sleep later than `_PULSE_S` after the first one stands for a pulse of RTS.
Without `auto_reset` (a board that has no such circuit) a SYNC finds a chip that started from flash and says so, until
`hold_boot()` and `press_reset()`. The loader is also left as on the chip: by FLASH_END, RUN_USER_CODE or its watchdog.
Time is real. RTC memory survives deep sleep and a soft reset, and nothing else.
"""

import contextlib
import json
import os
import random
import select
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from simulators.bench import boot, slip
from simulators.bench.cable import Cable
from simulators.bench.chips import CHIPS, WRONG_MODE
from simulators.bench.flash import FlashFile, PowerCut
from simulators.bench.interpreter import HEAP_KIB, HOST, Interpreter
from simulators.bench.loader import Loader
from simulators.bench.prompt import Prompt

# Board -> (chip, MiB of flash), as firmware/device/boards has them.
MODELS = {
    "esp32_c3": ("esp32c3", 4),
    "esp32_devkit": ("esp32", 4),
    "heltec_v3": ("esp32s3", 8),
    "lilygo_lora32": ("esp32", 4),
    "lilygo_t3s3": ("esp32s3", 4),
}
EVENT_BYTES = 256  # to and from the prompt: one event
SYNC_BEGIN = b"\xc0\x00\x08\x24"
RTC_EPOCH_US = 946_684_800_000_000  # where the clock of a chip begins that had no power
_TRY_AGAIN_S = 1.0  # of a ROM that finds nothing to start
_PULSE_S = 1.2
_WRONG_MODE_S = 0.4  # after the last SYNC
_CAUSES = {
    "power": "rst:0x1 (POWERON)", "hard": "rst:0xc (SW_CPU_RESET)", "watchdog": "rst:0x7 (TG0WDT_SYS_RST)",
    "sleep": "rst:0x5 (DSLEEP)",
}  # fmt: skip
_LOG_MAX = 1 << 20


@dataclass
class Faults:
    """What is wrong with board or cable; may be changed while it runs."""

    loses: float = 0.0  # the share of bytes from the host that get lost
    seed: int = 1
    silent: bool = False  # a cable without data lines: nothing passes
    chatter: bytes = b""  # another program's port: says this now and then, and hears nothing
    bad_at: set[int] = field(default_factory=set)  # addresses of flash that do not hold what is written


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
        self.folder, self.model, self.chip = folder, model, CHIPS[chip or of_model]
        self.auto_reset, self.hurry_s = auto_reset, hurry_s
        self.mac = mac
        self.faults = Faults()
        self.events = 0
        self.baud = 115200
        self._stub, self._micropython, self._heap_kib = stub, micropython, heap_kib
        self._environment = dict(environment or {})
        self._world: dict[str, Any] = {
            "parts": [dict(part) for part in parts], "model": self.chip.name, "mac": mac, "real_time": True,
            **({"air": {"grace_ms": 2, **air}} if air else {}), **(world or {}),
        }  # fmt: skip
        self._flash = FlashFile(folder / "flash.bin", flash_mb or mb)
        self._cable = Cable(folder / "port")
        self._log = bytearray()
        self._cut_at: int | None = None
        self._passed = 0  # bytes since the last event of the prompt
        self._boot_held = False
        self._mode = ""  # "", "loader", "stuck", "run", "asleep", "wrong"
        self._loader: Loader | None = None
        self._decoder = slip.Decoder()
        self._opened_at = 0  # self._cable.opened, when the loader was last spoken to
        self._inside: Interpreter | None = None
        self._prompt = Prompt(False, "")
        self._held = bytearray()  # from the host, where it may become a SYNC
        self._until = 0.0  # when the mode does what it waits for
        self._first_break = 0.0  # the first Ctrl-C of this opening that a sleeping chip got
        self._dog_at = 0.0
        self._slept_at = 0.0
        self._random = random.Random(self.faults.seed)
        self._calls: list[tuple[Callable[[], None], threading.Event]] = []
        self._wake_read, self._wake_write = os.pipe()
        self._ended = False
        self._thread = threading.Thread(target=self._run, name="board", daemon=True)

    # What others use.

    @property
    def port(self) -> str:
        """The path that stands for the port."""
        return str(self._cable.link)

    @property
    def is_plugged(self) -> bool:
        """Whether it has power and a port."""
        return self._cable.fd >= 0

    @property
    def mode(self) -> str:
        """ "" without power, "loader", "stuck" (nothing to start), "run", "asleep" or "wrong" (boot mode)."""
        return self._mode

    @property
    def log(self) -> str:
        """What the chip has printed, to whom ever."""
        return self._log.decode("utf-8", "replace")

    def __enter__(self) -> "SimulatedBoard":
        self._plug()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended = True
        self._call(self.__unplug)
        self._thread.join()
        self._flash.close()
        os.close(self._wake_read)
        os.close(self._wake_write)

    def unplug_at(self, event: int | None) -> None:
        """Lose power in the middle of that event (`events` is the number of those that were); None: do not."""
        self._cut_at = event

    def unplug(self) -> None:
        """Lose power now."""
        self._call(self.__unplug)

    def plug(self) -> None:
        """Power again, at a port of the same path."""
        self._cut_at = None
        self._call(self._plug)

    def press_reset(self) -> None:
        """The button EN."""
        self._call(lambda: self._reset("power"))

    def hold_boot(self) -> None:
        """Hold the button BOOT until the next reset."""
        self._boot_held = True

    # The thread.

    def _call(self, what: Callable[[], None]) -> None:
        done = threading.Event()
        self._calls.append((what, done))
        os.write(self._wake_write, b".")
        if not done.wait(20):
            raise RuntimeError("the simulated board has stopped: " + self.log[-500:])

    def _run(self) -> None:
        while not self._ended or self._calls:
            try:
                self._turn()
            except PowerCut:
                self.__unplug()

    def _turn(self) -> None:
        """Wait for something, and do it."""
        cable, inside = self._cable, self._inside
        reads, writes = [self._wake_read], []
        timeout = 0.5
        if cable.fd >= 0:
            if not cable.is_open:
                cable.look()
            if cable.is_open:
                reads.append(cable.fd)
                writes += [cable.fd] if cable.waits else []
            else:
                timeout = 0.02
        if inside:
            reads.append(inside.fd)
            writes += [inside.fd] if inside.waits else []
        if self._mode in ("stuck", "asleep", "wrong") or self.faults.chatter:
            timeout = min(timeout, 0.002 if self._mode == "wrong" else 0.05)
        ready, able, _ = select.select(reads, writes, [], timeout)
        if self._wake_read in ready:
            os.read(self._wake_read, 4096)
        while self._calls:
            what, done = self._calls.pop(0)
            try:
                what()
            finally:
                done.set()
        if cable.fd >= 0 and cable.fd in able:
            cable.flush()
        if cable.fd >= 0 and cable.fd in ready:
            self._from_host(cable.read())
        if inside and inside is self._inside:
            if inside.fd in able:
                inside.flush()
            self._from_inside(inside)
        self._on_time()

    def _on_time(self) -> None:
        now = time.monotonic()
        if self.faults.chatter and now > self._until:
            self._cable.write(self.faults.chatter)
            self._until = now + 0.2
        elif self._mode == "wrong":
            if now > self._until:
                self._reset("power")
            elif not self._cable.waits:
                self._say(WRONG_MODE + "\r\n", log=False)
        elif self._mode == "stuck" and now > self._until:
            self._boot("power")
        elif self._mode == "asleep" and now > self._until:
            self._boot("sleep")
        elif self._mode == "run" and now > self._dog_at:
            self._dog_at = now + 0.5
            self._watch()

    def _watch(self) -> None:
        """The watchdog bites where nobody looks at a clock, as at a prompt."""
        file = self.folder / "watchdog"
        with contextlib.suppress(OSError, ValueError):
            if time.time() > file.stat().st_mtime + int(file.read_text()) / 1000:
                self._reset("watchdog")

    # Power and resets.

    def _plug(self) -> None:
        if not self.is_plugged:
            self._cable.plug()
            self._reset("power")

    def __unplug(self) -> None:
        self._stop()
        self._mode = ""
        self._cable.unplug()
        self._cut_at = None

    def _stop(self) -> None:
        """Whatever runs, ends."""
        if self._inside:
            self._inside.kill()
            self._inside = None
        self._loader = None
        self._held.clear()

    def _reset(self, cause: str) -> None:
        """A reset of the whole chip: into the loader where BOOT is held."""
        self._stop()
        (self.folder / "watchdog").unlink(missing_ok=True)
        if self._boot_held:
            self._boot_held = False
            self._load(say=True)
        else:
            self._boot(cause)

    def _load(self, say: bool = False) -> None:
        """Into the loader of the ROM."""
        self._stop()
        self._loader = Loader(self.chip, self._flash, bytes.fromhex(self.mac), self._stub)
        self._decoder = slip.Decoder()
        self._opened_at = self._cable.opened
        self._mode = "loader"
        text = f"{self.chip.banner}{_CAUSES['power']},{self.chip.boot[1]}\r\nwaiting for download\r\n"
        if say:
            self._say(text)
        else:
            self._log += text.encode()  # over before the host begins to listen

    def _boot(self, cause: str, keep: bytes | None = None) -> None:
        """What the ROM does with flash."""
        self._stop()
        self._flash.bad_at = self.faults.bad_at
        found = boot.start(self.chip, self._flash)
        if not (self._mode == "stuck" and found.blank):
            self._say(f"{self.chip.banner}{_CAUSES[cause]},{self.chip.boot[0]}\r\n")
        self._say(found.said)
        if found.partitions is None or not {"vfs", "nvs"} <= found.partitions.keys():
            self._mode, self._until = "stuck", time.monotonic() + _TRY_AGAIN_S
            return
        rows = found.partitions
        self._remember(cause)
        self._change(
            vfs=[HOST + str(self._flash.path), rows["vfs"].at // 4096, rows["vfs"].size // 4096],
            nvs=[HOST + str(self._flash.path), rows["nvs"].at, rows["nvs"].size], version=found.version,
        )  # fmt: skip
        self._interpret(False, keep)

    def _interpret(self, raw: bool, keep: bytes | None = None) -> None:
        """A start of MicroPython."""
        state = self._change(start="raw" if raw else "full", ended=False)
        name = self.chip.name.upper()
        banner = f"MicroPython {state['version']} (simulated board); Generic {name} module with {name}"
        self._prompt = Prompt(raw, banner, keep)
        self._inside = Interpreter(self._micropython, str(self.folder), self._heap_kib, self._environment)
        self._mode = "run"

    def _remember(self, cause: str) -> None:
        """What a chip still knows after a reset of this kind."""
        state = self._state()
        now_us = time.time_ns() // 1000
        known: dict[str, Any] = {"reset": cause, "rtc_us": RTC_EPOCH_US}
        if cause in ("power", "hard", "watchdog"):
            known |= {"rtc_memory": "", "wake": None}
        if cause == "power":
            known["ulp"] = None
        elif "true_us" in state:
            known["rtc_us"] = state["rtc_us"] + now_us - state["true_us"]
        self._change(**known, true_us=now_us)

    def _state(self) -> dict[str, Any]:
        try:
            state: dict[str, Any] = json.loads((self.folder / "chip.json").read_text())
            return state
        except (OSError, ValueError):
            return {}

    def _change(self, **what: Any) -> dict[str, Any]:
        state = self._state() | self._world | what
        (self.folder / "chip.json").write_text(json.dumps(state))
        return state

    def _left(self, inside: Interpreter) -> None:
        """The interpreter has ended; what it wanted stands in chip.json."""
        raw = self._prompt.raw
        inside.kill()
        self._inside = None
        state = self._state()
        cause = state.get("reset") if state.get("ended") else "crash"
        if cause == "soft":
            self._say("MPY: soft reboot\r\n")
            self._remember("soft")
            self._interpret(raw)
        elif cause == "sleep":
            sleep_s = state["sleep_us"] / 1e6
            if self.hurry_s is not None:
                sleep_s = min(sleep_s, self.hurry_s)
            self._mode, self._until = "asleep", time.monotonic() + sleep_s
            self._first_break = 0.0
        else:
            self._reset("watchdog" if cause in ("crash", "watchdog") else str(cause))

    # What passes.

    def _say(self, text: str, log: bool = True) -> None:
        data = text.encode()
        if log:
            self._log += data
        if not self.faults.silent and not self.faults.chatter:
            self._cable.write(data)

    def _event(self) -> bool:
        """Count one; True where the power goes in the middle of it."""
        self.events += 1
        return self.events == self._cut_at

    def _pass(self, n: int) -> None:
        """Bytes to or from the prompt. Raises PowerCut."""
        self._passed += n
        while self._passed >= EVENT_BYTES:
            self._passed -= EVENT_BYTES
            if self._event():
                raise PowerCut

    def _from_host(self, data: bytes) -> None:
        if self.faults.silent or self.faults.chatter:
            return
        if self.faults.loses:
            data = bytes(byte for byte in data if self._random.random() >= self.faults.loses)
        if not data:
            return
        if self._mode == "loader":
            self._to_loader(data)
            return
        self._held += data
        if SYNC_BEGIN in self._held:
            held = bytes(self._held)
            self._held.clear()
            self._synced(held[held.index(SYNC_BEGIN) :])
        elif not any(self._held.endswith(SYNC_BEGIN[:n]) for n in (1, 2, 3)):
            data = bytes(self._held)
            self._held.clear()
            self._to_program(data)

    def _synced(self, data: bytes) -> None:
        """A host wants the loader."""
        if self.auto_reset or self._mode == "stuck":
            self._load()
            self._to_loader(data)
            return
        if self._mode != "wrong":
            self._stop()
            self._mode = "wrong"
            self._log += f"{_CAUSES['power']},{WRONG_MODE}\r\n".encode()
        self._until = time.monotonic() + _WRONG_MODE_S

    def _to_loader(self, data: bytes) -> None:
        loader = self._loader
        assert loader is not None
        packets = self._decoder.feed(data)
        loose, self._decoder.loose = bytes(self._decoder.loose), bytearray()
        if not packets and self.auto_reset and self._cable.opened != self._opened_at and loose.strip(b"\r\n"):
            if b"\x03" in loose or b"\x01" in loose:
                self._boot("power", keep=loose)
            return
        for packet in packets:
            if self._cable.opened != self._opened_at and packet[1:2] == b"\x08":
                self._opened_at = self._cable.opened
                if self.auto_reset:
                    loader = self._loader = Loader(self.chip, self._flash, bytes.fromhex(self.mac), self._stub)
            dies = self._event()
            self._flash.cut = dies
            self._flash.bad_at = self.faults.bad_at
            answers = loader.handle(packet)  # may raise PowerCut
            if dies:
                raise PowerCut
            for answer in answers:
                self._cable.write(slip.framed(answer))
            self.baud = loader.baud
            if loader.leaves == "run":
                self._reset("power")
                return
            if loader.leaves:
                self._load()
                return

    def _to_program(self, data: bytes) -> None:
        if self._mode == "asleep" and self.auto_reset and b"\x03" in data:
            now = time.monotonic()
            if not self._first_break:
                self._first_break = now
            elif now - self._first_break > _PULSE_S:
                self._reset("power")
        elif self._mode == "run":
            self._pass(len(data))
            self._prompt.from_host(data)
            self._move()

    def _from_inside(self, inside: Interpreter) -> None:
        data = inside.read()
        if data is None:
            self._left(inside)
        elif data:
            self._prompt.from_inside(data)
            self._move()

    def _move(self) -> None:
        """What the prompt has for either side."""
        prompt, inside = self._prompt, self._inside
        if prompt.to_inside and inside:
            inside.write(bytes(prompt.to_inside))
            prompt.to_inside.clear()
        if prompt.to_host:
            data = bytes(prompt.to_host)
            prompt.to_host.clear()
            self._log += data
            del self._log[:-_LOG_MAX]
            if not self.faults.silent and not self.faults.chatter:
                self._cable.write(data)
            self._pass(len(data))
