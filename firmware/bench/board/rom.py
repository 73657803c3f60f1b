"""The board's loader over its cable: which chip, what is on its flash, erase and write. On esptool.

The rule: what is written is read back by the chip's own MD5 (esptool does that), and nothing is erased here that the
caller has not named. Where the stub loader cannot be used (secure download mode, a poor cable) the ROM's own is slower
and does the same. Source: Espressif, "esptool, Serial Protocol" and "Scripting".
"""

import contextlib
import hashlib
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any

import serial
from esptool.cmds import attach_flash, detect_chip, detect_flash_size, erase_flash, erase_region, run_stub, write_flash
from esptool.loader import ESPLoader
from esptool.util import FatalError, UnsupportedCommandError, flash_size_bytes

from firmware.bench.board import rom_trouble
from firmware.bench.board.opening import LOST, opened
from firmware.bench.board.rom_log import progress_to, quiet
from firmware.bench.trouble import BenchError

Progress = Callable[[int, int], None]
FAST_BAUD, SAFE_BAUD = 921_600, 115_200
SECTOR = 4096
_RESET_S = 0.1  # until a chip has come out of a reset
_BACK_S = 3.0  # until its port is there again
DEFAULT_FLASH = 4 << 20  # where its id says nothing, as esptool reckons
CHIPS = {"ESP32": "esp32", "ESP32-S3": "esp32s3", "ESP32-C3": "esp32c3"}
MD5_PART = 0x10000  # of flash, while nothing else is asked


class Rom:
    """`with Rom(port) as rom`: the chip is in its loader, flash is attached. Raises BenchError. Left by an error before
    anything was erased or written, the chip starts what it has.

    `chip`: "esp32", "esp32s3", "esp32c3" or esptool's name for another; `mac`: "aa:bb:…"; `flash_bytes`.
    """

    def __init__(self, port: str, baud: int = FAST_BAUD) -> None:
        self.port = port
        self._changed = False
        quiet()
        self._serial = opened(port, lambda: serial.serial_for_url(port, exclusive=True))
        try:
            self._esp = self._connect(baud)
            attach_flash(self._esp)
            self.chip = CHIPS.get(self._esp.CHIP_NAME, self._esp.CHIP_NAME)
            self.mac = ":".join("%02x" % byte for byte in self._esp.read_mac("BASE_MAC"))
            self.flash_bytes = int(flash_size_bytes(detect_flash_size(self._esp)) or DEFAULT_FLASH)
        except Exception as error:
            self.close()
            raise rom_trouble.of(port, error) from None

    def __enter__(self) -> "Rom":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None and not self._changed:
            self.restart()  # a station whose work was refused goes on measuring: no watchdog runs in the loader
        self.close()

    def close(self) -> None:
        """Give the port back; the chip stays as it is."""
        with contextlib.suppress(*LOST):
            self._serial.close()

    @property
    def stub(self) -> bool:
        """Whether the quick loader runs."""
        return bool(self._esp.IS_STUB)

    def read(self, offset: int, size: int, on_progress: Progress | None = None) -> bytes:
        """What stands on flash."""
        told = (lambda done, of, _at: on_progress(done, of)) if on_progress else None
        return bytes(self._do(lambda: self._esp.read_flash(offset, size, told)))

    def md5(self, offset: int, size: int) -> str:
        """Hex, reckoned by the chip."""
        return str(self._do(lambda: self._esp.flash_md5sum(offset, size))).lower()

    def holds(self, offset: int, data: bytes) -> bool:
        """Whether these bytes stand there, without reading them over the cable."""
        return self.md5(offset, len(data)) == hashlib.md5(data, usedforsecurity=False).hexdigest()

    def is_blank(self, offset: int, size: int) -> bool:
        """Whether it is erased."""
        return self.holds(offset, b"\xff" * size)

    def erase(self) -> None:
        """All of flash."""
        self._changed = True
        if self.stub:
            self._do(lambda: erase_flash(self._esp))
        else:  # the ROM alone cannot
            self._do(lambda: erase_region(self._esp, 0, self.flash_bytes))

    def write(self, parts: list[tuple[int, bytes]], on_progress: Progress | None = None) -> None:
        """Write and compare. `parts`: [(offset, bytes)]."""
        self._changed = True
        with progress_to(on_progress):
            self._do(lambda: write_flash(self._esp, list(parts), flash_size="keep"))

    def restart(self) -> None:
        """Let it start what is on its flash; the port is given back."""
        if not self._serial.is_open:
            return
        with contextlib.suppress(Exception):
            if self._has_modem_lines():
                self._esp.hard_reset()
            else:  # where the cable has none, the chip's own watchdog, if it has one for that
                self._esp.watchdog_reset()
        self.close()
        time.sleep(_RESET_S)

    def _has_modem_lines(self) -> bool:
        try:
            self._serial.cts  # noqa: B018
        except OSError:
            return False
        return True

    def _do(self, what: Callable[[], Any]) -> Any:
        try:
            return what()
        except (FatalError, ValueError, *LOST) as error:
            raise rom_trouble.of(self.port, error) from None

    def _connect(self, baud: int) -> ESPLoader:
        esp = self._with_stub(detect_chip(self._serial))
        if baud == SAFE_BAUD:
            return esp
        try:
            esp.change_baud(baud)
        except UnsupportedCommandError:  # the ROM's own may not know it; it goes on as it was
            pass
        except FatalError:  # no answer: nobody knows at which speed it listens now
            self._serial.baudrate = SAFE_BAUD
            esp = detect_chip(self._serial)
        return esp

    def _with_stub(self, esp: ESPLoader) -> ESPLoader:
        """With the quick loader, or the ROM's own where that does not run."""
        try:
            return run_stub(esp)
        except FatalError:
            if not self._serial.is_open:
                self._serial.open()
        except OSError:  # a chip that starts anew over it takes its own USB along
            self._open_again()
        return detect_chip(self._serial)

    def _open_again(self) -> None:
        until = time.monotonic() + _BACK_S
        while True:
            with contextlib.suppress(OSError):
                self._serial.close()
            try:
                self._serial.open()
                return
            except OSError:
                if time.monotonic() > until:
                    raise
                time.sleep(_RESET_S)


def chip_of(machine: str) -> str:
    """The chip that MicroPython's `machine` names at its end, "" for another one."""
    word = machine.rsplit(" ", 1)[-1].lower().replace("-", "")
    return word if word in CHIPS.values() else ""


def usable(port: str) -> str:
    """The chip at this port, "" where none answers: for a list of ports. It starts what it has."""
    try:
        with Rom(port, SAFE_BAUD) as rom:
            rom.restart()
            return str(rom.chip)
    except BenchError:
        return ""
