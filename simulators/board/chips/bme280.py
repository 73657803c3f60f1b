"""BME280. Bosch datasheet BST-BME280-DS001, revision 1.24: 5.3 and 5.4 (registers), 9.1 (duration), 8.1 (formulas).

What is true is found in the raw values by halving, with the datasheet's floating-point formulas and the calibration
of its example.
"""

import struct

from simulators.board import part, timeline

_T = (27504, 26435, -1000)
_P = (36477, -10685, 3024, 2855, 140, -7, 15500, -14600, 6000)
_H = (75, 370, 0, 313, 50, 30)
_TIMES = (0, 1, 2, 4, 8, 16, 16, 16)  # oversampling by its code
_SKIPPED = {"t": 0x80000, "p": 0x80000, "h": 0x8000}


def found(raw_to_value, wanted, bits):
    """The raw value that comes nearest to `wanted`, of a monotonic conversion."""
    low, high = 0, (1 << bits) - 1
    rising = raw_to_value(high) > raw_to_value(low)
    while low < high:
        middle = (low + high) // 2
        if (raw_to_value(middle) < wanted) == rising:
            low = middle + 1
        else:
            high = middle
    return low


def t_fine(raw):
    first = (raw / 16384 - _T[0] / 1024) * _T[1]
    return first + (raw / 131072 - _T[0] / 8192) ** 2 * _T[2]


def pressure_pa(raw, fine):
    p1, p2, p3, p4, p5, p6, p7, p8, p9 = _P
    v1 = fine / 2 - 64000
    v2 = v1 * v1 * p6 / 32768 + v1 * p5 * 2
    v2 = v2 / 4 + p4 * 65536
    v1 = (p3 * v1 * v1 / 524288 + p2 * v1) / 524288
    v1 = (1 + v1 / 32768) * p1
    p = (1048576 - raw - v2 / 4096) * 6250 / v1
    return p + (p9 * p * p / 2147483648 + p * p8 / 32768 + p7) / 16


def humidity(raw, fine):
    h1, h2, h3, h4, h5, h6 = _H
    h = fine - 76800
    h = (raw - (h4 * 64 + h5 / 16384 * h)) * (h2 / 65536 * (1 + h6 / 67108864 * h * (1 + h3 / 67108864 * h)))
    return h * (1 - h1 * h / 524288)


class Part(part.Part):
    chip_id = 0x60

    def __init__(self, truth, faults=None, kept=None):
        super().__init__(truth, faults, kept)
        self._pointer = 0
        self._registers = bytearray(256)
        self._start()
        self._done_us = 0
        self._measures = False

    def _start(self):
        self._registers[:] = bytes(256)
        self._registers[0xD0] = self.chip_id
        self._calibrate()

    def _calibrate(self):
        registers = self._registers
        struct.pack_into("<Hhh", registers, 0x88, *_T)
        struct.pack_into("<H8h", registers, 0x8E, *_P)
        h1, h2, h3, h4, h5, h6 = _H
        registers[0xA1] = h1
        struct.pack_into("<hB", registers, 0xE1, h2, h3)
        registers[0xE4], registers[0xE5], registers[0xE6] = h4 >> 4, (h4 & 15) | (h5 & 15) << 4, h5 >> 4
        struct.pack_into("<b", registers, 0xE7, h6)
        registers[0xF7:0xFF] = b"\x80\0\0\x80\0\0\x80\0"
        self._humidity_times = 0

    def written(self, data):
        if not data:
            return
        self._pointer = data[0]
        for i in range(1, len(data), 2):  # pairs of address and value; the first address is the pointer
            self._set(data[i - 1], data[i])

    def _set(self, register, value):
        if register == 0xE0:
            if value == 0xB6:
                self._start()
                self._done_us = timeline.true_us + 2000
        elif register == 0xF4:
            self._registers[0xF4] = value
            self._humidity_times = self._registers[0xF2] & 7  # takes effect with a write to ctrl_meas
            if value & 3:
                self._measure(value)
        elif register in (0xF2, 0xF5):
            self._registers[register] = value

    def _measure(self, control):
        t, p, h = _TIMES[control >> 5], _TIMES[control >> 2 & 7], _TIMES[self._humidity_times]
        us = 1250 + 2300 * t + (2300 * p + 575 if p else 0) + (2300 * h + 575 if h else 0)
        self._done_us = timeline.true_us + us
        self._measures = True

    def _settle(self):
        """A measurement that is done by now is in the registers; in normal mode the newest one."""
        control = self._registers[0xF4]
        if not self._measures or timeline.true_us < self._done_us:
            return
        raw_t = found(lambda raw: t_fine(raw) / 5120, self.truth("air_temperature"), 20)
        fine = t_fine(raw_t)
        raw_p = found(lambda raw: pressure_pa(raw, fine), self.truth("air_pressure") * 100, 20)
        raw_h = found(lambda raw: humidity(raw, fine), self.truth("relative_humidity"), 16)
        raw_t = raw_t if control >> 5 else _SKIPPED["t"]
        raw_p = raw_p if control >> 2 & 7 else _SKIPPED["p"]
        raw_h = raw_h if self._humidity_times else _SKIPPED["h"]
        self._registers[0xF7:0xFF] = bytes((
            raw_p >> 12, raw_p >> 4 & 0xFF, raw_p << 4 & 0xFF, raw_t >> 12, raw_t >> 4 & 0xFF, raw_t << 4 & 0xFF,
            raw_h >> 8, raw_h & 0xFF,
        ))  # fmt: skip
        if control & 3 != 3:
            self._registers[0xF4] = control & ~3
            self._measures = False

    def read(self, n):
        self._settle()
        self._registers[0xF3] = 0x08 if self._measures and timeline.true_us < self._done_us else 0
        data = bytes(self._registers[self._pointer : self._pointer + n])
        self._pointer = self._pointer + n & 0xFF
        return data
