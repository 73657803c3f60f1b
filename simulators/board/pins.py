"""Pins of the simulated chip: levels, interrupts, waking. MicroPython only.

What is outside of a pin is a source: `level(true_us)` and `next_edge(true_us)`, when it is pulled low next, or
None. An edge calls the interrupt's handler while the chip is awake; asleep it wakes the chip, where the pin was
named for that, and is lost otherwise.
"""

from simulators.board import power, timeline

LOW_US = 30000  # how long a reed contact stays closed
sources = {}  # pin number -> source
clocks = {}  # pin number -> what to call when it is driven from low to high
wake_pins = []  # named by esp32.wake_on_ext1
_pins = {}


class Pin:
    """machine.Pin of the ESP32 port; one object a number."""

    IN, OUT, OPEN_DRAIN = 1, 3, 7
    PULL_UP, PULL_DOWN = 2, 1
    IRQ_RISING, IRQ_FALLING, WAKE_LOW, WAKE_HIGH = 1, 2, 4, 5
    DRIVE_0, DRIVE_1, DRIVE_2, DRIVE_3 = 0, 1, 2, 3

    def __new__(cls, number, *args, **kwargs):
        if isinstance(number, Pin):
            return number
        if number not in _pins:
            _pins[number] = object.__new__(cls)
        return _pins[number]

    def __init__(self, number, mode=-1, pull=-1, value=None, drive=None, hold=None):
        if isinstance(number, Pin):
            return
        self.number = number
        self.handler = getattr(self, "handler", None)
        self.level = getattr(self, "level", 1 if pull == Pin.PULL_UP else 0)
        self.init(mode, pull, value)

    def init(self, mode=-1, pull=-1, value=None, drive=None, hold=None):
        if mode != -1:
            self.mode = mode
        if pull != -1 and pull is not None:
            self.level = 1 if pull == Pin.PULL_UP else 0
        if value is not None:
            self.level = value

    def value(self, new=None):
        if new is not None:
            rises = new and not self.level
            self.level = new
            if rises and self.number in clocks:
                clocks[self.number]()
            return None
        source = sources.get(self.number)
        timeline.look()
        return source.level(timeline.true_us) if source else self.level

    def __call__(self, new=None):
        return self.value(new)

    def on(self):
        self.level = 1

    def off(self):
        self.level = 0

    def irq(self, handler=None, trigger=3, wake=None, hard=False):
        self.handler = handler
        if handler and trigger & Pin.IRQ_FALLING:
            _await_edge(self)
        return self


def _await_edge(pin):
    source = sources.get(pin.number)
    moment_us = source and source.next_edge(timeline.true_us)
    if moment_us:
        timeline.at(moment_us, lambda: _edge(pin))


def _edge(pin):
    if pin.handler:
        if not timeline.sleeping:
            pin.handler(pin)
        _await_edge(pin)


def _wakes(from_us, to_us):
    """For simulators.board.power: the first edge of a pin that may wake the chip."""
    first = None
    for number in wake_pins:
        source = sources.get(number)
        if source and source.level(from_us) == 0:
            return from_us, "ext1"  # it is low already: the chip does not even fall asleep
        moment_us = source and source.next_edge(from_us)
        if moment_us and moment_us < to_us and (first is None or moment_us < first):
            first = moment_us
    return (first, "ext1") if first else None


power.asleep.append(_wakes)
