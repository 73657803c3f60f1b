"""Machine words of the ULP coprocessor (its FSM) in ESP32 and ESP32-S3: those nine that counting needs. Pure.

The rule: what differs between the two chips differs here and nowhere else. Not in use: comparing jumps (each chip has
others), the stage counter, ADC and I2C.
Sources: ESP32 Technical Reference Manual 4.8, chapter 30 (ULP), and ESP32-S3 1.4, chapter 2; every word is compared
with what micropython-esp32-ulp assembles (tests/edge/test_ulp.py).
"""

from struct import pack

FAMILIES = ("esp32", "esp32s3")  # the S3 has the instructions of the S2
ADD, SUB, AND, OR, MOVE = 0, 1, 2, 3, 4
ALWAYS, ZERO = 0, 1  # when to jump: what the last ALU instruction gave
_RTC_IO = 1  # the peripheral that REG_RD names
_MAGIC = b"ulp\x00"


class Words:
    """A program in the making, to stand at word `base`. Registers are 0 to 3, offsets and addresses are in words."""

    def __init__(self, family, base=0):
        if family not in FAMILIES:
            raise ValueError("%s has no ULP that is programmed like this" % family)
        self._s3, self._base = family == "esp32s3", base
        self._words = []
        self._labels = {}
        self._jumps = []  # (where, label)

    def label(self, name):
        """The next instruction has this name."""
        self._labels[name] = self._base + len(self._words)

    def calculate(self, what, to, operand, other):
        """`to = operand what other`; all three are registers. It also sets the flag that ZERO asks for."""
        self._words.append(7 << 28 | what << 21 | other << 4 | operand << 2 | to)

    def calculate_with(self, what, to, operand, number):
        """The same with a number of 16 bits."""
        self._words.append(7 << 28 | 1 << (26 if self._s3 else 25) | what << 21 | number << 4 | operand << 2 | to)

    def move(self, to, number):
        self.calculate_with(MOVE, to, 0, number)

    def load(self, to, address, offset):
        """The lower half of the word at register `address` + offset."""
        self._words.append(13 << 28 | offset << 10 | address << 2 | to)

    def store(self, value, address, offset):
        """Into the lower half; the upper one is not to be read (on an ESP32 it holds the program counter)."""
        self._words.append(6 << 28 | 4 << 25 | offset << 10 | (3 << 7 if self._s3 else 0) | address << 2 | value)

    def read_rtc_io(self, offset, bit):
        """One bit of a register of RTC_IO (offset in bytes) into register 0."""
        self._words.append(2 << 28 | bit << 23 | bit << 18 | _RTC_IO << 8 | offset >> 2)

    def jump(self, label, when=ALWAYS):
        self._jumps.append((len(self._words), label))
        self._words.append(8 << 28 | (1 << 26 if self._s3 else 0) | when << 22)

    def halt(self):
        """Until the timer wakes it again, at the beginning of the program."""
        self._words.append(11 << 28)

    def words(self):
        """The words, jumps resolved."""
        out = list(self._words)
        for at, label in self._jumps:
            out[at] |= self._labels[label] << 2
        return out

    def binary(self, data):
        """What `esp32.ULP.load_binary` takes for word 0: header, `data` words up to the base, program."""
        if len(data) != self._base:
            raise ValueError("%d words of data, not %d" % (self._base, len(data)))
        text = b"".join([pack("<I", word) for word in data + self.words()])
        return _MAGIC + pack("<HHHH", 12, len(text), 0, 0) + text
