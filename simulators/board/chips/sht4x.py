"""SHT40, 41, 45. Sensirion datasheet SHT4x, version 6.5: 4.5 (commands), 4.6 (conversion), table 5 (durations)."""

from simulators.board import part, timeline
from simulators.board.part import Nack, clamp

_MEASURE_US = {0xFD: 8300, 0xF6: 4500, 0xE0: 1600}
_HEAT_US = {0x39: 1100000, 0x32: 110000, 0x2F: 1100000, 0x24: 110000, 0x1E: 1100000, 0x15: 110000}
_SERIAL, _RESET = 0x89, 0x94


class Part(part.Part):
    def __init__(self, truth, faults=None, kept=None, serial=0x1A2B3C4D):
        super().__init__(truth, faults, kept)
        self._serial = serial
        self._ready_us = 0
        self._answer = None

    def written(self, data):
        if timeline.true_us < self._ready_us:
            raise Nack()  # busy
        if not data:
            return
        command = data[0]
        self._answer = None
        if command in _MEASURE_US or command in _HEAT_US:
            wait_us = _MEASURE_US.get(command) or _HEAT_US[command]
            self._answer = self._measured()
        elif command == _SERIAL:
            wait_us = 1000
            self._answer = self._serial >> 16, self._serial & 0xFFFF
        elif command == _RESET:
            wait_us = 1000
        else:
            raise Nack()
        self._ready_us = timeline.true_us + wait_us

    def _measured(self):
        t = clamp(self.truth("air_temperature"), -40, 125)
        rh = self.truth("relative_humidity")
        return int((t + 45) * 65535 / 175 + 0.5), int(clamp((rh + 6) * 65535 / 125, 0, 65535) + 0.5)

    def read(self, n):
        if self._answer is None or timeline.true_us < self._ready_us:
            raise Nack()
        answer, self._answer = self._answer, None
        return part.words(answer, self.has("bad_crc"))[:n]
