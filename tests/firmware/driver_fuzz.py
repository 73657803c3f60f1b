"""Every driver on buses that do what they like: prints what a driver did that it must not. Under MicroPython.

What it must not: raise anything but a SensorFault from start and read, anything at all from stop; block for longer
than a few seconds; give what is no number.
"""

import errno

from edge.sensors.chips import CHIPS
from simulators.board import timeline
from tests.firmware.driver_bench import driver, measured

LONGEST_MS = (3000, 6000, 1500)  # blocked in start, read, stop
ERRORS = (errno.ENODEV, errno.EIO, errno.ETIMEDOUT, errno.EINVAL, 263)  # the last one is ESP_ERR_TIMEOUT

KINDS = ("zeros", "ones", "random", "errors", "mixed") + ERRORS  # MicroPython has no * in the tuple of a for


class Chance:
    """A small generator of its own, so that a seed means the same wherever it runs."""

    def __init__(self, seed):
        self.n = seed * 2654435761 % 4294967296 | 1

    def below(self, n):
        self.n = (self.n ^ self.n << 13) & 0xFFFFFFFF
        self.n ^= self.n >> 17
        self.n = (self.n ^ self.n << 5) & 0xFFFFFFFF
        return self.n % n


class Wild:
    """Any bus. `kind`: "zeros", "ones", "random", "errors", "mixed", or one errno."""

    def __init__(self, kind, chance):
        self.kind, self.chance = kind, chance

    def _bytes(self, n):
        timeline.advance(100 * (n + 1))
        kind = self.kind
        if kind in ERRORS:
            raise OSError(kind)
        if kind in ("errors", "mixed") and self.chance.below(4 if kind == "mixed" else 2) == 0:
            raise OSError(ERRORS[self.chance.below(len(ERRORS))])
        if kind == "zeros":
            return bytes(n)
        if kind == "ones":
            return b"\xff" * n
        return bytes([self.chance.below(256) for _ in range(n)])


class I2c(Wild):
    def writeto(self, address, data, stop=True):
        self._bytes(0)
        return len(data)

    def readfrom(self, address, n, stop=True):
        return self._bytes(n)

    def readfrom_mem(self, address, register, n, addrsize=8):
        if register == 0xD0 and self.kind in ("random", "mixed") and self.chance.below(2):
            return b"\x60" if self.chance.below(2) else b"\x61"  # so that it comes further than the chip's id
        return self._bytes(n)

    def writeto_mem(self, address, register, data, addrsize=8):
        self._bytes(0)


class Uart(Wild):
    def init(self, baudrate=9600, **more):
        self._bytes(0)

    def any(self):
        return 0

    def read(self, n=None):
        return self._bytes(self.chance.below(80) if n is None else n) or None

    def write(self, data):
        self._bytes(0)
        return len(data)


class Wire(Wild):
    def reset(self, required=False):
        self._bytes(0) if self.kind in ("errors", "mixed") else None
        return self.kind != "ones" and self.chance.below(5) != 0

    def scan(self):
        return [bytearray(self._bytes(8)) for _ in range(self.chance.below(3))]

    def select_rom(self, rom):
        self.reset()

    def writebyte(self, value):
        self._bytes(0)

    def readinto(self, buffer):
        buffer[:] = self._bytes(len(buffer))


class Adc(Wild):
    def read_uv(self):
        data = self._bytes(3)
        return data[0] << 16 | data[1] << 8 | data[2]


BUSES = {"i2c": I2c, "uart": Uart, "onewire": Wire, "adc": Adc}


def what_is_wrong(out):
    if any(out["ms"][i] > LONGEST_MS[i] for i in range(3)):
        return "blocked for %r ms" % (out["ms"],)
    if out["fault"] is None and not out["values"]:
        return "neither a value nor a fault"
    for quantity, value in (out["values"] or {}).items():
        if not isinstance(value, (int, float)) or value != value or abs(value) == float("inf"):
            return "%s is %r" % (quantity, value)
    return None


def main(seeds):
    tried, values, wrong = 0, 0, 0
    for chip in sorted(CHIPS):
        kinds = CHIPS[chip].bus if isinstance(CHIPS[chip].bus, tuple) else (CHIPS[chip].bus,)
        for bus in kinds:
            if bus not in BUSES:
                continue
            for kind in KINDS:
                for seed in range(seeds if kind in ("random", "errors", "mixed") else 1):
                    one = driver(chip, BUSES[bus](kind, Chance(seed + 1)))
                    for _ in range(2):  # the second time it has what it took the first time
                        try:
                            out = measured(one)
                            said = what_is_wrong(out)
                        except Exception as error:
                            out, said = None, "raised %r" % error
                        tried += 1
                        values += out is not None and out["fault"] is None
                        if said:
                            wrong += 1
                            print(chip, bus, kind, seed, said)
    print(tried, "tried,", values, "values,", wrong, "wrong")


main(30)
