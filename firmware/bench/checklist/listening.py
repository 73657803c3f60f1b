"""Listening to a board: what it prints, as it comes, without stopping or resetting it.

The rule: nothing is sent. DTR and RTS stay low, so most boards go on as they were (where the driver pulses them at
opening, the board starts anew, as after its button). A board that sleeps may take its port along (the chip's own USB):
then the port is waited for.
"""

import contextlib
import time
from collections.abc import Callable

import serial

from firmware.bench.board import serial_trouble
from firmware.bench.board.opening import LOST, NOT_OPENED
from firmware.bench.checklist.asking import Lines, OnFact, OnText

BAUD = 115200
_STEP_S = 0.2
_AGAIN_S = 0.3


class Listener:
    """`with Listener(port) as listener: listener.listen(…)`. Raises BenchError where the port cannot be opened."""

    def __init__(self, port: str, baud: int = BAUD) -> None:
        self.port, self._baud = port, baud
        try:
            self._serial: serial.Serial | None = self._open()
        except NOT_OPENED as error:
            raise serial_trouble.not_opened(port, error) from None

    def __enter__(self) -> "Listener":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the port back."""
        if self._serial is not None:
            with contextlib.suppress(*LOST):
                self._serial.close()
            self._serial = None

    def listen(
        self, on_fact: OnFact, on_text: OnText, on_gone: Callable[[bool], None] = lambda gone: None,
        ends: Callable[[], bool] = lambda: False,
    ) -> None:  # fmt: skip
        """Until `ends()`. `on_gone`: True when the port went away, False when it is back."""
        lines = Lines(on_fact, on_text)
        while not ends():
            try:
                if self._serial is None:
                    self._serial = self._open()
                    on_gone(False)
                lines.take(self._serial.read(self._serial.in_waiting or 1))
            except LOST:
                if self._serial is not None:
                    lines.end()
                    self.close()
                    on_gone(True)
                time.sleep(_AGAIN_S)
        lines.end()

    def _open(self) -> serial.Serial:
        made = serial.Serial(baudrate=self._baud, timeout=_STEP_S, exclusive=True)
        made.dtr = made.rts = False
        made.port = self.port
        made.open()
        return made
