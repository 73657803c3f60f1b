"""BH1750FVI. ROHM datasheet 09046EBT01: pages 5 (opcodes), 7 (conversion), 11 (measurement time register)."""

from simulators.board import part, timeline
from simulators.board.part import Nack, clamp

_MODES = {0x10: (120, 1), 0x11: (120, 2), 0x13: (16, 0.25)}  # typical ms, counts a count of mode H


class Part(part.Part):
    def __init__(self, truth, faults=None, kept=None):
        super().__init__(truth, faults, kept)
        self._on = False
        self._time = 69
        self._data = 0
        self._mode = self._done_us = None
        self._once = False

    def written(self, data):
        for opcode in data:
            self._do(opcode)

    def _do(self, opcode):
        self._settle()
        if opcode == 0x00:
            self._on, self._mode = False, None
        elif opcode == 0x01:
            self._on = True
        elif opcode == 0x07:
            if self._on:
                self._data = 0  # not accepted while powered down
        elif opcode >> 3 == 0b01000:
            self._time = self._time & 0x1F | (opcode & 7) << 5
        elif opcode >> 5 == 0b011:
            self._time = self._time & 0xE0 | opcode & 0x1F
        elif opcode & ~0x30 in (0, 1, 3) and opcode & 0x30 in (0x10, 0x20):
            self._on, self._once = True, bool(opcode & 0x20)
            self._mode = 0x10 | opcode & 3
            self._done_us = timeline.true_us + _MODES[self._mode][0] * 1000 * self._time // 69
        else:
            raise Nack()

    def _settle(self):
        if self._mode is None or timeline.true_us < self._done_us:
            return
        counts = self.truth("illuminance") * 1.2 * self._time / 69
        ms, factor = _MODES[self._mode]
        self._data = int(clamp(counts * factor, 0, 65535))
        if factor < 1:
            self._data = int(clamp(counts, 0, 65535)) & ~3  # mode L: 4 lx a step, in the same unit
        if self._once:
            self._on, self._mode = False, None
        else:
            self._done_us = timeline.true_us + ms * 1000 * self._time // 69

    def read(self, n):
        self._settle()
        return bytes((self._data >> 8, self._data & 0xFF))[:n]
