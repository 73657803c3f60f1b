"""Bits into bytes and back: big-endian bit order, the most significant bit of every field first.

`BitWriter` grows one bytearray and nothing else; `BitReader` never copies what it reads. Neither knows what
the bits mean. Runs on MicroPython and CPython.
"""


class OutOfBits(ValueError):
    """The bytes end before the field does."""


class BitWriter:
    """Collects bits. `bits` is how many there are so far."""

    __slots__ = ("_buffer", "bits")

    def __init__(self):
        self._buffer = bytearray()
        self.bits = 0

    def put(self, value: int, width: int) -> None:
        """The `width` lowest bits of `value`; a negative value goes as two's complement."""
        buffer = self._buffer
        while width:
            free = -self.bits & 7
            if not free:
                buffer.append(0)
                free = 8
            take = width if width < free else free
            width -= take
            buffer[-1] |= (value >> width & (1 << take) - 1) << free - take
            self.bits += take

    def put_sized(self, value: int, widths) -> None:
        """Two bits that select the first of `widths` (up to four) that holds `value` >= 0, then the value."""
        for i, width in enumerate(widths):
            if not value >> width:
                self.put(i, 2)
                self.put(value, width)
                return
        raise ValueError("%d needs more than %d bits" % (value, widths[-1]))

    def cut(self, bits: int) -> None:
        """Forget everything behind the first `bits`."""
        self._buffer = self._buffer[: bits + 7 >> 3]
        if bits & 7:
            self._buffer[-1] &= 0xFF00 >> (bits & 7)
        self.bits = bits

    def to_bytes(self) -> bytes:
        """What was put, filled up with zeros to a whole byte."""
        return bytes(self._buffer)


class BitReader:
    """Hands out bits from the front. `left` is how many there are still."""

    __slots__ = ("_data", "_position", "left")

    def __init__(self, data):
        self._data = data
        self._position = 0
        self.left = len(data) * 8

    def take(self, width: int) -> int:
        """The next `width` bits as a number >= 0. Raises OutOfBits where there are fewer."""
        if width > self.left:
            raise OutOfBits("%d bits are wanted and %d are left" % (width, self.left))
        self.left -= width
        value = 0
        while width:
            there = 8 - (self._position & 7)
            take = width if width < there else there
            byte = self._data[self._position >> 3]
            value = value << take | (byte >> there - take & (1 << take) - 1)
            self._position += take
            width -= take
        return value

    def take_signed(self, width: int) -> int:
        """The next `width` bits as a two's complement number."""
        value = self.take(width)
        return value - (1 << width) if value >> width - 1 else value

    def take_sized(self, widths) -> int:
        """What `put_sized` put, with the same four widths."""
        return self.take(widths[self.take(2)])
