"""The ULP's program: the words beside another assembler's, and what it counts, instruction by instruction."""

import struct
import subprocess

import pytest

from edge.ulp import layout as c
from edge.ulp.counting import program
from edge.ulp.words import ADD, AND, FAMILIES, OR, SUB, ZERO, Words
from simulators.board.fsm import Fsm, FsmError
from tests.conftest import ROOT

# What micropython-esp32-ulp (snapshot of August 2026) makes of the same source for `esp32` and `esp32s2`; the S3 has
# the words of the S2.
# fmt: off
ASSEMBLED = {
    "esp32": ("430680720901502a0d1000d0100020702c0040801a0000720e440068"
               "ca5d20720a004872100080720400008039006070000000b0"),
    "esp32s3": ("430680740901502a0d1000d0100020702c0040841a0000748e450068"
               "ca5d20740a004874100080740400008439006070000000b0"),
}
# fmt: on


@pytest.mark.parametrize("family", FAMILIES)
def test_every_word_is_what_another_assembler_makes(family: str) -> None:
    code = Words(family)
    code.move(3, 100)
    code.label("one")
    code.read_rtc_io(0x24, 20)
    code.load(1, 3, 4)
    code.calculate(SUB, 0, 0, 1)
    code.jump("two", ZERO)
    code.calculate_with(ADD, 2, 2, 1)
    code.store(2, 3, 17)
    code.calculate_with(SUB, 2, 2, 1500)
    code.calculate_with(AND, 2, 2, 0x8000)
    code.move(0, 1)
    code.jump("one")
    code.label("two")
    code.calculate(OR, 1, 2, 3)
    code.halt()
    assert b"".join(struct.pack("<I", word) for word in code.words()).hex() == ASSEMBLED[family]
    halt = Words(family, 1)
    halt.halt()
    assert halt.binary([1]).hex() == "756c70000c00080000000000" + "01000000" + "000000b0"
    with pytest.raises(ValueError, match="1 words"):
        halt.binary([])


def test_a_chip_without_this_processor_is_refused() -> None:
    with pytest.raises(ValueError, match="esp32c3"):
        program("esp32c3", [c.Contact(10, 1)], [0], [1])
    with pytest.raises(ValueError, match="1 to 4"):
        program("esp32", [], [], [])


class Bench:
    """A loaded program whose contacts the test opens (1) and closes (0)."""

    def __init__(self, family: str, contacts: list[c.Contact], totals: list[int], levels: list[int]) -> None:
        binary = program(family, contacts, totals, levels)
        words = list(struct.unpack("<%dI" % (len(binary) // 4 - 3), binary[12:]))
        self.memory = words + [0xDEADBEEF] * 20
        self.size, self.entry = len(words), c.size(len(contacts))
        self.contacts, self.levels = contacts, list(levels)
        self.fsm = Fsm(family == "esp32s3", self.memory, self._read)

    def _read(self, peripheral: int, address: int) -> int:
        assert (peripheral, address * 4) == (1, 0x24)
        return sum(level << contact.bit for level, contact in zip(self.levels, self.contacts, strict=True))

    def look(self, *levels: int, times: int = 1) -> None:
        self.levels = list(levels)
        for _ in range(times):
            self.fsm.run(self.entry)

    def word(self, at: int) -> int:
        return self.memory[at] & 0xFFFF

    def count(self, contact: int = 0) -> int:
        return self.word(c.field(contact, c.LOW)) | self.word(c.field(contact, c.HIGH)) << 16


@pytest.fixture(params=FAMILIES)
def family(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_a_closing_is_counted_once_however_long_it_lasts(family: str) -> None:
    bench = Bench(family, [c.Contact(24, 1)], [0], [1])
    for _ in range(3):
        bench.look(1, times=5)
        bench.look(0, times=50)
    assert bench.count() == 3


def test_a_contact_that_is_closed_at_the_beginning_is_no_pulse(family: str) -> None:
    bench = Bench(family, [c.Contact(24, 1)], [0], [0])
    bench.look(0, times=10)
    bench.look(1, times=10)
    assert bench.count() == 0
    bench.look(0)
    assert bench.count() == 1


def test_bounce_shorter_than_the_debounce_is_nothing(family: str) -> None:
    bench = Bench(family, [c.Contact(24, 5)], [0], [1])
    for _ in range(20):
        bench.look(0, times=4)
        bench.look(1)
    assert bench.count() == 0
    bench.look(0, times=5)
    for _ in range(20):  # bouncing while it opens
        bench.look(1, times=4)
        bench.look(0)
    assert bench.count() == 1


def test_two_contacts_are_two(family: str) -> None:
    bench = Bench(family, [c.Contact(22, 1), c.Contact(23, 3)], [10, 20], [1, 1])
    bench.look(0, 1, times=4)
    bench.look(1, 1, times=4)
    bench.look(0, 0, times=4)
    assert (bench.count(0), bench.count(1)) == (12, 21)


@pytest.mark.parametrize("total", [0xFFFF, 0x1FFFF, 0xFFFFFFFF])
def test_the_total_goes_on_over_sixteen_bits(family: str, total: int) -> None:
    bench = Bench(family, [c.Contact(24, 1)], [total - 1], [1])
    for _ in range(3):
        bench.look(0)
        bench.look(1)
    assert bench.count() == (total + 2) & 0xFFFFFFFF


def test_the_strongest_three_seconds_are_kept(family: str) -> None:
    bench = Bench(family, [c.Contact(24, 1)], [0xFFF8], [1])  # the count passes 65,536 in between
    for pulses in (4, 9, 2):
        for _ in range(pulses):
            bench.look(0)
            bench.look(1)
        bench.look(1, times=c.WINDOW_TICKS - 2 * pulses)
    assert bench.word(c.WINDOWS) == 3
    assert bench.word(c.TICK) == 0
    assert bench.word(c.field(0, c.MOST)) == 9


def test_program_and_data_are_left_alone(family: str) -> None:
    bench = Bench(family, [c.Contact(22, 2), c.Contact(23, 2)], [1, 2], [1, 1])
    code = bench.memory[bench.entry : bench.size]
    for n in range(2 * c.WINDOW_TICKS):
        bench.look(n // 7 % 2, n // 9 % 2)
    assert bench.memory[bench.entry : bench.size] == code
    assert bench.word(c.CHECK) == c.check(family, bench.contacts) == bench.word(c.CHECK_INVERTED) ^ 0xFFFF
    assert [bench.word(at) for at in range(c.field(0, c.MARK_LOW), c.field(1, 0))] == [0] * 6
    assert bench.memory[bench.size :] == [0xDEADBEEF] * 20


def test_it_is_short_enough_for_its_period(family: str) -> None:
    """About ten cycles of 8 MHz an instruction (TRM, ULP: 2 to 8 and the fetch): with four contacts a tenth of 2 ms."""
    bench = Bench(family, [c.Contact(20 + i, 1) for i in range(c.CONTACTS_MAX)], [0] * 4, [1] * 4)
    longest = 0
    for n in range(c.WINDOW_TICKS + 1):
        before = bench.fsm.steps
        bench.look(*[n % 2] * 4)
        longest = max(longest, bench.fsm.steps - before)
    assert longest * 10 / 8 < 200
    assert bench.size * 4 + 12 < 2040  # CONFIG_ULP_COPROC_RESERVE_MEM of MicroPython's builds


def test_another_program_has_another_check() -> None:
    checks = {
        c.check(family, [c.Contact(bit, debounce)])
        for family in FAMILIES for bit in (20, 21) for debounce in (1, 2)
    }  # fmt: skip
    assert len(checks) == 8


def test_looks() -> None:
    assert [c.looks(ms) for ms in (0, 2, 4, 20, 100000)] == [1, 1, 1, 5, 1000]


@pytest.mark.parametrize("word", [0, 0x70000000 | 9 << 21, 0x80000000 | 1 << 22, 0xFFFFFFFF])
def test_the_interpreter_is_strict(word: int) -> None:
    with pytest.raises(FsmError):
        Fsm(False, [word, 11 << 28], lambda peripheral, address: 0).run(0)


def test_the_same_program_on_micropython(micropython: str, family: str) -> None:
    code = (
        "from edge.ulp import counting, layout as c\n"
        "contacts = [c.Contact(22, 2), c.Contact(23, 5)]\n"
        "binary = counting.program('%s', contacts, [70000, 3], [1, 0])\n"
        "print(''.join(['%%02x' %% b for b in binary]), c.check('%s', contacts))" % (family, family)
    )
    ran = subprocess.run(
        [micropython, "-X", "heapsize=192k", "-c", code],
        env={"MICROPYPATH": "%s:.frozen" % ROOT}, capture_output=True, text=True, timeout=30,
    )  # fmt: skip
    contacts = [c.Contact(22, 2), c.Contact(23, 5)]
    binary = program(family, contacts, [70000, 3], [1, 0])
    assert ran.stdout.split() == [binary.hex(), str(c.check(family, contacts))], ran.stderr
