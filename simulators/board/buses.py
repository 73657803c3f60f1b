"""Buses of the simulated chip, in the signatures and with the errors of MicroPython's ESP32 port.

The rule: what a transfer takes passes in virtual time. `attach` puts a part on a bus, as a configuration names it:
"i2c0" is machine.I2C(0), "uart0" machine.UART(1), "onewire0" any 1-Wire pin that has nothing of its own; "softi2c41" is
machine.SoftI2C with SDA on GPIO 41, "pin5" what is on GPIO 5 (1-Wire, ADC, pulses). An I2C part has `written(data)` and
`read(n)`, both may raise Nack. MicroPython only.
"""

import errno

from simulators.board import pins, timeline
from simulators.board.part import Nack, garbage
from simulators.board.uart import UART

_parts = {}  # bus name -> [(address, part)]
held_low = {}  # bus name -> (from_us, to_us): something else than a part shorts it


def attach(bus, address, part):
    """Put a part on a bus; a 1-Wire part's address is its 8 bytes of ROM."""
    if bus.startswith("uart"):
        UART.attach(int(bus[4:]) + 1, part)  # UART(0) is the REPL
    else:
        _parts.setdefault(bus, []).append((address, part))


def attached(bus):
    """[(address, part)]."""
    return _parts.get(bus, ())


def is_held(bus):
    """Whether something pulls a bus low now."""
    span = held_low.get(bus)
    if span and span[0] <= timeline.true_us < span[1]:
        return True
    return any([part.holds() for _, part in attached(bus)])


class _Line:
    """SDA as whoever looks at the pin sees it: low while a part holds it."""

    def __init__(self, bus):
        self._bus = bus

    def level(self, us):
        return 0 if is_held(self._bus) else 1

    def next_edge(self, us):
        return None


class _I2C:
    def __init__(self, bus, scl, sda, freq, timeout):
        self._bus, self._freq, self._timeout_us = bus, freq, timeout
        self._clocks = 0
        if sda is not None:
            pins.attach(sda.number, _Line(bus))
            pins.watch(scl.number, self._clocked)
            scl.init(pull=pins.Pin.PULL_UP)  # the port switches the chip's own on

    def _clocked(self, level):
        """Nine clocks by hand bring a part that hangs in the middle of a byte to its end."""
        self._clocks += level == 0
        if self._clocks >= 9:
            self._clocks = 0
            for _, part in attached(self._bus):
                part.freed()

    def _part(self, address):
        """The part that acknowledges. Raises OSError."""
        if is_held(self._bus):
            timeline.advance(self._timeout_us)
            raise OSError(errno.ETIMEDOUT)
        timeline.advance(20 * 1000000 // self._freq)  # start, address, stop
        for at, part in attached(self._bus):
            if at == address and not part.is_away():
                return part
        raise OSError(errno.ENODEV)

    def _pass(self, n):
        timeline.advance(n * 9 * 1000000 // self._freq)

    def _write(self, address, data):
        part = self._part(address)
        self._pass(len(data))
        try:
            part.written(bytes(data))
        except Nack:
            raise OSError(errno.ENODEV) from None
        return len(data)

    def _read(self, address, n):
        part = self._part(address)
        stretched_us = getattr(part, "stretches_us", 0)
        if stretched_us > self._timeout_us:
            timeline.advance(self._timeout_us)
            raise OSError(errno.ETIMEDOUT)
        timeline.advance(stretched_us)
        self._pass(n)
        try:
            data = part.read(n)
        except Nack:
            raise OSError(errno.ENODEV) from None
        if part.has("garbage"):
            return garbage(n)
        return data + b"\xff" * (n - len(data))  # nobody drives the line

    def scan(self):
        found = []
        for address in range(8, 120):
            try:
                self._part(address)
                found.append(address)
            except OSError:
                pass
        return found

    def writeto(self, addr, buf, stop=True):
        return self._write(addr, buf)

    def writevto(self, addr, vector, stop=True):
        return self._write(addr, b"".join([bytes(one) for one in vector]))

    def readfrom(self, addr, nbytes, stop=True):
        return self._read(addr, nbytes)

    def readfrom_into(self, addr, buf, stop=True):
        buf[:] = self._read(addr, len(buf))

    def readfrom_mem(self, addr, memaddr, nbytes, *, addrsize=8):
        self._write(addr, memaddr.to_bytes(addrsize // 8, "big"))
        return self._read(addr, nbytes)

    def readfrom_mem_into(self, addr, memaddr, buf, *, addrsize=8):
        buf[:] = self.readfrom_mem(addr, memaddr, len(buf), addrsize=addrsize)

    def writeto_mem(self, addr, memaddr, buf, *, addrsize=8):
        self._write(addr, memaddr.to_bytes(addrsize // 8, "big") + bytes(buf))

    def deinit(self):
        pass


class I2C(_I2C):
    def __init__(self, id=-1, *, scl=None, sda=None, freq=400000, timeout=50000):
        if id not in (0, 1):
            raise ValueError("I2C(%d) doesn't exist" % id)
        super().__init__("i2c%d" % id, scl, sda, freq, timeout)


class SoftI2C(_I2C):
    def __init__(self, scl, sda, *, freq=400000, timeout=50000):
        super().__init__("softi2c%d" % sda.number, scl, sda, freq, timeout)


class SPI:
    """A bus without a part: what is read is high."""

    MSB, LSB = 0, 1

    def __init__(self, id=1, baudrate=500000, **options):
        self._baudrate = baudrate
        self.options = options

    def init(self, **options):
        self._baudrate = options.get("baudrate", self._baudrate)

    def _pass(self, n):
        timeline.advance(n * 8 * 1000000 // self._baudrate)

    def write(self, buf):
        self._pass(len(buf))

    def read(self, nbytes, write=0):
        self._pass(nbytes)
        return b"\xff" * nbytes

    def readinto(self, buf, write=0):
        buf[:] = self.read(len(buf))

    def write_readinto(self, write_buf, read_buf):
        read_buf[:] = self.read(len(read_buf))

    def deinit(self):
        pass


class ADC:
    """12 bits; the part on its pin says `volts()`."""

    ATTN_0DB, ATTN_2_5DB, ATTN_6DB, ATTN_11DB = 0, 1, 2, 3
    _FULL_UV = (950000, 1250000, 1750000, 3100000)

    def __init__(self, pin, *, sample_ns=-1, atten=0):
        self._number = getattr(pin, "number", pin)
        self._full_uv = self._FULL_UV[atten]

    def init(self, *, sample_ns=-1, atten=0):
        self._full_uv = self._FULL_UV[atten]

    def atten(self, atten):
        self._full_uv = self._FULL_UV[atten]

    def _counts(self):
        timeline.advance(50)
        uv = 0
        for _, part in attached("pin%d" % self._number):
            if not part.is_away() and not part.holds():
                uv = garbage(1)[0] * 12000 if part.has("garbage") else part.volts() * 1000000
        return max(0, min(4095, int(uv * 4095 / self._full_uv + 0.5)))

    def read(self):
        return self._counts()

    def read_u16(self):
        counts = self._counts()
        return counts << 4 | counts >> 8

    def read_uv(self):
        return self._counts() * self._full_uv // 4095
