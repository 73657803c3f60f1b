"""The board's MicroPython over its cable: files, hashes, words in NVS. On mpremote's transport.

The rule: a file is there as a whole or not at all (a new one takes the place of the old), and what was written is read
back and hashed on the board. The firmware leaves a watchdog running that nothing stops, so each session sets it to ten
minutes: a board that is left alone at its prompt goes back to measuring by itself.
Source: MicroPython documentation, "The raw REPL"; ports/esp32/machine_wdt.c (a new WDT sets the timeout anew).
"""

import ast
import base64
import contextlib
import hashlib
import time
import zlib
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any

from mpremote import transport_serial
from mpremote.transport_serial import SerialTransport

from firmware.bench.board import serial_trouble
from firmware.bench.board.opening import LOST, opened
from firmware.bench.trouble import BenchError, BoardSays
from firmware.bench.words import say

setattr(transport_serial, "print", lambda *_: None)  # noqa: B010  # it would print what it did not expect, also into JSON
Progress = Callable[[int, int], None]  # (done, of all) in bytes
CHUNK = 2048  # of a file, in one command
ONE_COMMAND = 8192  # of text: more is sent in parts
WATCHDOG_MS = 600_000
READ_TIMEOUT_S = 5.0  # of one byte that is due: then the cable is out
_RAW = b"raw REPL; CTRL-B to exit\r\n"
_NO_PROGRAM = (b"invalid header", b"waiting for download")  # the chip's ROM: there is nothing to wait for
_SOFT_RESET_S = 10.0
_WINDOW_BITS = 10
# Each start that the bench has stopped counts against a new configuration (firmware/device/settings.py): not for that.
_RESTART = """
import time, machine
try:
 import esp32
 _n = esp32.NVS('klimanetz')
 if _n.get_i32('trials'):
  _n.set_i32('trials', 0)
  _n.commit()
except Exception:
 pass
time.sleep_ms(100)
machine.reset()
"""
_RESET_S = 0.1
_BOOT_S = 8.0  # from reset until the firmware can be interrupted
# Runs on the board; names begin with _k so that they meet nobody else's.
_ON_BOARD = """
import binascii as _kb, hashlib as _kh, io as _ki, os as _ko
try:
 import machine as _km
 _km.WDT(timeout=%d)
except Exception:
 pass
try:
 import deflate as _kd
except ImportError:
 _kd = None
def _kw(f, t):
 d = _kb.a2b_base64(t)
 f.write(_kd.DeflateIO(_ki.BytesIO(d), _kd.RAW, %d).read() if _kd else d)
def _ks(p):
 h = _kh.sha256()
 b = bytearray(512)
 m = memoryview(b)
 try:
  with open(p, 'rb') as f:
   while True:
    n = f.readinto(b)
    if not n:
     break
    h.update(m[:n])
 except OSError:
  return ''
 return _kb.hexlify(h.digest()).decode()
def _kl(p):
 for e in _ko.ilistdir(p or '/'):
  q = p + '/' + e[0]
  if e[1] == 0x4000:
   _kl(q)
  else:
   print(repr((q, e[3] if len(e) > 3 else 0)))
def _kp(p):
 d = p.split('/')[:-1]
 for n in range(2, len(d) + 1):
  try:
   _ko.mkdir('/'.join(d[:n]))
  except OSError:
   pass
def _kr(p, s):
 n = p + '.new'
 if _ks(n) != s:
  return 0
 _ko.rename(n, p)
 return 1
def _kq(p, t, s):
 _kp(p)
 with open(p + '.new', 'wb') as f:
  for c in t:
   _kw(f, c)
 print(_kr(p, s))
""" % (WATCHDOG_MS, _WINDOW_BITS)


class Repl:
    """`with Repl(port) as repl`: the firmware is stopped and its prompt is ours. Raises BenchError, Silent where no
    MicroPython answers. `boot_s`: how long a board that does not answer at once is given after a reset.
    """

    def __init__(self, port: str, boot_s: float = _BOOT_S) -> None:
        self.port = port
        self._transport = opened(port, lambda: SerialTransport(port, timeout=READ_TIMEOUT_S, exclusive=True))
        self._transport.is_pty = False  # there it would read without a time-out
        try:
            self._enter(boot_s)
            self._deflate = bool(self._prepare())
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> "Repl":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the port back. The board stays at its prompt until its watchdog bites; `reset` starts it at once."""
        with contextlib.suppress(*LOST):
            self._transport.close()
        with contextlib.suppress(*LOST):  # it stops half way where the cable is out
            self._transport.serial.close()

    def run(self, code: str, timeout_s: float = 10, on_output: Callable[[bytes], None] | None = None) -> str:
        """Run it on the board; what it printed. Raises BoardSays, BenchError where the cable is out.

        `timeout_s`: without a word from the board; `on_output`: each byte as it comes, then the answer is "".
        """
        try:
            out, error = self._transport.exec_raw(code, timeout_s, on_output)
        except LOST as lost:
            raise serial_trouble.lost(self.port, lost) from None
        if error:
            trace = error.decode("utf-8", "replace").strip()
            raise BoardSays(_said(trace), trace)
        return "" if on_output else str(out.decode("utf-8", "replace"))

    def value(self, expression: str, timeout_s: float = 10) -> Any:
        """What an expression on the board is: numbers, texts, bytes, None, and lists, tuples and dicts of them."""
        text = self.run(f"print(repr({expression}))", timeout_s).strip()
        try:
            return ast.literal_eval(text)
        except (ValueError, SyntaxError):
            raise serial_trouble.lost(self.port, ValueError(f"it said {text[:60]!r}")) from None

    def hashes(self, paths: Iterable[str]) -> dict[str, str]:
        """Path -> SHA-256 (hex) of what stands on the board; "" where there is no such file."""
        out: dict[str, str] = {}
        wanted = list(paths)
        for n in range(0, len(wanted), 16):
            part = wanted[n : n + 16]
            out |= dict(zip(part, self.value(f"[_ks(p) for p in {part!r}]", 30), strict=True))
        return out

    def files(self, folder: str = "") -> dict[str, int]:
        """Path -> bytes of all files below `folder` ("" is the root); {} where there is no such folder."""
        try:
            lines = self.run(f"_kl({folder!r})", 30).splitlines()
        except BoardSays as error:
            if "OSError" in error.trace:
                return {}
            raise
        return dict(ast.literal_eval(line) for line in lines if line.strip())

    def read(self, path: str, on_progress: Progress | None = None) -> bytes | None:
        """A file as it is, None where there is none; its hash is the board's own."""
        out = bytearray()
        size = -1
        try:
            size = int(self.value(f"_ko.stat({path!r})[6]"))
            self.run(f"_kf = open({path!r}, 'rb')")
        except BoardSays as error:
            if "OSError" in error.trace:
                return None
            raise
        while len(out) < size:
            part = base64.b64decode(self.value(f"_kb.b2a_base64(_kf.read({CHUNK}))"))
            if not part:
                break
            out += part
            if on_progress:
                on_progress(len(out), size)
        self.run("_kf.close()")
        if hashlib.sha256(out).hexdigest() != self.hashes([path])[path]:
            raise BenchError(
                say(
                    "%s did not come over whole; try again, with another cable if it stays so",
                    "%s kam nicht vollständig an; noch einmal versuchen, notfalls mit einem anderen Kabel", path,
                )
            )  # fmt: skip
        return bytes(out)

    def write(self, path: str, data: bytes, on_progress: Progress | None = None) -> None:
        """A file in place of what was there, read back and hashed before that. Raises BenchError; BoardSays where flash
        is full.
        """
        parts = [self._packed(data[n : n + CHUNK]) for n in range(0, len(data), CHUNK)]
        sha256 = hashlib.sha256(data).hexdigest()
        if sum(map(len, parts)) <= ONE_COMMAND:
            whole = self.run(f"_kq({path!r}, {parts!r}, {sha256!r})", 20).strip() == "1"
        else:
            self.run(f"_kp({path!r})\n_kf = open({path + '.new'!r}, 'wb')")
            for n, part in enumerate(parts):
                self.run(f"_kw(_kf, {part!r})")
                if on_progress:
                    on_progress(min((n + 1) * CHUNK, len(data)), len(data))
            self.run("_kf.close()")
            whole = bool(self.value(f"_kr({path!r}, {sha256!r})", 20))
        if not whole:
            raise BenchError(
                say(
                    "%s is not on the board as it was sent; try again, and replace the board if it stays so",
                    "%s steht nicht so auf der Karte, wie es gesendet wurde; noch einmal versuchen, sonst die Karte"
                    " tauschen",
                    path,
                )
            )
        if on_progress:
            on_progress(len(data), len(data))

    def fresh(self) -> None:
        """Whatever runs is stopped and its heap given back; files, NVS and the RTC's memory stay. Raises Silent."""
        if not self._try(2.0):
            raise serial_trouble.silent(self.port)
        self._prepare()

    def remove(self, path: str) -> None:
        """Take a file away; nothing happens where there is none."""
        self.run(f"try:\n _ko.remove({path!r})\nexcept OSError:\n pass")

    def reset(self) -> None:
        """Start the board anew, as after a press of its button; the port is given back.

        Starts that the bench makes are no failures of a configuration on trial: it has its tries before it again.
        """
        with contextlib.suppress(BenchError):
            try:
                self._transport.exec_raw_no_follow(_RESTART)
            except LOST as lost:
                raise serial_trouble.lost(self.port, lost) from None
        self.close()

    def _prepare(self) -> object:
        self.run(_ON_BOARD)
        return self.value("_kd is not None")

    def _packed(self, part: bytes) -> str:
        if self._deflate:
            packer = zlib.compressobj(9, zlib.DEFLATED, -_WINDOW_BITS)
            part = packer.compress(part) + packer.flush()
        return base64.b64encode(part).decode()

    def _enter(self, boot_s: float) -> None:
        """At once, or after a reset, while the firmware begins."""
        if self._try(1.5):
            return
        self._pulse_reset()
        until = time.monotonic() + boot_s
        while time.monotonic() < until:
            self._interrupt()
            if self._try(1.0):
                return
        raise serial_trouble.silent(self.port)

    def _interrupt(self) -> None:
        """Ctrl-C again and again until a prompt comes, a second at most: a station may be awake for less than that."""
        port, seen = self._transport.serial, b""
        with contextlib.suppress(*LOST):
            for _ in range(20):
                port.write(b"\x03")
                time.sleep(0.05)
                seen = (seen + port.read(port.in_waiting))[-64:]
                if b">>> " in seen:
                    return

    def _try(self, timeout_s: float) -> bool:
        """Stop what runs, and begin with an empty heap. mpremote's own way prints what it did not expect."""
        wire = self._transport
        try:
            wire.serial.write(b"\r\x03\x03")
            wire.serial.reset_input_buffer()
            wire.serial.write(b"\r\x01")
            data = wire.read_until(1, _RAW + b">", timeout_overall=timeout_s)
            if not data.endswith(_RAW + b">"):
                if any(word in data for word in _NO_PROGRAM):
                    raise serial_trouble.silent(self.port)
                return False
            wire.serial.write(b"\x04")
            for awaited in (b"soft reboot\r\n", _RAW):
                if not wire.read_until(1, awaited, timeout_overall=_SOFT_RESET_S).endswith(awaited):
                    return False
        except LOST as lost:
            raise serial_trouble.lost(self.port, lost) from None
        wire.in_raw_repl = True
        return True

    def _pulse_reset(self) -> None:
        """EN goes low through RTS, where the board has that circuit; a pseudo-terminal has no such line."""
        with contextlib.suppress(*LOST):
            self._transport.serial.dtr = False
            self._transport.serial.rts = True
            time.sleep(_RESET_S)
            self._transport.serial.rts = False


def _said(trace: str) -> str:
    last = trace.splitlines()[-1]
    if "ENOSPC" in last or last == "OSError: 28":
        return say(
            "the board's flash is full; take a backup, then flash it anew with --erase",
            "der Speicher der Karte ist voll; erst sichern, dann mit --erase neu flashen",
        )
    return say("the board says: %s", "die Karte sagt: %s", last)
