"""The board's end of the cable: a pseudo-terminal behind a link of one name, that can be pulled out. Linux.

The rule: what the chip sends while nobody has the port open is lost, as on a UART. Pulled out, the host's end gives
EOF and EIO. A pseudo-terminal has no modem lines.
"""

import contextlib
import os
import select
import termios
import tty
from pathlib import Path

_QUEUE_MAX = 1 << 20


class Cable:
    """`link`: the port's name. `opened` counts how often a host has opened it."""

    def __init__(self, link: Path) -> None:
        self.link = link
        self.fd = -1
        self.opened = 0
        self.is_open = False
        self._out = bytearray()

    def plug(self) -> None:
        """The port appears."""
        self.fd, host = os.openpty()
        tty.setraw(host, termios.TCSANOW)
        name = os.ttyname(host)
        os.close(host)  # from now on, who has it open can be seen
        os.set_blocking(self.fd, False)
        self.is_open = False
        self._out.clear()
        new = self.link.with_name(self.link.name + ".new")
        new.unlink(missing_ok=True)
        new.symlink_to(name)
        new.rename(self.link)

    def unplug(self) -> None:
        """The port is gone."""
        if self.fd >= 0:
            self.link.unlink(missing_ok=True)
            os.close(self.fd)
            self.fd, self.is_open = -1, False

    def look(self) -> None:
        """See whether a host has it open now."""
        poll = select.poll()
        poll.register(self.fd, 0)
        is_open = not poll.poll(0)
        if is_open and not self.is_open:
            self.opened += 1
        self.is_open = is_open

    def read(self) -> bytes:
        """What the host sent; b"" where it closed the port."""
        try:
            return os.read(self.fd, 65536)
        except BlockingIOError:
            return b""
        except OSError:
            self.is_open = False
            self._out.clear()
            return b""

    def write(self, data: bytes) -> None:
        """To the host, as soon as it takes it."""
        if self.fd >= 0 and self.is_open and len(self._out) < _QUEUE_MAX:
            self._out += data
            self.flush()

    @property
    def waits(self) -> bool:
        """Whether something is left to write."""
        return bool(self._out)

    def flush(self) -> None:
        """Write what it takes now."""
        with contextlib.suppress(BlockingIOError):
            while self._out:
                try:
                    n = os.write(self.fd, self._out[:65536])
                except BlockingIOError:
                    raise
                except OSError:
                    self._out.clear()
                    return
                if not n:
                    return
                del self._out[:n]
