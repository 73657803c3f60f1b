"""SHT30, 31, 35. Sensirion datasheet SHT3x-DIS, version 7: 4.3 to 4.12 (commands), 4.13 (conversion), table 4."""

from simulators.board import part, timeline
from simulators.board.part import Nack, clamp

_SINGLE_US = {
    0x2400: 15500, 0x240B: 6500, 0x2416: 4500,
    0x2C06: 15500, 0x2C0D: 6500, 0x2C10: 4500,
}  # fmt: skip
_PERIOD_US = {0x20: 2000000, 0x21: 1000000, 0x22: 500000, 0x23: 250000, 0x27: 100000}
_FETCH, _BREAK, _RESET, _STATUS, _CLEAR = 0xE000, 0x3093, 0x30A2, 0xF32D, 0x3041
_HEATER_ON, _HEATER_OFF, _SERIAL = 0x306D, 0x3066, 0x3780


class Part(part.Part):
    def __init__(self, truth, faults=None, kept=None):
        super().__init__(truth, faults, kept)
        self._ready_us = 0
        self._answer = None
        self._status = 0x8010  # an alert is pending and a reset was seen: after power-up
        self.stretches_us = 0

    def written(self, data):
        if timeline.true_us < self._ready_us or len(data) < 2:
            raise Nack()
        command = data[0] << 8 | data[1]
        self._answer, self.stretches_us = None, 0
        since_us = self.kept.get("periodic")
        if command == _FETCH and since_us is not None:
            if timeline.true_us - since_us[0] >= since_us[1]:
                self.kept["periodic"] = [timeline.true_us, since_us[1]]
                self._answer = self._measured()
        elif command == _BREAK:
            self.kept.pop("periodic", None)
            self._ready_us = timeline.true_us + 1000
        elif since_us is not None:
            raise Nack()  # only fetch and break while it measures by itself
        elif command in _SINGLE_US:
            self._answer = self._measured()
            self._ready_us = timeline.true_us + _SINGLE_US[command]
            self.stretches_us = _SINGLE_US[command] if command >> 8 == 0x2C else 0
        elif command >> 8 in _PERIOD_US:
            self.kept["periodic"] = [timeline.true_us, _PERIOD_US[command >> 8]]
        else:
            self._other(command)

    def _other(self, command):
        if command == _STATUS:
            self._answer = (self._status,)
        elif command == _SERIAL:
            self._answer = 0x0C5A, 0x11D7
        elif command == _CLEAR:
            self._status = 0
        elif command == _RESET:
            self._status = 0x8010
            self._ready_us = timeline.true_us + 1500
        elif command == _HEATER_ON:
            self._status |= 1 << 13
        elif command == _HEATER_OFF:
            self._status &= ~(1 << 13)
        else:
            raise Nack()

    def _measured(self):
        t = clamp(self.truth("air_temperature"), -45, 130)
        rh = clamp(self.truth("relative_humidity"), 0, 100)
        return int((t + 45) * 65535 / 175 + 0.5), int(rh * 65535 / 100 + 0.5)

    def read(self, n):
        if self._answer is None or timeline.true_us < self._ready_us:
            raise Nack()
        answer, self._answer, self.stretches_us = self._answer, None, 0
        return part.words(answer, self.has("bad_crc"))[:n]
