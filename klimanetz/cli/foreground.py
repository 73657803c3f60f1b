"""The terminal's foreground for a program that `make` starts: else Ctrl-C reaches make, too, which reports an error."""

import contextlib
import os
import signal
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def own_foreground() -> Iterator[None]:
    """Under `make` on a terminal: let Ctrl-C reach this program alone."""
    if "MAKELEVEL" not in os.environ or os.name != "posix" or not sys.stdin.isatty():
        yield
        return
    terminal, before = sys.stdin.fileno(), os.getpgrp()
    if os.tcgetpgrp(terminal) != before:
        yield
        return
    quiet = signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    os.setpgid(0, 0)
    os.tcsetpgrp(terminal, os.getpgrp())
    try:
        yield
    finally:
        os.tcsetpgrp(terminal, before)
        signal.signal(signal.SIGTTOU, quiet)
