"""VEML7700. Vishay datasheet 84286, revision 1.8: tables 1 to 8; application note 84323: resolution, correction.

Registers have 16 bits, least significant byte first. Bright light reads too low, as the note's polynomial says.
"""

from simulators.board import part, timeline
from simulators.board.part import clamp

_GAIN = (1, 2, 0.125, 0.25)
_TIME_MS = {0b1100: 25, 0b1000: 50, 0: 100, 1: 200, 2: 400, 3: 800}
_SHUT_DOWN = 1


def _seen(lx):
    """What it takes `lx` for: the inverse of the note's correction for light above 100 lx."""
    if lx <= 100:
        return lx
    low, high = 0.0, 150000.0
    for _ in range(50):
        x = (low + high) / 2
        if 6.0135e-13 * x**4 - 9.3924e-9 * x**3 + 8.1488e-5 * x**2 + 1.0023 * x < lx:
            low = x
        else:
            high = x
    return low


class Part(part.Part):
    def __init__(self, truth, faults=None, kept=None):
        super().__init__(truth, faults, kept)
        self._pointer = 0
        self._registers = {0: _SHUT_DOWN}
        self._on_us = None
        self._als = self._white = 0

    def written(self, data):
        if not data:
            return
        self._pointer = data[0]
        if len(data) == 3 and data[0] <= 3:
            self._settle()
            value = data[1] | data[2] << 8
            if data[0] == 0:
                self._on_us = None if value & _SHUT_DOWN else timeline.true_us + 2500
            self._registers[data[0]] = value

    def _settle(self):
        control = self._registers[0]
        ms = _TIME_MS.get(control >> 6 & 15)
        if self._on_us is None or ms is None or timeline.true_us < self._on_us + ms * 1000:
            return
        resolution = 0.0042 * 2 / _GAIN[control >> 11 & 3] * 800 / ms
        self._als = int(clamp(_seen(self.truth("illuminance")) / resolution, 0, 65535))
        self._white = min(65535, self._als * 2)

    def read(self, n):
        self._settle()
        value = {4: self._als, 5: self._white, 7: 0xC481}.get(self._pointer, self._registers.get(self._pointer, 0))
        return bytes((value & 0xFF, value >> 8))[:n]
