"""A part outside of the chip: what every simulated sensor has in common. MicroPython only.

`truth(quantity)` gives what is true now; a part turns it into what its datasheet says that its registers hold. `faults`
are spans of true time: {"missing": [from_us, to_us], …}, of FAULTS. `kept` is a dict that outlives the interpreter and
is emptied where the part loses its power.
"""

from simulators.board import timeline

FAULTS = ("missing", "stuck", "bad_crc", "garbage", "held_low", "hung")


class Nack(Exception):
    """The part does not acknowledge."""


class Part:
    def __init__(self, truth, faults=None, kept=None):
        self.truth = truth
        self.faults = faults or {}
        for name in self.faults:
            if name not in FAULTS:
                raise ValueError("no fault '%s'; one of %s" % (name, ", ".join(FAULTS)))
        self.kept = {} if kept is None else kept
        self.unpowered = None  # a function that says whether its rail is off

    def has(self, fault):
        """Whether it has this fault now."""
        span = self.faults.get(fault)
        return span is not None and span[0] <= timeline.true_us < span[1]

    def is_away(self):
        """Nobody is there: not connected, or without power."""
        return self.has("missing") or (self.unpowered is not None and self.unpowered())

    def freed(self):
        """Somebody clocked the bus: a part that hung in the middle of a byte lets go of it."""
        if self.has("hung"):
            del self.faults["hung"]

    def holds(self):
        """Whether it pulls the bus low."""
        return self.has("held_low") or self.has("hung")


def elapsed_ms(since_us):
    return (timeline.true_us - since_us) // 1000


_noise = [0x2545F491]


def garbage(n):
    """`n` bytes without sense, the same in every run."""
    made = bytearray(n)
    for i in range(n):
        _noise[0] = (_noise[0] * 1103515245 + 12345) & 0x7FFFFFFF
        made[i] = _noise[0] >> 16 & 0xFF
    return bytes(made)


def crc8(data, polynomial=0x31, start=0xFF):
    """Sensirion's CRC-8 (SHT4x datasheet, 4.4): most significant bit first."""
    crc = start
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc << 1 ^ polynomial if crc & 0x80 else crc << 1) & 0xFF
    return crc


def words(values, bad=False):
    """16-bit words as Sensirion sends them, each with its CRC; `bad`: a wrong one."""
    made = bytearray()
    for value in values:
        two = bytes((value >> 8 & 0xFF, value & 0xFF))
        made += two + bytes((crc8(two) ^ (0x55 if bad else 0),))
    return bytes(made)


def checked(data):
    """The words that were written, each with its CRC. Raises Nack, as the part does not acknowledge a wrong one."""
    if len(data) % 3:
        raise Nack()
    found = []
    for i in range(0, len(data), 3):
        if crc8(data[i : i + 2]) != data[i + 2]:
            raise Nack()
        found.append(data[i] << 8 | data[i + 1])
    return found


def clamp(value, lowest, highest):
    return max(lowest, min(highest, value))
