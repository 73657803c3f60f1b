"""MAX17048. Analog Devices datasheet 19-6171, revision 7: table 2 (registers; 16 bits, most significant byte first)."""

from simulators.board import part, timeline
from simulators.board.part import clamp

_EMPTY_V, _FULL_V = 3.3, 4.18
_QUICK_US = 1000000  # after power-up the first estimate takes a second


class Part(part.Part):
    def __init__(self, truth, faults=None, kept=None):
        super().__init__(truth, faults, kept)
        self._pointer = 0
        self.kept.setdefault("config", 0x971C)
        self.kept.setdefault("since", timeline.true_us)

    def _register(self, number):
        volts = self.truth("battery")
        if number == 0x02:
            return int(clamp(volts / 78.125e-6, 0, 0xFFFF))
        if number == 0x04:
            if timeline.true_us - self.kept["since"] < _QUICK_US:
                return 0
            return int(clamp((volts - _EMPTY_V) / (_FULL_V - _EMPTY_V), 0, 1) * 100 * 256)
        return {0x08: 0x0012, 0x0C: self.kept["config"], 0x14: 0x00FF, 0x1A: 0x0100}.get(number, 0)

    def written(self, data):
        if not data:
            return
        self._pointer = data[0]
        if len(data) == 3:
            value = data[1] << 8 | data[2]
            if data[0] == 0xFE and value == 0x5400:
                self.kept.update({"config": 0x971C, "since": timeline.true_us})
            elif data[0] == 0x06 and value & 0x4000:
                self.kept["since"] = timeline.true_us
            elif data[0] == 0x0C:
                self.kept["config"] = value

    def read(self, n):
        made = bytearray()
        for i in range(n):
            at = self._pointer + i
            value = self._register(at & 0xFE)
            made.append(value & 0xFF if at & 1 else value >> 8)
        self._pointer = self._pointer + n & 0xFF
        return bytes(made)
