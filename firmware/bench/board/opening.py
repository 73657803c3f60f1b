"""Opening a serial port that somebody else may just have: a modem manager looks at each new one for a moment."""

import time
from collections.abc import Callable
from typing import TypeVar

import serial
from mpremote.transport import TransportError

from firmware.bench.board import serial_trouble
from firmware.bench.trouble import Busy

try:
    from termios import error as _termios_error  # no OSError, and what a terminal raises that has gone
except ImportError:  # Windows
    _termios_error = OSError  # type: ignore[assignment,misc]

# What comes out of pyserial and mpremote where the cable is out.
LOST: tuple[type[Exception], ...] = (TransportError, OSError, serial.SerialException, _termios_error)
NOT_OPENED: tuple[type[Exception], ...] = (*LOST, ValueError)
BUSY_S = 4.0
_AGAIN_S = 0.1
T = TypeVar("T")


def opened(port: str, what: Callable[[], T]) -> T:
    """What `what` gives, tried again while the port is busy. Raises BenchError."""
    until = time.monotonic() + BUSY_S
    while True:
        try:
            return what()
        except NOT_OPENED as error:
            trouble = serial_trouble.not_opened(port, _cause(port, error))
            if not isinstance(trouble, Busy) or time.monotonic() > until:
                raise trouble from None
            time.sleep(_AGAIN_S)


def _cause(port: str, error: Exception) -> Exception:
    """mpremote does not tell why."""
    if not isinstance(error, TransportError):
        return error
    try:
        serial.Serial(port, exclusive=True).close()
    except (OSError, ValueError) as cause:
        return cause
    return BlockingIOError("busy a moment ago")
