"""BME280 and BME680: registers, forced mode, calibration; counts are found by trying until the formula fits.

The chip has no inverse formula, so the double searches: temperature first, for the others depend on it. The formulas
here are the datasheets' integer ones (BME280 section 4.2.3), not the floating-point ones of edge.sensors.
"""

from struct import pack

from simulators.board import timeline
from simulators.board.chips import Double

_C = {
    "T1": 27504, "T2": 26435, "T3": -1000, "P1": 36477, "P2": -10685, "P3": 3024, "P4": 2855, "P5": 140, "P6": -7,
    "P7": 15500, "P8": -14600, "P9": 6000, "H1": 75, "H2": 362, "H3": 0, "H4": 315, "H5": 50, "H6": 30,
}  # fmt: skip


def _t_fine(adc):
    a = ((adc >> 3) - (_C["T1"] << 1)) * _C["T2"] >> 11
    b = ((((adc >> 4) - _C["T1"]) * ((adc >> 4) - _C["T1"])) >> 12) * _C["T3"] >> 14
    return a + b


def _pressure_256(adc, fine):
    a = fine - 128000
    b = a * a * _C["P6"] + (a * _C["P5"] << 17) + (_C["P4"] << 35)
    a = (a * a * _C["P3"] >> 8) + (a * _C["P2"] << 12)
    a = ((1 << 47) + a) * _C["P1"] >> 33
    p = (((1048576 - adc) << 31) - b) * 3125 // a
    return ((p + ((_C["P9"] * (p >> 13) * (p >> 13) >> 25) + (_C["P8"] * p >> 19))) >> 8) + (_C["P7"] << 4)


def _humidity_1024(adc, fine):
    v = fine - 76800
    v = (((adc << 14) - (_C["H4"] << 20) - _C["H5"] * v + 16384) >> 15) * (
        ((((v * _C["H6"] >> 10) * ((v * _C["H3"] >> 11) + 32768) >> 10) + 2097152) * _C["H2"] + 8192) >> 14
    )
    v = v - (((v >> 15) * (v >> 15) >> 7) * _C["H1"] >> 4)
    return max(0, min(419430400, v)) >> 12


def _find(function, wanted, low, high, falling=False):
    while low < high:
        middle = (low + high) // 2
        if (function(middle) < wanted) != falling:
            low = middle + 1
        else:
            high = middle
    return low


class Bme280(Double):
    """Chip id 0x60; sleeps until ctrl_meas asks for one measurement, which takes 10 ms."""

    def __init__(self, truth, faults=None):
        Double.__init__(self, truth, faults)
        self.registers = bytearray(256)
        self.registers[0xD0] = 0x60
        self.registers[0x88:0xA0] = pack(
            "<HhhHhhhhhhhh", *[_C[n] for n in ("T1", "T2", "T3", "P1", "P2", "P3", "P4", "P5", "P6", "P7", "P8", "P9")]
        )
        self.registers[0xA1] = _C["H1"]
        h4, h5 = _C["H4"], _C["H5"]
        self.registers[0xE1:0xE8] = pack(
            "<hBBBBb", _C["H2"], _C["H3"], h4 >> 4, h4 & 15 | (h5 & 15) << 4, h5 >> 4, _C["H6"]
        )
        self.registers[0xF7:0xFF] = b"\x80\x00\x00\x80\x00\x00\x80\x00"
        self._at, self._done_us, self._oversampled = 0, 0, False

    def write(self, data):
        self._at = data[0]
        for i in range(1, len(data)):
            self._set(data[0] + i - 1, data[i])

    def _set(self, register, value):
        if register == 0xE0 and value == 0xB6:
            self.registers[0xF2] = self.registers[0xF4] = 0
        elif register in (0xF2, 0xF5):
            self.registers[register] = value
        elif register == 0xF4:
            self.registers[0xF4] = value
            if value & 3 in (1, 2):
                self._measure()

    def _measure(self):
        fine = self.now("air_temperature") * 5120
        adc_t = _find(_t_fine, fine, 0, 1 << 20)
        fine = _t_fine(adc_t)
        adc_p = _find(lambda n: _pressure_256(n, fine), self.now("air_pressure") * 25600, 0, 1 << 20, True)
        adc_h = _find(lambda n: _humidity_1024(n, fine), self.now("relative_humidity") * 1024, 0, 1 << 16)
        if not self.registers[0xF2] & 7:
            adc_h = 0x8000  # humidity was not asked for
        data = bytes(
            (
                adc_p >> 12,
                adc_p >> 4 & 255,
                adc_p << 4 & 255,
                adc_t >> 12,
                adc_t >> 4 & 255,
                adc_t << 4 & 255,
                adc_h >> 8,
                adc_h & 255,
            )
        )
        self.registers[0xF7:0xFF] = data
        self._done_us = timeline.true_us + 10000

    def read(self, n):
        if self.has("garbage"):
            return self.garbage(n)
        busy = timeline.true_us < self._done_us
        self.registers[0xF3] = 8 if busy else 0
        if not busy:
            self.registers[0xF4] &= 0xFC
        return bytes(self.registers[self._at : self._at + n])


_D = {
    "T1": 26041, "T2": 26469, "T3": 3, "P1": 35850, "P2": -10329, "P3": 88, "P4": 6966, "P5": -149, "P6": 30, "P7": 31,
    "P8": -1071, "P9": -2603, "P10": 30, "H1": 760, "H2": 1010, "H3": 0, "H4": 45, "H5": 20, "H6": 120, "H7": -100,
}  # fmt: skip


def _t_fine_680(adc):
    a = (adc >> 3) - (_D["T1"] << 1)
    return (a * _D["T2"] >> 11) + (((a >> 1) * (a >> 1) >> 12) * (_D["T3"] << 4) >> 14)


def _pressure_680(adc, fine):
    a = (fine >> 1) - 64000
    b = ((a >> 2) * (a >> 2) >> 11) * _D["P6"] >> 2
    b = (b + (a * _D["P5"] << 1) >> 2) + (_D["P4"] << 16)
    a = (((a >> 2) * (a >> 2) >> 13) * (_D["P3"] << 5) >> 3) + (_D["P2"] * a >> 1) >> 18
    a = (32768 + a) * _D["P1"] >> 15
    p = (1048576 - adc - (b >> 12)) * 3125
    p = (p // a) << 1
    a = _D["P9"] * ((p >> 3) * (p >> 3) >> 13) >> 12
    b = (p >> 2) * _D["P8"] >> 13
    c = (p >> 8) * (p >> 8) * (p >> 8) * _D["P10"] >> 17
    return p + (a + b + c + (_D["P7"] << 7) >> 4)


def _humidity_680(adc, fine):
    t = fine * 5 + 128 >> 8
    a = adc - (_D["H1"] << 4) - (t * _D["H3"] // 100 >> 1)
    b = _D["H2"] * (t * _D["H4"] // 100 + ((t * (t * _D["H5"] // 100) >> 6) // 100) + 16384) >> 10
    c = a * b
    d = (_D["H6"] << 7) + t * _D["H7"] // 100 >> 4
    e = (c >> 14) * (c >> 14) >> 10
    return (c + (d * e >> 1) >> 10) * 1000 >> 12


class Bme680(Bme280):
    """Chip id 0x61, other registers and other formulas, here too the integer ones; written register by register."""

    def __init__(self, truth, faults=None):
        Bme280.__init__(self, truth, faults)
        r = self.registers = bytearray(256)
        r[0xD0] = 0x61
        d = _D
        r[0x8A:0x8D] = pack("<hb", d["T2"], d["T3"])
        r[0x8E:0x93] = pack("<Hhb", d["P1"], d["P2"], d["P3"])
        r[0x94:0x9A] = pack("<hhbb", d["P4"], d["P5"], d["P7"], d["P6"])
        r[0x9C:0xA1] = pack("<hhB", d["P8"], d["P9"], d["P10"])
        r[0xE1], r[0xE2], r[0xE3] = d["H2"] >> 4, (d["H2"] & 15) << 4 | d["H1"] & 15, d["H1"] >> 4
        r[0xE4:0xEB] = pack("<bbbBbH", d["H3"], d["H4"], d["H5"], d["H6"], d["H7"], d["T1"])

    def write(self, data):
        self._at = data[0]
        for at in range(0, len(data) - 1, 2):  # register, value, register, value
            self._set(data[at], data[at + 1])

    def _set(self, register, value):
        if 0x70 <= register <= 0x75:
            self.registers[register] = value
        if register == 0x74 and value & 3 == 1:
            self._measure_680()

    def _measure_680(self):
        adc_t = _find(_t_fine_680, self.now("air_temperature") * 5120, 0, 1 << 20)
        fine = _t_fine_680(adc_t)
        adc_p = _find(lambda n: _pressure_680(n, fine), self.now("air_pressure") * 100, 0, 1 << 20, True)
        adc_h = _find(lambda n: _humidity_680(n, fine), self.now("relative_humidity") * 1000, 0, 1 << 16)
        if not self.registers[0x72] & 7:
            adc_h = 0x8000
        self.registers[0x1D] = 0
        counts = (adc_p >> 12, adc_p >> 4 & 255, adc_p << 4 & 255, adc_t >> 12, adc_t >> 4 & 255, adc_t << 4 & 255)
        self.registers[0x1F:0x27] = bytes(counts + (adc_h >> 8, adc_h & 255))
        self._done_us = timeline.true_us + 10000

    def read(self, n):
        if self.has("garbage"):
            return self.garbage(n)
        if self._done_us and timeline.true_us >= self._done_us:
            self.registers[0x1D] |= 0x80
            self.registers[0x74] &= 0xFC
        return bytes(self.registers[self._at : self._at + n])
