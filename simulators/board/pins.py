"""Pins of the simulated chip: levels, interrupts, and waking the chip.

The rule: an edge interrupts only a chip that is awake; asleep, only the level of a pin that was armed ends the sleep,
and what happens before that goes unseen (ESP-IDF, "Sleep Modes"). What is outside of a pin is a source: `level(us)` and
`next_edge(us)`, the moment of the first edge after `us` or None. MicroPython only.
"""

from simulators.board import power, timeline

_sources = {}
_pins = {}
_watchers = {}  # GPIO -> functions that are told what is driven
_driven = {}  # GPIO -> level
_pulls = {}
_interrupts = {}  # GPIO -> [handler, trigger, pin, the level seen last]
_wakes = []  # (cause, GPIOs, level, whether all of them have to have it)
_MODEL = timeline.chip.get("model", "esp32s3")
_RTC_PINS = {
    "esp32": (0, 2, 4, 12, 13, 14, 15, 25, 26, 27, 32, 33, 34, 35, 36, 39),
    "esp32s3": tuple(range(22)),
    "esp32c3": tuple(range(6)),
}


def attach(number, source):
    """What is connected to a pin."""
    _sources[number] = source


def watch(number, told):
    """`told(level)` when the pin is driven."""
    _watchers.setdefault(number, []).append(told)


def driven(number):
    """The level that the chip drives, None where it does not."""
    return _driven.get(number)


def level(number):
    source = _sources.get(number)
    outside = 1 if source is None else source.level(timeline.true_us)
    if number in _driven:
        return _driven[number] if outside else 0  # whoever pulls down wins
    if source is None:
        return 1 if _pulls.get(number) == Pin.PULL_UP else 0
    return outside


class Pin:
    IN, OUT, OPEN_DRAIN = 1, 3, 7
    PULL_DOWN, PULL_UP = 1, 2
    IRQ_RISING, IRQ_FALLING = 1, 2
    WAKE_LOW, WAKE_HIGH = 4, 5
    DRIVE_0, DRIVE_1, DRIVE_2, DRIVE_3 = 0, 1, 2, 3

    def __new__(cls, id, *args, **options):
        """One object a number, as in the port."""
        if isinstance(id, Pin):
            return id
        if not isinstance(id, int) or not 0 <= id <= 48:
            raise ValueError("invalid pin")
        if id not in _pins:
            _pins[id] = object.__new__(cls)
        return _pins[id]

    def __init__(self, id, mode=-1, pull=-1, *, value=None, drive=None, hold=None):
        self.number = getattr(id, "number", id)
        self.init(mode, pull, value=value, hold=hold)

    def init(self, mode=-1, pull=-1, *, value=None, drive=None, hold=None):
        if pull != -1:
            _pulls[self.number] = pull
        if mode == Pin.IN:
            _driven.pop(self.number, None)
        if mode in (Pin.OUT, Pin.OPEN_DRAIN):
            self._drive(_driven.get(self.number, 0) if value is None else value)
        elif value is not None and self.number in _driven:
            self._drive(value)

    def _drive(self, value):
        value = 1 if value else 0
        changed = _driven.get(self.number) != value
        _driven[self.number] = value
        if changed:
            for told in _watchers.get(self.number, ()):
                told(value)

    def value(self, x=None):
        if x is None:
            return level(self.number)
        if self.number in _driven:
            self._drive(x)

    def __call__(self, x=None):
        return self.value(x)

    def on(self):
        self.value(1)

    def off(self):
        self.value(0)

    def irq(self, handler=None, trigger=3, *, wake=None, hard=False):
        if wake is not None:
            raise ValueError("use esp32.wake_on_ext0, wake_on_ext1 or wake_on_gpio")
        if handler is None:
            _interrupts.pop(self.number, None)
            return
        known = self.number in _interrupts
        _interrupts[self.number] = [handler, trigger, self, level(self.number)]
        if not known:
            _await_edge(self.number)


def _await_edge(number):
    source = _sources.get(number)
    moment_us = source and source.next_edge(timeline.true_us)
    if moment_us is not None:
        timeline.at(moment_us, lambda: _edge(number))


def _edge(number):
    if number not in _interrupts:
        return
    interrupt = _interrupts[number]
    handler, trigger, pin, before = interrupt
    interrupt[3] = now = _sources[number].level(timeline.true_us)
    if now != before and not timeline.sleeping and trigger & (Pin.IRQ_RISING if now else Pin.IRQ_FALLING):
        handler(pin)
    _await_edge(number)


def _arm(cause, pins, level, every):
    for pin in pins:
        if pin.number not in _RTC_PINS[_MODEL]:
            raise ValueError("invalid pin")
    _disarm(cause)
    if pins:
        _wakes.append((cause, [pin.number for pin in pins], 1 if level else 0, every))


def _disarm(cause):
    for one in list(_wakes):
        if one[0] == cause:
            _wakes.remove(one)


def wake_on_ext0(pin=None, level=0):
    _arm("ext0", () if pin is None else (pin,), level, True)


def wake_on_ext1(pins=(), level=0):
    """Only the first ESP32 asks that all of them are low; the others wake of any."""
    _arm("ext1", pins or (), level, not level and _MODEL == "esp32")


def wake_on_gpio(pins=(), level=0):
    _arm("gpio", pins or (), level, False)


def _woken(from_us, to_us):
    first = None
    for cause, numbers, wanted, every in _wakes:
        moment_us = _first_at(numbers, wanted, every, from_us, to_us if first is None else first[0])
        if moment_us is not None and (first is None or moment_us < first[0]):
            first = (moment_us, cause)
    return first


def _level_at(number, us):
    source = _sources.get(number)
    return level(number) if source is None else source.level(us)


def _first_at(numbers, wanted, every, from_us, to_us):
    """When these pins have the level for the first time in this span."""
    us = from_us
    while us is not None and us < to_us:
        there = [_level_at(number, us) == wanted for number in numbers]
        if all(there) if every else any(there):
            return us
        edges = [_sources[number].next_edge(us) for number in numbers if number in _sources]
        edges = [edge for edge in edges if edge is not None]
        us = min(edges) if edges else None
    return None


power.asleep.append(_woken)
