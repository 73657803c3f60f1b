"""Contacts that close: tips of a rain gauge, turns of an anemometer. MicroPython only.

The rule: a running total never goes back. It is in NVS before a reading that carries it is stored, so that a loss of
power costs the tips since the last reading and no more. Awake an interrupt counts. In deep sleep a tip wakes the chip,
which counts it and sleeps on (`count_wake`); that suits rain and not an anemometer, which is counted while awake.
"""

from time import sleep_ms, ticks_diff, ticks_ms

from machine import Pin
from micropython import const

_RELEASE_MS = const(200)  # how long a contact may stay closed before it counts as stuck
_BIN_MS = const(3000)  # a gust is the mean over three seconds (WMO-No. 8, 5.1.2)
_BINS = const(24)


class Counter:
    """One contact on a Pin; `key` names its total in NVS."""

    def __init__(self, pin, nvs, key, debounce_ms=10):
        self._pin, self._nvs, self._key = pin, nvs, key
        self._debounce_ms = debounce_ms
        self._stored = nvs.get(key, 0)
        self.total = self._stored
        self._last = ticks_ms()
        self._first = True
        self._bins = bytearray(_BINS)
        self._begun = None
        pin.irq(self._closed, Pin.IRQ_FALLING)

    def _closed(self, _):
        now = ticks_ms()
        if not self._first and ticks_diff(now, self._last) < self._debounce_ms:
            return
        self._first, self._last = False, now
        self.total += 1
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


def count_wake(pins, totals):
    """The chip has been woken by a contact: `totals[key] += 1` for each that is closed; waits until they open.

    `pins`: {key: Pin}. Keys whose contact stays closed: they may not wake the chip again until it opens.
    """
    closed = [key for key in pins if not pins[key].value()]
    for key in closed:
        totals[key] = totals.get(key, 0) + 1
    left = _RELEASE_MS
    while left > 0 and any(not pins[key].value() for key in closed):
        sleep_ms(5)
        left -= 5
    return [key for key in closed if not pins[key].value()]
