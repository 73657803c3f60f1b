"""Contacts that close: tips of a rain gauge, turns of an anemometer. MicroPython only.

The rule: a running total never goes back. It is in NVS before a reading that carries it is stored, so that a loss of
power costs the tips since the last reading and no more. Awake an interrupt counts. Asleep no edge is seen (ESP-IDF,
"Sleep Modes"): a tip wakes the chip by its level, is counted (`closed_now`), and the chip sleeps on; that suits rain
and not an anemometer, which is counted while awake.
"""

from time import sleep_ms, ticks_diff, ticks_ms

import machine
from machine import Pin
from micropython import const

_RELEASE_MS = const(300)  # how long a contact may stay closed before it counts as stuck
_FIND_MS = const(10)  # how long a contact that woke the chip may bounce
_QUIET_MS = const(10)
_GPIO_WAKE = const(7)  # ESP_SLEEP_WAKEUP_GPIO; machine has no name for it
_BIN_MS = const(3000)  # a gust is the mean over three seconds (WMO-No. 8, 5.1.2)
_BINS = const(24)


class Counter:
    """One contact on a Pin; `key` names its total in NVS."""

    def __init__(self, pin, nvs, key, debounce_ms=10):
        self._pin, self._nvs, self._key = pin, nvs, key
        self._debounce_ms = debounce_ms
        self._stored = nvs.get(key, 0)
        self.total = self._stored
        self._edge = None  # when the last one was
        self._bins = bytearray(_BINS)
        self._begun = None
        pin.irq(self._changed, Pin.IRQ_FALLING | Pin.IRQ_RISING)

    def _changed(self, _):
        """An edge counts where the contact is closed and was quiet before: it bounces when it opens, too."""
        if self._was_quiet() and not self._pin.value():
            self._count()

    def woken(self):
        """Its contact has ended a light sleep, and perhaps an interrupt saw that, too."""
        if self._was_quiet():
            self._count()

    def _was_quiet(self):
        now, before = ticks_ms(), self._edge
        self._edge = now
        # After half a wrap, 6 days, a difference is negative; that was quiet as well.
        return before is None or not 0 <= ticks_diff(now, before) < self._debounce_ms

    def rest(self):
        """Before a deep sleep: from now on a closing contact is counted by the start that it causes."""
        self._pin.irq(None)

    def _count(self):
        self.total += 1
        now = self._edge
        if self._begun is not None:
            n = ticks_diff(now, self._begun) // _BIN_MS
            if 0 <= n < _BINS and self._bins[n] < 255:
                self._bins[n] += 1

    def store(self):
        """The total into NVS, where it has changed."""
        if self.total != self._stored:
            self._stored = self.total
            self._nvs.set(self._key, self.total)

    def begin(self):
        """Count gusts from here on."""
        for i in range(_BINS):
            self._bins[i] = 0
        self._begun = ticks_ms()
        self._at_begin = self.total

    def end(self):
        """(pulses, ms, most pulses in three seconds) since `begin`."""
        ms = ticks_diff(ticks_ms(), self._begun)
        whole = max(1, ms // _BIN_MS)
        most = max([self._bins[n] for n in range(min(whole, _BINS))])
        self._begun = None
        return self.total - self._at_begin, ms, most


def by_pin():
    """Whether a pin ended the last sleep."""
    return machine.wake_reason() in (machine.EXT0_WAKE, machine.EXT1_WAKE, _GPIO_WAKE)


def closed_now(pins):
    """Names of the contacts that have woken the chip. `pins`: {name: Pin}."""
    for _ in range(_FIND_MS):
        closed = [name for name in pins if not pins[name].value()]
        if closed:
            return closed
        sleep_ms(1)
    return list(pins) if len(pins) == 1 else []  # it was short; with several nobody can tell


def until_open(pins):
    """Waits until all contacts are open and quiet, but not for one that is stuck."""
    quiet = 0
    for _ in range(_RELEASE_MS):
        quiet = quiet + 1 if all([pin.value() for pin in pins.values()]) else 0
        if quiet == _QUIET_MS:
            return
        sleep_ms(1)


def arm(pins, chip):
    """Let each contact wake the chip when it closes; one that is closed is left out, it would wake it at once.

    Names of those that can wake it. `chip`: as in the board's definition.
    """
    import esp32

    names = sorted([name for name in pins if pins[name].value()])
    if chip == "esp32c3":
        by_gpio = getattr(esp32, "wake_on_gpio", None)  # from MicroPython 1.27; before, it counts only while awake
        if by_gpio is None:
            return []
        by_gpio([pins[name] for name in names] or None, esp32.WAKEUP_ALL_LOW)
    elif chip == "esp32":  # its ext1 waits until all of them are low: one pin each
        names = names[:2]
        esp32.wake_on_ext0(pins[names[0]] if names else None, esp32.WAKEUP_ALL_LOW)
        esp32.wake_on_ext1((pins[names[1]],) if len(names) > 1 else None, esp32.WAKEUP_ALL_LOW)
    else:
        esp32.wake_on_ext1(tuple([pins[name] for name in names]) or None, esp32.WAKEUP_ALL_LOW)
    return names
