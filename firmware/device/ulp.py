"""Contacts that the ULP counts, awake or asleep, on an ESP32 and an ESP32-S3. MicroPython only.

The program stays loaded through deep sleep and resets; its memory and its clock do too. Only where another program or
rubbish is found is it loaded, with the totals that NVS has: a loss of power costs the pulses since the last reading.
The internal pull-ups are on, and `wake_on_ulp` keeps their domain powered in deep sleep (the program never wakes the
chip); a pull-up of 10 kΩ at the pin is the safe way, and belongs to long cables anyway. Pads and registers:
rtc_io_reg.h and sens_reg.h of ESP-IDF. Seen in the simulator only, not yet on a chip.
"""

import time

import esp32
from machine import PWRON_RESET, mem32, reset_cause
from micropython import const

from edge.ulp import layout
from firmware.device.loaded import Loaded

_MEMORY = const(0x50000000)
_LOAD = const(0)
_S3_CLOCK = const(0x60008904)  # SENS_SAR_PERI_CLK_GATE_CONF_REG, IOMUX_CLK_EN is bit 31
_RTC_IO = {"esp32": const(0x3FF48400), "esp32s3": const(0x60008400)}
# Touch pads of the ESP32: GPIO -> channel; each has a register of its own. 32 and 33 share that of the crystal.
_TOUCH = {4: 10, 13: 14, 14: 16, 27: 17}


class Refused(ValueError):
    """These contacts cannot be counted by the ULP."""


def pad(chip, gpio):
    """(bit in RTC_GPIO_IN, offset of the pad's register, bits of: RTC, input, pull-up, pull-down). Raises Refused."""
    if chip == "esp32" and gpio in (32, 33):
        return (23, 0x8C, 17, 5, 22, 23) if gpio == 32 else (22, 0x8C, 18, 11, 27, 28)
    if chip == "esp32" and gpio in _TOUCH:
        channel = _TOUCH[gpio]
        return 14 + channel, 0x94 + 4 * (channel - 10), 19, 13, 27, 28
    if chip == "esp32s3" and (0 <= gpio <= 14 or gpio == 21):
        return 10 + gpio, 0xD8 if gpio == 21 else 0x84 + 4 * gpio, 19, 13, 27, 28
    raise Refused("GPIO%d of an %s is no pad of the ULP" % (gpio, chip))


def counters(chip, contacts, nvs):
    """{name: UlpCounter} of `[(name, Pin, GPIO, debounce_ms)]`. Raises Refused."""
    if not 1 <= len(contacts) <= layout.CONTACTS_MAX:
        raise Refused("the ULP counts 1 to %d contacts" % layout.CONTACTS_MAX)
    pads = [pad(chip, gpio) for _, _, gpio, _ in contacts]
    plan = [layout.Contact(pads[i][0], layout.looks(contacts[i][3])) for i in range(len(contacts))]
    check = layout.check(chip, plan)
    found = _read(layout.CHECK) == check and _read(layout.CHECK_INVERTED) == check ^ 0xFFFF
    if reset_cause() == PWRON_RESET or not found:
        _begin(chip, contacts, pads, plan, nvs)
    elif not _is_running():
        _take(chip, pads)
        _run(len(plan))
    esp32.wake_on_ulp(True)
    return {contacts[i][0]: UlpCounter(i, nvs, "p_" + contacts[i][0]) for i in range(len(contacts))}


def _begin(chip, contacts, pads, plan, nvs):
    totals = [nvs.get("p_" + name, 0) for name, _, _, _ in contacts]
    levels = [pin.value() for _, pin, _, _ in contacts]
    _take(chip, pads)
    with Loaded("edge.ulp.counting") as counting:
        binary = counting.program(chip, plan, totals, levels)
    ulp = esp32.ULP()
    ulp.set_wakeup_period(0, layout.PERIOD_MS * 1000)
    ulp.load_binary(_LOAD, binary)
    for i in range(len(plan)):
        UlpCounter(i, nvs, "").mark()
    _run(len(plan))


def _take(chip, pads):
    """Give the pads to the RTC, with input and pull-up."""
    if chip == "esp32s3":
        mem32[_S3_CLOCK] = mem32[_S3_CLOCK] | 1 << 31
    for _, offset, rtc, inputs, up, down in pads:
        at = _RTC_IO[chip] + offset
        mem32[at] = (mem32[at] | 1 << rtc | 1 << inputs | 1 << up) & ~(1 << down)


def _run(contacts):
    esp32.ULP().run(_LOAD + 4 * layout.size(contacts))


def _is_running():
    before = _read(layout.TICK)
    time.sleep_ms(4 * layout.PERIOD_MS)
    return _read(layout.TICK) != before


def _read(at):
    return mem32[_MEMORY + 4 * at] & 0xFFFF


def _write(at, value):
    mem32[_MEMORY + 4 * at] = value & 0xFFFF


class UlpCounter:
    """One contact; as firmware.device.pulses.Counter, but what it counts goes on through deep sleep."""

    def __init__(self, index, nvs, key):
        self._index, self._nvs, self._key = index, nvs, key

    def _get(self, name):
        return _read(layout.field(self._index, name))

    def _set(self, name, value):
        _write(layout.field(self._index, name), value)

    @property
    def total(self):
        """The running total."""
        while True:
            high = self._get(layout.HIGH)
            total = high << 16 | self._get(layout.LOW)
            if self._get(layout.HIGH) == high:  # it was not carried in between; that happens once in 65,536 pulses
                return total

    def store(self):
        """The total into NVS, where it has changed."""
        total = self.total
        if total != self._nvs.get(self._key, 0):
            self._nvs.set(self._key, total)

    def mark(self):
        """From here on the next `end` counts."""
        total, now = self.total, _now_ms()
        for name, value in (
            (layout.MARK_LOW, total), (layout.MARK_HIGH, total >> 16), (layout.MARK_MS_LOW, now),
            (layout.MARK_MS_HIGH, now >> 16), (layout.MARK_TICK, _read(layout.TICK)),
            (layout.MARK_WINDOWS, _read(layout.WINDOWS)), (layout.MOST, 0),
        ):  # fmt: skip
            self._set(name, value)

    def begin(self):
        """For how many ms it has been counted since `end`."""
        return self._elapsed_ms()[0]

    def end(self):
        """(pulses, ms, most pulses in three seconds) since `end` was called last, sleep included."""
        ms, counted_ms = self._elapsed_ms()
        pulses = self.total - (self._get(layout.MARK_HIGH) << 16 | self._get(layout.MARK_LOW)) & 0xFFFFFFFF
        most = (
            self._get(layout.MOST) * counted_ms / ms if ms else 0
        )  # its windows are a little longer than three seconds
        self.mark()
        return pulses, ms, most

    def _elapsed_ms(self):
        """(by the RTC, by the ULP's looks): a look comes on top of its period, and the RTC may have been set."""
        windows = _read(layout.WINDOWS) - self._get(layout.MARK_WINDOWS) & 0xFFFF
        counted = (windows * layout.WINDOW_TICKS + _read(layout.TICK) - self._get(layout.MARK_TICK)) * layout.PERIOD_MS
        ms = _now_ms() - (self._get(layout.MARK_MS_HIGH) << 16 | self._get(layout.MARK_MS_LOW)) & 0xFFFFFFFF
        return (ms, counted) if counted <= ms + 10 and ms <= counted * 5 // 4 + 10 else (counted, counted)


def _now_ms():
    return time.time_ns() // 1000000 & 0xFFFFFFFF
