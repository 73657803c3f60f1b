"""One start of a real MicroPython, on a terminal of its own. CPython's half of simulators/board/live.py.

The inner terminal is the interpreter's controlling one, raw but for Ctrl-C, so that Ctrl-C is a real SIGINT.
"""

import contextlib
import os
import signal
import subprocess
import termios
import tty
from collections.abc import Mapping

from simulators.board.compiled import doubles

HOST = "/_host"  # where live.py mounts the host's files
HEAP_KIB = 512  # a device's and that of the doubles
_STARTER = """
import sys, vfs
vfs.mount(vfs.VfsPosix("/"), "%s")
vfs.umount("/")
sys.path[:] = %r
from simulators.board import live
live.start(globals())
del live
"""


class Interpreter:
    """`fd`: what it prints; `folder`: the chip's, with `chip.json`."""

    def __init__(self, micropython: str, folder: str, heap_kib: int, environment: Mapping[str, str]) -> None:
        made = str(doubles())
        path = ["", HOST + made + "/simulators/board/overrides", ".frozen", "/lib", HOST + made]
        self.fd, inner = os.openpty()
        tty.setraw(inner, termios.TCSANOW)
        settings = termios.tcgetattr(inner)
        settings[3] |= termios.ISIG | termios.NOFLSH
        termios.tcsetattr(inner, termios.TCSANOW, settings)
        command = [micropython, "-X", "heapsize=%dk" % heap_kib, "-i", "-c", _STARTER % (HOST, path)]
        # The first terminal that a session's leader opens is its controlling one.
        self._process = subprocess.Popen(
            ["/bin/sh", "-c", 'tty=$1; shift; exec "$@" <>"$tty" >&0 2>&1', "sh", os.ttyname(inner), *command],
            env={**os.environ, "KLIMANETZ_BOARD": HOST + folder, "MICROPYPATH": "", **environment},
            start_new_session=True, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        os.set_blocking(self.fd, False)
        self._inner = inner  # open until it has begun, or the first read would say that nobody is there
        self._out = bytearray()

    def read(self) -> bytes | None:
        """What it printed, None where it has ended."""
        try:
            data = os.read(self.fd, 65536)
        except BlockingIOError:
            return b"" if self._process.poll() is None else None
        except OSError:
            return None
        if self._inner >= 0:
            os.close(self._inner)
            self._inner = -1
        return data

    def write(self, data: bytes) -> None:
        """To its input, as soon as it takes it."""
        self._out += data
        self.flush()

    @property
    def waits(self) -> bool:
        """Whether something is left to write."""
        return bool(self._out)

    def flush(self) -> None:
        """Write what it takes now."""
        with contextlib.suppress(OSError):
            while self._out:
                n = os.write(self.fd, self._out[:1024])
                del self._out[:n]

    def kill(self) -> None:
        """End it as a loss of power does."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        for fd in (self.fd, self._inner):
            if fd >= 0:
                os.close(fd)
        self.fd = self._inner = -1
