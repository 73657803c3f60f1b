"""SHT4x, SHT3x, SCD4x and SPS30 on I2C: commands, busy times, CRCs (datasheets of Sensirion)."""

import errno
from struct import pack, unpack

from simulators.board import timeline
from simulators.board.chips import Double, with_crcs


class Sensirion(Double):
    """A command makes an answer that can be read after a while; before, the address is not acknowledged."""

    def __init__(self, truth, faults=None):
        Double.__init__(self, truth, faults)
        self._answer, self._ready_us = None, 0

    def answer(self, words, ready_ms):
        self._answer = with_crcs(words, self.has("bad_crc"))
        self._ready_us = timeline.true_us + ready_ms * 1000

    def read(self, n):
        if self._answer is None or timeline.true_us < self._ready_us:
            raise OSError(errno.ENODEV)
        if self.has("garbage"):
            return self.garbage(n)
        data, self._answer = self._answer, None
        return (data + b"\xff" * n)[:n]

    @staticmethod
    def of_range(value, low, span):
        return max(0, min(65535, int((value - low) / span * 65535 + 0.5)))


class Sht4x(Sensirion):
    def write(self, data):
        if data == b"\xfd":
            t = self.of_range(self.now("air_temperature"), -45, 175)
            h = self.of_range(self.now("relative_humidity"), -6, 125)
            self.answer((t, h), 8)
        elif data == b"\x94":
            self._answer = None
        elif data == b"\x89":
            self.answer((0x0EA5, 0x1234), 1)
        else:
            raise OSError(errno.ENODEV)


class Sht3x(Sensirion):
    def write(self, data):
        if data == b"\x24\x00":
            t = self.of_range(self.now("air_temperature"), -45, 175)
            h = self.of_range(self.now("relative_humidity"), 0, 100)
            self.answer((t, h), 15)
        elif data != b"\x30\xa2":
            raise OSError(errno.ENODEV)


class Scd4x(Sensirion):
    """Idle, or measuring every 5 s; takes settings only when idle; a single shot on an SCD41."""

    def __init__(self, truth, faults=None):
        Sensirion.__init__(self, truth, faults)
        self.running, self._first_us, self._busy_us = False, 0, 0
        self.settings = {}

    def write(self, data):
        if timeline.true_us < self._busy_us:
            raise OSError(errno.ENODEV)
        command = unpack(">H", data[:2])[0]
        if len(data) == 5 and with_crcs(unpack(">H", data[2:4])) != data[2:]:
            raise OSError(errno.ENODEV)
        if command == 0x21B1 and not self.running:
            self.running, self._first_us = True, timeline.true_us + 5000000
        elif command == 0x219D and not self.running:
            self._first_us = timeline.true_us + 5000000
            self._busy_us = self._first_us
        elif command == 0x3F86:
            self.running = False
            self._busy_us = timeline.true_us + 500000
        elif command == 0xE4B8:
            self.answer((0x8006 if self._is_ready() else 0x8000,), 1)
        elif command == 0xEC05 and self._is_ready():
            t = self.of_range(self.now("air_temperature"), -45, 175)
            h = self.of_range(self.now("relative_humidity"), 0, 100)
            self.answer((int(self.now("co2") + 0.5), t, h), 1)
            self._first_us = timeline.true_us + (5000000 if self.running else 1 << 60)
        elif command in (0xE000, 0x2416, 0x2427) and len(data) == 5 and (command == 0xE000 or not self.running):
            self.settings[command] = unpack(">H", data[2:4])[0]
        elif command in (0x36E0, 0x36F6):
            self._busy_us = timeline.true_us + 30000
        else:
            raise OSError(errno.ENODEV)

    def _is_ready(self):
        return self._first_us and timeline.true_us >= self._first_us


class Sps30(Sensirion):
    """Measures after 0x0010 (floats); particles are counted well only after a while, which it does not tell."""

    def __init__(self, truth, faults=None):
        Sensirion.__init__(self, truth, faults)
        self.running, self._since_us = False, 0
        self._sleeps, self._interface_off = False, False

    def write(self, data):
        command = unpack(">H", data[:2])[0]
        if self._sleeps:  # the first start condition wakes the interface and is not acknowledged
            if self._interface_off or command != 0x1103:
                self._interface_off = False
                raise OSError(errno.ENODEV)
            self._sleeps = False
        elif command == 0x1001 and not self.running:
            self._sleeps = self._interface_off = True
        elif command == 0x0010 and data[2:4] == b"\x03\x00" and data[2:] == with_crcs((0x0300,)):
            if not self.running:
                self._since_us = timeline.true_us
            self.running = True
        elif command == 0x0104:
            self.running = False
        elif command == 0x0202:
            self.answer((1 if self.running and timeline.true_us - self._since_us > 1000000 else 0,), 1)
        elif command == 0x0300 and self.running:
            self.answer(self._words(), 1)
        elif command != 0x1103:
            raise OSError(errno.ENODEV)

    def _words(self):
        values = [self.now("pm1"), self.now("pm2_5"), self.now("pm2_5"), self.now("pm10"), 1, 2, 3, 4, 5, 0.6]
        words = []
        for value in values:
            words += unpack(">HH", pack(">f", value))
        return words


class Scd30(Sensirion):
    """Every 2 s from start to stop, settings with their CRC; self-calibration can be asked for."""

    def __init__(self, truth, faults=None):
        Sensirion.__init__(self, truth, faults)
        self._next_us, self.pressure, self.self_calibration, self.written = None, None, 0, 0

    def write(self, data):
        command = unpack(">H", data[:2])[0]
        word = None
        if len(data) == 5:
            word = unpack(">H", data[2:4])[0]
            if with_crcs((word,)) != data[2:]:
                raise OSError(errno.ENODEV)
        if command == 0x0010 and word is not None and (word == 0 or 700 <= word <= 1400):
            self.pressure, self._next_us = word, timeline.true_us + 2000000
        elif command == 0x0104:
            self._next_us = None
        elif command == 0x5306 and word is not None:
            self.self_calibration, self.written = word, self.written + 1
        elif command == 0x5306:
            self.answer((self.self_calibration,), 3)
        elif command == 0x0202:
            self.answer((1 if self._is_ready() else 0,), 3)
        elif command == 0x0300 and self._is_ready():
            self._next_us = timeline.true_us + 2000000
            words = []
            for value in (self.now("co2"), self.now("air_temperature"), self.now("relative_humidity")):
                words += unpack(">HH", pack(">f", value))
            self.answer(words, 3)
        else:
            raise OSError(errno.ENODEV)

    def _is_ready(self):
        return self._next_us is not None and timeline.true_us >= self._next_us


class Sps30Uart(Double):
    """The same sensor on UART: SHDLC frames at 115200 baud, states in which a command is refused (0x43), sleep."""

    def __init__(self, truth, faults=None):
        Double.__init__(self, truth, faults)
        self.running, self._next_us, self._out = False, 0, b""
        self.sleeps, self._interface_on = False, True

    def write(self, data, baudrate):
        if baudrate != 115200:
            return
        if self.sleeps and not self._interface_on:
            self._interface_on = True  # any low level wakes it, and is lost
            return
        if data[0] != 0x7E or data[-1] != 0x7E:
            return
        body, at = b"", 1
        while at < len(data) - 1:
            escaped = data[at] == 0x7D
            at += 1 if escaped else 0
            body += bytes((data[at] ^ 0x20 if escaped else data[at],))
            at += 1
        if sum(body) & 255 == 255:
            self._command(body[1], body[3:-1])

    def _command(self, command, data):
        if self.sleeps and command != 0x11:
            return
        state, answer = 0, b""
        if command == 0x00:
            state = 0x43 if self.running or data != b"\x01\x03" else 0
            if not state:
                self.running, self._next_us = True, timeline.true_us + 1000000
        elif command == 0x01:
            state, self.running = (0 if self.running else 0x43), False
        elif command == 0x03:
            state = 0 if self.running else 0x43
            if self.running and timeline.true_us >= self._next_us:
                self._next_us = timeline.true_us + 1000000
                values = [self.now(q) for q in ("pm1", "pm2_5", "pm2_5", "pm10")] + [1, 2, 3, 4, 5, 0.6]
                answer = pack(">10f", *values)
        elif command == 0x10:
            state = 0x43 if self.running else 0
            self.sleeps, self._interface_on = not self.running, self.running
        elif command == 0x11:
            state, self.sleeps = (0 if self.sleeps else 0x43), False
        self._send(bytes((0, command, state, len(answer))) + answer)

    def _send(self, body):
        body += bytes((255 - (sum(body) + (9 if self.has("bad_crc") else 0)) & 255,))
        self._out += b"\x7e"
        for byte in body:
            self._out += bytes((0x7D, byte ^ 0x20)) if byte in (0x7E, 0x7D, 0x11, 0x13) else bytes((byte,))
        self._out += b"\x7e"

    def read_ready(self, baudrate):
        out, self._out = self._out, b""
        if not self.present():
            return b""
        return self.garbage(len(out)) if self.has("garbage") else out
