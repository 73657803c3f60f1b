"""A board as somebody else would imitate it: nothing of `simulators/`, and rougher than our own.

The rule: two things behind one pseudo-terminal that know nothing of each other: a loader that has no more than a ROM
has, on a flash file, and a plain MicroPython of the Unix port (no `esp32`, hardly a `machine`) with a littlefs at `/`.
What arrives says which of them is meant. Source: Espressif, "esptool, Serial Protocol"; MicroPython, "The raw REPL".
"""

import contextlib
import hashlib
import os
import select
import signal
import subprocess
import termios
import threading
import time
import tty
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from struct import pack, unpack_from

from littlefs import LittleFS

BLOCK, BLOCKS = 4096, 256
OK, REFUSED, FAILED = bytes(4), b"\x01\x05\0\0", b"\x01\x06\0\0"
SYNC, END, ESC = b"\xc0\x00\x08\x24\x00", b"\xc0", b"\xdb"
SOFT_RESET = b"MPY: soft reboot\r\n"
# chip -> (id for GET_SECURITY_INFO or None, magic, eFuse of the MAC, SPI: base, USR2, W0)
CHIPS = {
    "esp32": (None, 0x00F01D83, 0x3FF5A004, 0x3FF42000, 0x24, 0x80),
    "esp32s3": (9, 0x9, 0x60007044, 0x60002000, 0x20, 0x58),
    "esp32c3": (5, 0x6921506F, 0x60008844, 0x60002000, 0x20, 0x58),
}
_START = """
import vfs
class _D:
 def __init__(s, f):
  s.f = f
 def readblocks(s, n, b, o=0):
  s.f.seek(n * 4096 + o)
  s.f.readinto(b)
 def writeblocks(s, n, b, o=0):
  s.f.seek(n * 4096 + o)
  s.f.write(b)
  s.f.flush()
 def ioctl(s, op, a):
  if op == 4:
   return {blocks}
  if op == 5:
   return 4096
  return 0
_d = _D(open({path!r}, 'r+b'))
try:
 _v = vfs.VfsLfs2(_d)
except OSError:
 vfs.VfsLfs2.mkfs(_d)
 _v = vfs.VfsLfs2(_d)
vfs.umount('/')
vfs.mount(_v, '/')
import sys
sys.path[:] = ['', '.frozen', '/lib']
del vfs
"""


@dataclass
class Manners:
    """What differs from one double to the next."""

    stub: str = "refused"  # or "silent", "hangup"
    baud: str = "unknown"  # or "silent", "ok"
    compressed: bool = False
    end: bool = True  # FLASH_END is known
    paste: bool = False  # raw-paste works
    prompt: bool = True  # MicroPython answers
    wipes: bool = False  # erasing flash takes the files along
    main: bool = False  # main.py runs at a start
    delay_s: float = 0.0  # of each answer of the loader
    garbage: bytes = b""  # before the first answer to a SYNC
    echo: bool = False
    wrong_mode: bool = False
    flash_id: int | None = None
    lose: int = 0  # each so many bytes from the host one is lost, in the loader


class OtherBoard:
    """`with OtherBoard(folder, …) as board`; `port` is a link, `path` the pseudo-terminal itself."""

    def __init__(
        self, folder: Path, micropython: str, chip: str = "esp32s3", files: Mapping[str, bytes] | None = None,
        flash_mb: int = 4, manners: Manners | None = None, mac: str = "7cdfa1000001",
    ) -> None:  # fmt: skip
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.micropython, self.chip, self.mac = folder, micropython, CHIPS[chip], bytes.fromhex(mac)
        self.manners = manners or Manners()
        self.flash, self.fs, self.port = folder / "flash.bin", folder / "fs.bin", folder / "port"
        self.size = flash_mb << 20
        self.flash.write_bytes(b"\xff" * self.size)
        self.put(files or {})
        self.ops: list[int] = []  # commands to the loader, in order
        self.cut_when: Callable[[int, int], bool] = lambda op, n: False  # (op, how many so far)
        self.cut_keys = -1  # so many bytes to the prompt are left until the cable is out
        self.path = ""
        self._master = self._inner = -1
        self._process: subprocess.Popen[bytes] | None = None
        self._write: list[int] = [0, 0]
        self._inflate: zlib._Decompress | None = None
        self._registers: dict[int, int] = {}
        self._ended = False
        self._lock = threading.RLock()
        self.plug()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "OtherBoard":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended = True
        self._thread.join()
        self.unplug()

    # Cable.

    def plug(self) -> None:
        with self._lock:
            self._master, slave = os.openpty()
            tty.setraw(slave, termios.TCSANOW)
            self.path = os.ttyname(slave)
            os.close(slave)
            os.set_blocking(self._master, False)
            self.port.unlink(missing_ok=True)
            self.port.symlink_to(self.path)
            self._loading, self._in, self._line, self._synced, self._raw = False, bytearray(), bytearray(), False, False
            self._frame = False

    def unplug(self) -> None:
        with self._lock:
            self._kill()
            if self._master >= 0:
                os.close(self._master)
                self._master = -1

    def replug(self) -> None:
        self.unplug()
        self.plug()

    # Files, looked at from outside.

    def put(self, files: Mapping[str, bytes]) -> None:
        system = LittleFS(block_size=BLOCK, block_count=BLOCKS)
        for path, data in files.items():
            system.makedirs(path.rpartition("/")[0] or "/", exist_ok=True)
            with system.open(path, "wb") as file:
                file.write(data)
        self.fs.write_bytes(bytes(system.context.buffer))

    def files(self) -> dict[str, bytes]:
        system = LittleFS(block_size=BLOCK, block_count=BLOCKS, mount=False)
        system.context.buffer[:] = self.fs.read_bytes()
        system.mount()
        out = {}
        for folder, _, names in system.walk("/"):
            for name in names:
                path = f"{folder.rstrip('/')}/{name}"
                with system.open(path, "rb") as file:
                    out[path] = file.read()
        return out

    # The thread.

    def _run(self) -> None:
        while not self._ended:
            with self._lock:
                ends = [fd for fd in (self._master, self._inner) if fd >= 0]
            ready = select.select(ends, [], [], 0.02)[0] if ends else []
            if not ends:
                time.sleep(0.02)
            with self._lock:
                if self._master in ready:
                    self._from_host()
                if self._inner >= 0 and self._inner in ready:
                    self._from_inside()

    def _from_host(self) -> None:
        try:
            data = os.read(self._master, 4096)
        except OSError:  # nobody has it open
            time.sleep(0.005)
            return
        if self.manners.echo:
            self._say(data)
        for n in range(len(data)):
            if self._master < 0:
                return
            self._byte(data[n : n + 1])

    def _byte(self, one: bytes) -> None:
        self._in += one
        if self._in.endswith(SYNC):
            self._kill()
            if not self._loading:
                self._say(self.manners.garbage)
            if self.manners.wrong_mode:
                self._say(b"rst:0x1 (POWERON),boot:0x8 (SPI_FAST_FLASH_BOOT)\r\n" * 3)
                self._in.clear()
                return
            self._loading, self._frame = True, True
            self._in = bytearray(SYNC)
            return
        if self._loading:
            if one == END:
                if self._frame and len(self._in) > 1:
                    packet = bytes(self._in).strip(END)
                    self._in.clear()
                    self._frame = False
                    self._packet(packet.replace(b"\xdb\xdc", END).replace(b"\xdb\xdd", ESC))
                else:
                    self._frame = True
                    self._in = bytearray(END)
            elif not self._frame and one in b"\x01\x03":
                self._loading = False
            elif not self._frame:
                self._in.clear()
            if self._loading:
                return
        del self._in[:-8]
        self._to_prompt(one)

    # The prompt.

    def _to_prompt(self, one: bytes) -> None:
        if not self.manners.prompt:
            return
        self.cut_keys -= 1
        if self.cut_keys == 0:
            self.unplug()
            return
        if self._process is None:
            self._begin(b"")
        if self._raw and not self.manners.paste:
            self._line += one
            if b"\x05A\x01".startswith(self._line):
                if len(self._line) == 3:
                    self._line.clear()
                    self._say(b"R\x00")
                return
            one = bytes(self._line)
            self._line.clear()
        self._raw = (self._raw or one == b"\x01") and one != b"\x02"
        with contextlib.suppress(OSError):
            os.write(self._inner, one)

    def _begin(self, keys: bytes) -> None:
        master, slave = os.openpty()
        tty.setraw(slave, termios.TCSANOW)
        settings = termios.tcgetattr(slave)
        settings[3] |= termios.ISIG | termios.NOFLSH
        termios.tcsetattr(slave, termios.TCSANOW, settings)
        code = _START.format(blocks=BLOCKS, path=str(self.fs))
        self._process = subprocess.Popen(
            ["/bin/sh", "-c", 'tty=$1; shift; exec "$@" <>"$tty" >&0 2>&1', "sh", os.ttyname(slave),
             self.micropython, "-i", "-c", code],
            start_new_session=True, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        seen = b""
        while b">>> " not in seen:
            seen += os.read(master, 4096)
        os.close(slave)
        self._inner = master
        if self.manners.main and not keys:
            os.write(master, b"import main\r")
            time.sleep(0.05)
        elif not keys:
            self._say(seen)
        elif keys == b"\x01":
            os.write(master, keys)

    def _from_inside(self) -> None:
        try:
            self._say(os.read(self._inner, 4096))
        except OSError:
            raw = self._raw
            self._kill()
            self._say(SOFT_RESET)
            self._begin(b"\x01" if raw else b"")
            self._raw = raw

    def _kill(self) -> None:
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            os.close(self._inner)
            self._process, self._inner, self._raw = None, -1, False
            self._line.clear()

    # The loader.

    def _packet(self, packet: bytes) -> None:
        if len(packet) < 8 or packet[0] != 0:
            return
        op, data = packet[1], packet[8:]
        self.ops.append(op)
        if self.cut_when(op, self.ops.count(op)):
            self.unplug()
            return
        if self.manners.lose and len(self.ops) % self.manners.lose == 0:
            return
        time.sleep(self.manners.delay_s)
        value, answer = self._do(op, data)
        if answer is None:
            return
        whole = pack("<BBHI", 1, op, len(answer), value) + answer
        for _ in range(8 if op == 0x08 else 1):
            self._say(END + whole.replace(ESC, b"\xdb\xdd").replace(END, b"\xdb\xdc") + END)

    def _do(self, op: int, data: bytes) -> tuple[int, bytes | None]:
        manners = self.manners
        chip_id, magic, mac_at, spi, usr2, w0 = self.chip
        if op == 0x08:
            return 0x20120707, OK
        if op == 0x14 and chip_id is not None:
            return 0, pack("<IB7sII", 0, 0, bytes(7), chip_id, 0) + OK
        if op == 0x0A:
            (at,) = unpack_from("<I", data)
            mac = int.from_bytes(self.mac, "big")
            known = {0x40001000: magic, mac_at: mac & 0xFFFFFFFF, mac_at + 4: mac >> 32}
            return known.get(at, self._registers.get(at, 0)), OK
        if op == 0x09:
            at, value = unpack_from("<II", data)
            self._registers[at] = value
            if at == spi:
                command = self._registers.get(spi + usr2, 0) & 0xFF
                size_id = self.size.bit_length() - 1
                identity = size_id << 16 | 0x40EF if manners.flash_id is None else manners.flash_id
                self._registers[spi] = 0
                self._registers[spi + w0] = identity if command == 0x9F else 0
            return 0, OK
        if op in (0x0B, 0x0D):
            return 0, OK
        if op == 0x02 or (op == 0x10 and manners.compressed):
            size, _, _, at = unpack_from("<IIII", data)
            if at + size > self.size:
                return 0, FAILED
            self._put(at, b"\xff" * (-(-size // 4096) * 4096))
            if manners.wipes and size > 1 << 20:
                self.fs.write_bytes(b"\xff" * BLOCK * BLOCKS)
            self._write = [at, at + size]
            self._inflate = zlib.decompressobj() if op == 0x10 else None
            return 0, OK
        if op == 0x03 or (op == 0x11 and manners.compressed):
            check = 0xEF
            for byte in data[16:]:
                check ^= byte
            part = self._inflate.decompress(data[16:]) if self._inflate else data[16:]
            part = part[: self._write[1] - self._write[0]] if self._inflate is None else part
            self._put(self._write[0], part)
            self._write[0] += len(part)
            return 0, OK
        if op in (0x04, 0x12):
            return 0, OK if manners.end else REFUSED
        if op == 0x13:
            at, size = unpack_from("<II", data)
            return 0, hashlib.md5(self._get(at, size)).hexdigest().encode() + OK
        if op == 0x0E:
            at, size = unpack_from("<II", data)
            return 0, self._get(at, size).ljust(64, b"\0") + OK
        if op == 0x05 and manners.stub == "hangup":
            self.replug()
            return 0, None
        if (op == 0x05 and manners.stub == "silent") or (op == 0x0F and manners.baud == "silent"):
            return 0, None
        if op == 0x0F and manners.baud == "ok":
            return 0, OK
        return 0, REFUSED

    def _put(self, at: int, data: bytes) -> None:
        with self.flash.open("r+b") as file:
            file.seek(at)
            file.write(data)

    def _get(self, at: int, size: int) -> bytes:
        with self.flash.open("rb") as file:
            file.seek(at)
            return file.read(size)

    def _say(self, data: bytes) -> None:
        while data and self._master >= 0:
            try:
                data = data[os.write(self._master, data) :]
            except BlockingIOError:
                select.select([], [self._master], [], 0.1)
            except OSError:
                return
