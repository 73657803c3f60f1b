"""DS18B20, Plantower on UART, MAX17048, BH1750, VEML7700, and what closes contacts or gives a voltage."""

import errno

from simulators.board import timeline, truth
from simulators.board.chips import Double
from simulators.board.pins import LOW_US


class Ds18b20(Double):
    """Parasite-free; a conversion takes 750 ms, and reading before gives the value before: 85 °C after power-on."""

    def __init__(self, truth, faults=None, rom=b"\x28\x01\x02\x03\x04\x05\x06\x00", quantity="air_temperature"):
        Double.__init__(self, truth, faults)
        self.rom = bytes(rom[:7]) + bytes((self._crc(rom[:7]),))
        self._quantity = quantity
        self._register, self._next, self._ready_us = 0x0550, None, 0
        self._out = b""

    @staticmethod
    def _crc(data):
        crc = 0
        for byte in data:
            for i in range(8):
                mix = (crc ^ (byte >> i)) & 1
                crc = crc >> 1 ^ (0x8C if mix else 0)
        return crc

    def command(self, value):
        if value == 0x44:
            self._next = int(self.now(self._quantity) * 16) & 0xFFFF
            self._ready_us = timeline.true_us + 750000
        elif value == 0xBE:
            if self._next is not None and timeline.true_us >= self._ready_us:
                self._register, self._next = self._next, None
            body = bytes((self._register & 255, self._register >> 8, 0x4B, 0x46, 0x7F, 0xFF, 0x0C, 0x10))
            self._out = body + bytes((self._crc(body) ^ (1 if self.has("bad_crc") else 0),))
            if self.has("garbage"):
                self._out = self.garbage(9)

    def readbyte(self):
        if not self._out:
            return 0xFF
        byte, self._out = self._out[0], self._out[1:]
        return byte


class Pms(Double):
    """PMS5003: awake it sends a frame a second, asleep nothing; its fan needs 30 s, in which it counts too little."""

    def __init__(self, truth, faults=None):
        Double.__init__(self, truth, faults)
        self._awake_us, self._sent = timeline.true_us, 0
        self._command = b""

    def write(self, data, baudrate):
        c = self._command = (self._command + data)[-7:]
        if baudrate != 9600 or len(c) != 7 or c[:3] != b"\x42\x4d\xe4" or sum(c[:5]) != c[5] << 8 | c[6]:
            return
        if not c[4]:
            self._awake_us = None
        elif self._awake_us is None:
            self._awake_us, self._sent = timeline.true_us, 0

    def read_ready(self, baudrate):
        if self._awake_us is None or not self.present():
            return b""
        due = (timeline.true_us - self._awake_us) // 1000000
        frames = min(due - self._sent, 20)
        self._sent = due
        if self.has("garbage") or baudrate != 9600:
            return self.garbage(32 * frames)
        return b"".join([self._frame() for _ in range(frames)])

    def _frame(self):
        share = min(1.0, (timeline.true_us - self._awake_us) / 30000000)
        pm = [int(self.now(q) * share + 0.5) for q in ("pm1", "pm2_5", "pm10")]
        words = pm + pm + [int(pm[0] * 150), int(pm[1] * 50), pm[1] * 10, pm[2] * 2, 1, 0, 0x9700]
        body = b"\x42\x4d\x00\x1c" + b"".join([bytes((w >> 8 & 255, w & 255)) for w in words])
        total = sum(body) ^ (0x5A if self.has("bad_crc") else 0)
        return body + bytes((total >> 8, total & 255))


class Max17048(Double):
    """VCELL at 0x02 in steps of 78.125 µV, version at 0x08."""

    def write(self, data):
        self._at = data[0]

    def read(self, n):
        if self.has("garbage"):
            return self.garbage(n)
        word = {2: int(self.now("battery") / 78.125e-6), 4: 80 << 8, 8: 0x0012}.get(self._at, 0)
        return bytes((word >> 8, word & 255))[:n]


class Bh1750(Double):
    """One-time high resolution (0x20) takes 180 ms at most at the usual measurement time; then it is off."""

    def __init__(self, truth, faults=None):
        Double.__init__(self, truth, faults)
        self._ready_us, self._raw, self._time = None, 0, 69

    def write(self, data):
        if data[0] in (0x20, 0x10):
            self._ready_us = timeline.true_us + 180000 * self._time // 69
            self._raw = min(65535, int(self.now("illuminance") * 1.2 * self._time / 69))
        elif data[0] & 0xF8 == 0x40:
            self._time = (data[0] & 7) << 5 | self._time & 31
        elif data[0] & 0xE0 == 0x60:
            self._time = self._time & 0xE0 | data[0] & 31
        elif data[0] not in (0x00, 0x01, 0x07):
            raise OSError(errno.ENODEV)

    def read(self, n):
        if self._ready_us is None or timeline.true_us < self._ready_us:
            return b"\0" * n
        return bytes((self._raw >> 8, self._raw & 255))[:n]


class Veml7700(Double):
    """ALS at 0x04 as counts at the gain and integration time of register 0x00; off while bit 0 is set."""

    _GAINS = (1, 2, 0.125, 0.25)
    _TIMES = {0: 100, 1: 200, 2: 400, 3: 800, 8: 50, 12: 25}

    def __init__(self, truth, faults=None):
        Double.__init__(self, truth, faults)
        self._at, self._setting, self._on_us = 0, 1, 0

    def write(self, data):
        self._at = data[0]
        if len(data) == 3 and data[0] == 0:
            was, self._setting = self._setting, data[1] | data[2] << 8
            if was != self._setting:
                self._on_us = timeline.true_us

    def read(self, n):
        if self.has("garbage"):
            return self.garbage(n)
        word = {0: self._setting, 7: 0xC481}.get(self._at, 0)
        if self._at == 4:
            gain, ms = self._GAINS[self._setting >> 11 & 3], self._TIMES[self._setting >> 6 & 15]
            if not self._setting & 1 and timeline.true_us - self._on_us >= ms * 1000:
                word = min(65535, int(self._lux() / (0.0042 * 2 / gain * 800 / ms)))
        return bytes((word & 255, word >> 8))[:n]

    def _lux(self):
        """What it counts as: the application note's correction the other way round."""
        true = self.now("illuminance")
        low, high = 0.0, 120000.0
        for _ in range(40):
            middle = (low + high) / 2
            lx = middle
            if middle > 100:
                lx = 6.0135e-13 * middle**4 - 9.3924e-9 * middle**3 + 8.1488e-5 * middle**2 + 1.0023 * middle
            low, high = (middle, high) if lx < true else (low, middle)
        return low


class RainGauge:
    """A reed contact that closes for a moment at each tip."""

    def next_edge(self, true_us):
        return truth.next_tip_us(true_us)

    def level(self, true_us):
        return 0 if truth.tips(true_us) > truth.tips(true_us - LOW_US) else 1


class Anemometer:
    """Closes once a turn: 2.4 km/h at one a second."""

    def __init__(self, truth):
        self._truth = truth

    def _period_us(self):
        hertz = self._truth("wind_speed") * 3.6 / 2.4
        return int(1000000 / hertz) if hertz > 0.02 else None

    def next_edge(self, true_us):
        period = self._period_us()
        return period and true_us + period

    def level(self, true_us):
        return 1


class Sds011(Double):
    """Sends a frame a second while awake; answers settings; asleep only the one that wakes it."""

    def __init__(self, truth, faults=None):
        Double.__init__(self, truth, faults)
        self._awake_us, self._sent, self._replies, self._command = timeline.true_us, 0, b"", b""

    def write(self, data, baudrate):
        self._command = (self._command + data)[-19:]
        c = self._command
        if baudrate != 9600 or len(c) != 19 or c[:2] != b"\xaa\xb4" or sum(c[2:17]) & 255 != c[17] or c[18] != 0xAB:
            return
        if c[2] == 6 and c[3] == 1 and bool(c[4]) != (self._awake_us is not None):
            self._awake_us, self._sent = (timeline.true_us if c[4] else None), 0
        if self._awake_us is not None or c[2] == 6:
            self._replies += self._framed(0xC5, bytes((c[2], c[3], c[4], 0)))

    def read_ready(self, baudrate):
        out, self._replies = self._replies, b""
        if not self.present():
            return b""
        if self._awake_us is not None:
            due = (timeline.true_us - self._awake_us) // 1000000
            frames = min(due - self._sent, 20)
            self._sent = due
            if self.has("garbage"):
                return self.garbage(10 * frames)
            pm = [int(self.now(q) * 10 + 0.5) for q in ("pm2_5", "pm10")]
            out += self._framed(0xC0, bytes((pm[0] & 255, pm[0] >> 8, pm[1] & 255, pm[1] >> 8))) * frames
        return out

    def _framed(self, kind, four):
        body = four + b"\xa1\x60"
        return bytes((0xAA, kind)) + body + bytes((sum(body) + (7 if self.has("bad_crc") else 0) & 255, 0xAB))


class Mhz19(Double):
    """Answers 0x86 with ppm; takes 0x79."""

    def __init__(self, truth, faults=None):
        Double.__init__(self, truth, faults)
        self._out, self.self_calibration = b"", None

    def write(self, data, baudrate):
        if baudrate != 9600 or len(data) != 9 or data[:2] != b"\xff\x01" or (sum(data[1:9])) & 255:
            return
        if data[2] == 0x79:
            self.self_calibration = data[3] == 0xA0
        elif data[2] == 0x86:
            ppm = int(self.now("co2") + 0.5)
            body = bytes((0x86, ppm >> 8, ppm & 255, 64, 0, 0, 0))
            self._out += b"\xff" + body + bytes((256 - sum(body) + (3 if self.has("bad_crc") else 0) & 255,))

    def read_ready(self, baudrate):
        out, self._out = self._out, b""
        if not self.present():
            return b""
        return self.garbage(len(out)) if self.has("garbage") else out
