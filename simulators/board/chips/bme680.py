"""BME680 without its gas sensor. Bosch datasheet BST-BME680-DS001, revision 1.9: 3.3 (formulas), 5.2, 5.3 (registers).

What is true is found in the raw values by halving; the calibration is that of a part as people publish it.
"""

import struct

from simulators.board import part, timeline
from simulators.board.chips.bme280 import found

_T = (26203, 26474, 3)
_P = (36312, -10345, 88, 6959, -77, 30, 21, -447, -3104, 30)
_H = (783, 1029, 0, 45, 20, 120, -100)
_TIMES = (0, 1, 2, 4, 8, 16, 16, 16)


def t_fine(raw):
    return (raw / 16384 - _T[0] / 1024) * _T[1] + (raw / 131072 - _T[0] / 8192) ** 2 * (_T[2] * 16)


def pressure_pa(raw, fine):
    p1, p2, p3, p4, p5, p6, p7, p8, p9, p10 = _P
    v1 = fine / 2 - 64000
    v2 = v1 * v1 * (p6 / 131072) + v1 * p5 * 2
    v2 = v2 / 4 + p4 * 65536
    v1 = (p3 * v1 * v1 / 16384 + p2 * v1) / 524288
    v1 = (1 + v1 / 32768) * p1
    p = (1048576 - raw - v2 / 4096) * 6250 / v1
    return p + (p9 * p * p / 2147483648 + p * (p8 / 32768) + (p / 256) ** 3 * (p10 / 131072) + p7 * 128) / 16


def humidity(raw, fine):
    h1, h2, h3, h4, h5, h6, h7 = _H
    t = fine / 5120
    first = raw - (h1 * 16 + h3 / 2 * t)
    second = first * (h2 / 262144 * (1 + h4 / 16384 * t + h5 / 1048576 * t * t))
    return second + (h6 / 16384 + h7 / 2097152 * t) * second * second


class Part(part.Part):
    def __init__(self, truth, faults=None, kept=None):
        super().__init__(truth, faults, kept)
        self._pointer = 0
        self._registers = bytearray(256)
        self._start()
        self._done_us = 0
        self._measures = False

    def _start(self):
        registers = self._registers
        registers[:] = bytes(256)
        registers[0xD0] = 0x61
        p1, p2, p3, p4, p5, p6, p7, p8, p9, p10 = _P
        struct.pack_into("<hb", registers, 0x8A, _T[1], _T[2])
        struct.pack_into("<Hhb", registers, 0x8E, p1, p2, p3)
        struct.pack_into("<hhbb", registers, 0x94, p4, p5, p7, p6)
        struct.pack_into("<hhB", registers, 0x9C, p8, p9, p10)
        struct.pack_into("<H", registers, 0xE9, _T[0])
        h1, h2 = _H[:2]
        registers[0xE1], registers[0xE2], registers[0xE3] = h2 >> 4, (h2 & 15) << 4 | (h1 & 15), h1 >> 4
        struct.pack_into("<bbbBb", registers, 0xE4, *_H[2:])
        registers[0x1F:0x27] = b"\x80\0\0\x80\0\0\x80\0"

    def written(self, data):
        if not data:
            return
        self._pointer = data[0]
        for i in range(1, len(data), 2):
            self._set(data[i - 1], data[i])

    def _set(self, register, value):
        if register == 0xE0:
            if value == 0xB6:
                self._start()
                self._done_us = timeline.true_us + 10000
        elif register == 0x74:
            self._registers[0x74] = value
            if value & 3 == 1:
                self._measure(value)
        elif 0x50 <= register <= 0x75:
            self._registers[register] = value

    def _measure(self, control):
        cycles = _TIMES[control >> 5] + _TIMES[control >> 2 & 7] + _TIMES[self._registers[0x72] & 7]
        self._done_us = timeline.true_us + cycles * 1963 + 477 * 4 + 477 * 5 + 1000
        self._measures = True
        self._registers[0x1D] = 0x20

    def _settle(self):
        if not self._measures or timeline.true_us < self._done_us:
            return
        control = self._registers[0x74]
        raw_t = found(lambda raw: t_fine(raw) / 5120, self.truth("air_temperature"), 20)
        fine = t_fine(raw_t)
        raw_p = found(lambda raw: pressure_pa(raw, fine), self.truth("air_pressure") * 100, 20)
        raw_h = found(lambda raw: humidity(raw, fine), self.truth("relative_humidity"), 16)
        raw_t = raw_t if control >> 5 else 0x80000
        raw_p = raw_p if control >> 2 & 7 else 0x80000
        raw_h = raw_h if self._registers[0x72] & 7 else 0x8000
        self._registers[0x1F:0x27] = bytes((
            raw_p >> 12, raw_p >> 4 & 0xFF, raw_p << 4 & 0xFF, raw_t >> 12, raw_t >> 4 & 0xFF, raw_t << 4 & 0xFF,
            raw_h >> 8, raw_h & 0xFF,
        ))  # fmt: skip
        self._registers[0x1D] = 0x80  # new data
        self._registers[0x74] = control & ~3
        self._measures = False

    def read(self, n):
        self._settle()
        data = bytes(self._registers[self._pointer : self._pointer + n])
        if self._pointer <= 0x1D < self._pointer + n:
            self._registers[0x1D] &= 0x7F
        self._pointer = self._pointer + n & 0xFF
        return data
