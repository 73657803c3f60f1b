"""Doubles of the chips, at the level of their registers and frames, each after its datasheet. MicroPython only.

Their conversions are the datasheets' the other way round and share nothing with edge.sensors. `faults` is
{name: (from_us, to_us)} of: missing, stuck, bad_crc, garbage.
"""

from simulators.board import timeline


class Double:
    """`truth(quantity)`: what is true now."""

    def __init__(self, truth, faults=None):
        self._truth, self.faults = truth, faults or {}
        self._last = {}

    def has(self, fault):
        """Whether it is broken in that way now."""
        span = self.faults.get(fault)
        return span is not None and span[0] <= timeline.true_us < span[1]

    def present(self):
        return not self.has("missing")

    def now(self, quantity):
        """What the sensing element sees."""
        if not (self.has("stuck") and quantity in self._last):
            self._last[quantity] = self._truth(quantity)
        return self._last[quantity]

    def garbage(self, n):
        """Bytes that mean nothing, others each time."""
        return bytes([(i * 37 + timeline.true_us // 1000 * 11) % 251 for i in range(n)])


def crc8(data):
    """Sensirion's, by its table-free definition: polynomial division of (0xFF…) and the message."""
    remainder = 0xFF
    for byte in data:
        for bit in range(8):
            top = (remainder >> 7) ^ (byte >> (7 - bit) & 1)
            remainder = (remainder << 1 & 0xFF) ^ (0x31 if top else 0)
    return remainder


def with_crcs(words, bad=False):
    """16-bit words as Sensirion's chips send them."""
    out = b""
    for word in words:
        pair = bytes((word >> 8, word & 0xFF))
        out += pair + bytes((crc8(pair) ^ (0x55 if bad else 0),))
    return out
