"""The ULP coprocessor's instructions, one after the other: what the chip does with the words it was given. Pure.

Written from the reference manuals (ESP32 TRM chapter 30, ESP32-S3 TRM chapter 2), apart from edge.ulp, which writes the
words. Stricter than the chip: what the manuals leave open (a flag that no calculation has set, a word that is no
instruction, the upper half of a word that an ESP32 stored) ends the run instead of giving something.
"""

_STEPS_MAX = 1000
_ALU, _JUMP, _HALT, _LOAD, _STORE, _READ = 7, 8, 11, 13, 6, 2


class FsmError(Exception):
    """The program does what a chip does not promise."""


class Fsm:
    """`memory`: words of RTC slow memory; `read(peripheral, address)`: a register, `address` in words."""

    def __init__(self, s3, memory, read):
        self._s3, self._memory, self._read = s3, memory, read
        self._registers = [0, 0, 0, 0]
        self._zero = None  # the flag; None where nothing tells
        self.steps = 0  # instructions of all runs
        self.compared = []  # in the last run: (value, number it was compared with)
        self.changed = []  # in the last run: (address, by how much its lower half differs)

    def run(self, at):
        """From word `at` until HALT."""
        self.compared.clear()
        self.changed.clear()
        for _ in range(_STEPS_MAX):
            word = self._memory[at]
            self.steps += 1
            if word >> 28 == _HALT:
                return
            at = self._step(word, at)
        raise FsmError("it does not halt")

    def _step(self, word, at):
        kind = word >> 28
        if kind == _JUMP:
            return self._jump(word, at)
        if kind == _ALU:
            self._calculate(word)
            return at + 1
        self._zero = None
        first, second = word & 3, word >> 2 & 3
        if kind == _LOAD:
            self._registers[first] = self._memory[self._address(word, second)] & 0xFFFF
        elif kind == _STORE and word >> 25 & 7 == 4:
            self._store(self._address(word, second), self._registers[first], word, at)
        elif kind == _READ:
            low, high = word >> 18 & 31, word >> 23 & 31
            value = self._read(word >> 8 & 3, word & 0xFF) >> low
            self._registers[0] = value & ((1 << (high - low + 1)) - 1) & 0xFFFF
        else:
            raise FsmError("0x%08x is not known" % word)
        return at + 1

    def _address(self, word, register):
        address = self._registers[register] + (word >> 10 & 0x7FF)
        if address >= len(self._memory):
            raise FsmError("word %d is not there" % address)
        return address

    def _store(self, address, value, word, at):
        if value != self._memory[address] & 0xFFFF:
            self.changed.append((address, value - (self._memory[address] & 0xFFFF)))
        if not self._s3:
            self._memory[address] = at << 21 | (word & 3) << 16 | value
        elif word >> 7 & 3 == 3:  # one half, without a label
            shift = 16 if word >> 6 & 1 else 0
            self._memory[address] = self._memory[address] & ~(0xFFFF << shift) | value << shift
        else:
            raise FsmError("this way of storing is not in use")

    def _jump(self, word, at):
        known = word >> 26 & 3 == 1 if self._s3 else word >> 25 & 7 == 0
        if not known or word >> 21 & 1:
            raise FsmError("this jump is not in use")
        when = word >> 22 & 7
        if when == 0:
            return word >> 2 & 0x7FF
        if when != 1 or self._zero is None:
            raise FsmError("nobody knows whether to jump at %d" % at)
        return word >> 2 & 0x7FF if self._zero else at + 1

    def _calculate(self, word):
        kind = word >> 26 & 3 if self._s3 else word >> 25 & 7
        if kind > 1:
            raise FsmError("the stage counter is not in use")
        what, a = word >> 21 & 15, self._registers[word >> 2 & 3]
        b = word >> 4 & 0xFFFF if kind else self._registers[word >> 4 & 3]
        if what == 0:
            value = a + b
        elif what == 1:
            value = a - b
            if kind:
                self.compared.append((a, b))
        elif what == 2:
            value = a & b
        elif what == 3:
            value = a | b
        elif what == 4:
            value = b if kind else a
        else:
            raise FsmError("calculation %d is not in use" % what)
        self._registers[word & 3] = value & 0xFFFF
        self._zero = None if what == 4 else value & 0xFFFF == 0
