"""The program that counts contacts while the chip sleeps, for rain gauges and anemometers. Pure.

Every 2 ms it looks at each contact. A level that differs from the accepted one for `debounce` looks becomes the
accepted one; an accepted closing (low) is a pulse. Every three seconds the window closes, and the most pulses that one
of them had is kept. It uses no comparing jump, and asks for a flag right behind the calculation that sets it.
"""

from edge.ulp.layout import (
    BEGIN,
    CHECK,
    CONTACTS_MAX,
    HIGH,
    LEVEL,
    LOW,
    MOST,
    RUN,
    TICK,
    WINDOW_TICKS,
    WINDOWS,
    check,
    field,
    size,
)
from edge.ulp.words import ADD, AND, SUB, ZERO, Words

_IN_OFFSET = 0x24  # RTC_GPIO_IN_REG in RTC_IO, on both chips
_R0, _R1, _R2, _DATA = 0, 1, 2, 3


def program(family, contacts, totals, levels):
    """The binary for `load_binary`; it begins at word `size(len(contacts))`. `totals`, `levels`: to begin with."""
    if not 1 <= len(contacts) <= CONTACTS_MAX:
        raise ValueError("1 to %d contacts" % CONTACTS_MAX)
    code = Words(family, size(len(contacts)))
    code.move(_DATA, 0)
    for i in range(len(contacts)):
        _look(code, i, contacts[i])
    _window(code, len(contacts))
    return code.binary(_data(family, contacts, totals, levels))


def _data(family, contacts, totals, levels):
    data = [0] * size(len(contacts))
    data[CHECK] = check(family, contacts)
    data[CHECK + 1] = data[CHECK] ^ 0xFFFF
    for i in range(len(contacts)):
        data[field(i, LEVEL)] = levels[i]
        data[field(i, LOW)] = data[field(i, BEGIN)] = totals[i] & 0xFFFF
        data[field(i, HIGH)] = totals[i] >> 16 & 0xFFFF
    return data


def _count_up(code, register, word):
    code.load(register, _DATA, word)
    code.calculate_with(ADD, register, register, 1)
    code.store(register, _DATA, word)


def _look(code, i, contact):
    def at(name):
        return field(i, name)

    def named(what):
        return "%s %d" % (what, i)

    code.read_rtc_io(_IN_OFFSET, contact.bit)
    code.load(_R1, _DATA, at(LEVEL))
    code.calculate(SUB, _R0, _R0, _R1)
    code.jump(named("same"), ZERO)
    _count_up(code, _R2, at(RUN))
    code.calculate_with(SUB, _R2, _R2, contact.debounce)
    code.jump(named("accept"), ZERO)
    code.jump(named("next"))

    code.label(named("accept"))
    code.store(_R2, _DATA, at(RUN))  # it is 0
    code.move(_R0, 1)
    code.calculate(SUB, _R0, _R0, _R1)
    code.store(_R0, _DATA, at(LEVEL))
    code.calculate_with(ADD, _R0, _R0, 0)
    code.jump(named("closed"), ZERO)
    code.jump(named("next"))

    code.label(named("closed"))
    _count_up(code, _R2, at(LOW))
    code.calculate_with(ADD, _R2, _R2, 0)
    code.jump(named("carry"), ZERO)
    code.jump(named("next"))

    code.label(named("carry"))
    _count_up(code, _R2, at(HIGH))
    code.jump(named("next"))

    code.label(named("same"))
    code.store(_R0, _DATA, at(RUN))  # it is 0
    code.label(named("next"))


def _window(code, contacts):
    _count_up(code, _R0, TICK)
    code.calculate_with(SUB, _R0, _R0, WINDOW_TICKS)
    code.jump("close", ZERO)
    code.halt()

    code.label("close")
    code.store(_R0, _DATA, TICK)  # it is 0
    _count_up(code, _R0, WINDOWS)
    for i in range(contacts):
        code.load(_R0, _DATA, field(i, LOW))
        code.load(_R1, _DATA, field(i, BEGIN))
        code.store(_R0, _DATA, field(i, BEGIN))
        code.calculate(SUB, _R0, _R0, _R1)
        code.load(_R1, _DATA, field(i, MOST))
        code.calculate(SUB, _R2, _R1, _R0)
        code.calculate_with(AND, _R2, _R2, 0x8000)  # the sign: there were more than the most so far
        code.jump("fewer %d" % i, ZERO)
        code.store(_R0, _DATA, field(i, MOST))
        code.label("fewer %d" % i)
    code.halt()
