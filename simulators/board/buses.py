"""Buses of the simulated chip: what is attached answers byte by byte; who is not there gives the port's errors.

A double on I2C has `write(data)` and `read(n)`; one on UART `write(data)` and `read_ready() -> bytes`; one on OneWire a
`rom` and `command(bytes) -> bytes`-like methods; behind an ADC a callable gives microvolts. MicroPython only.
"""

import errno

from simulators.board import pins, timeline

attached = {}  # "i2c0" -> {address: double}, "uart0" -> double, "onewire0" -> [double], "adc<pin>" -> callable
held_low = {}  # bus name -> (from_us, to_us[, clock pulses after which the chip lets go])


def attach(bus, double, address=None):
    """A double on a bus by its name."""
    if address is not None:
        attached.setdefault(bus, {})[address] = double
    elif bus.startswith("onewire"):
        attached.setdefault(bus, []).append(double)
    else:
        attached[bus] = double


def is_held(bus):
    span = held_low.get(bus)
    return span is not None and span[0] <= timeline.true_us < span[1]


class _Data:
    """The data line of an I2C bus, pulled up: a source for simulators.board.pins."""

    def __init__(self, bus):
        self._bus = bus

    def level(self, true_us):
        return 0 if is_held(self._bus) else 1

    def next_edge(self, true_us):
        return None

    def clocked(self):
        """The clock has gone up by hand: one bit less that the chip still wants to send."""
        span = held_low.get(self._bus)
        if span is not None and len(span) > 2 and is_held(self._bus):
            left = span[2] - 1
            held_low[self._bus] = (span[0], span[1], left) if left > 0 else (0, 0)


class I2C:
    """machine.I2C; ENODEV for nobody there, ETIMEDOUT for a bus that is held low."""

    def __init__(self, id=0, *, scl=None, sda=None, freq=400000, timeout=50000):
        self._name = "i2c%d" % (id if id >= 0 else 0)
        self._freq = freq
        self._timeout_us = timeout
        if sda is not None and scl is not None:
            line = pins.sources[sda.number] = _Data(self._name)
            pins.clocks[scl.number] = line.clocked
            scl.level = 1

    def _double(self, address, size):
        timeline.advance((size + 1) * 9 * 1000000 // self._freq)
        if is_held(self._name):
            timeline.advance(self._timeout_us)
            raise OSError(errno.ETIMEDOUT)
        double = attached.get(self._name, {}).get(address)
        if double is None or not double.present():
            raise OSError(errno.ENODEV)
        return double

    def writeto(self, address, data, stop=True):
        self._double(address, len(data)).write(bytes(data))
        return len(data)

    def readfrom(self, address, n, stop=True):
        return self._double(address, n).read(n)

    def readfrom_into(self, address, buffer, stop=True):
        buffer[:] = self.readfrom(address, len(buffer))

    def readfrom_mem(self, address, register, n, *, addrsize=8):
        double = self._double(address, n + 1)
        double.write(bytes((register,)))
        return double.read(n)

    def readfrom_mem_into(self, address, register, buffer, *, addrsize=8):
        buffer[:] = self.readfrom_mem(address, register, len(buffer))

    def writeto_mem(self, address, register, data, *, addrsize=8):
        self._double(address, len(data) + 1).write(bytes((register,)) + bytes(data))

    def scan(self):
        return sorted(a for a, one in attached.get(self._name, {}).items() if one.present())


SoftI2C = I2C


class UART:
    """machine.UART with a receive buffer that overflows."""

    def __init__(self, id, baudrate=9600, tx=None, rx=None, rxbuf=256, timeout=0, **more):
        self._name = "uart%d" % (id - 1)
        self._rxbuf = rxbuf
        self._buffer = b""
        self.init(baudrate)

    def init(self, baudrate=9600, **more):
        self.baudrate = baudrate

    def deinit(self):
        self._buffer = b""

    def _fill(self):
        timeline.look()
        double = attached.get(self._name)
        if double is not None:
            self._buffer = (self._buffer + double.read_ready(self.baudrate))[-self._rxbuf :]

    def any(self):
        self._fill()
        return len(self._buffer)

    def read(self, n=None):
        self._fill()
        n = len(self._buffer) if n is None else n
        data, self._buffer = self._buffer[:n], self._buffer[n:]
        return data or None

    def readinto(self, buffer, n=None):
        data = self.read(min(len(buffer), n or len(buffer)))
        if data is None:
            return None
        buffer[: len(data)] = data
        return len(data)

    def write(self, data):
        timeline.advance(len(data) * 10 * 1000000 // self.baudrate)
        double = attached.get(self._name)
        if double is not None:
            double.write(bytes(data), self.baudrate)
        return len(data)

    def flush(self):
        pass


class ADC:
    """machine.ADC with the port's calibrated microvolts."""

    ATTN_0DB, ATTN_2_5DB, ATTN_6DB, ATTN_11DB = 0, 1, 2, 3
    _FULL_UV = (950000, 1250000, 1750000, 3100000)

    def __init__(self, pin, atten=0, **more):
        self._name = "adc%d" % pin.number
        self._atten = atten

    def read_uv(self):
        timeline.advance(100)
        source = attached.get(self._name)
        return int(min(self._FULL_UV[self._atten], max(0, source() if source else 0)))

    def read_u16(self):
        return self.read_uv() * 65535 // self._FULL_UV[self._atten]


class SPI:
    """machine.SPI: nothing in here is on it; the radio's double is above it."""

    MSB, LSB = 0, 1

    def __init__(self, id, *args, **more):
        pass
