"""Sleep, reset, watchdog and RTC memory of the simulated chip, as the ESP32 port names them. MicroPython only.

Deep sleep ends the interpreter; simulators.board.host starts it again at the moment of waking. A watchdog that is
not fed in virtual time resets the chip.
"""

import binascii
import gc

from simulators.board import timeline

PWRON_RESET, HARD_RESET, WDT_RESET, DEEPSLEEP_RESET, SOFT_RESET = 1, 2, 3, 4, 5
PIN_WAKE, EXT0_WAKE, EXT1_WAKE, TIMER_WAKE, TOUCHPAD_WAKE, ULP_WAKE = 1, 2, 3, 4, 5, 6
RTC_MEMORY_MAX = 2048
_CAUSES = {
    "power": PWRON_RESET,
    "hard": HARD_RESET,
    "watchdog": WDT_RESET,
    "sleep": DEEPSLEEP_RESET,
    "soft": SOFT_RESET,
}
_WAKES = {"timer": TIMER_WAKE, "ext0": EXT0_WAKE, "ext1": EXT1_WAKE, "ulp": ULP_WAKE, "gpio": 7}
asleep = []  # called with (from_us, to_us) before a sleep's time passes; may return an earlier moment and a cause


def reset_cause():
    return _CAUSES[timeline.chip.get("reset", "power")]


def wake_reason():
    return _WAKES.get(timeline.chip.get("wake"), 0)


def _sleep_us(ms):
    """(how long the sleep lasts in true time, why it ends): the slow clock counts it."""
    us = int(ms) * 1000
    us -= us * timeline.chip.get("sleep_ppm", 0) // timeline.US
    wake = "timer"
    for what in asleep:
        ended = what(timeline.true_us, timeline.true_us + us)
        if ended:
            us, wake = ended[0] - timeline.true_us, ended[1]
    return us, wake


def deepsleep(ms=0):
    us, wake = _sleep_us(ms)
    if timeline.real:  # the host starts the chip again when it is time
        timeline.end("sleep", wake=wake, sleep_us=us)
    timeline.advance(us, True)
    timeline.end("sleep", wake=wake)


def lightsleep(ms=0):
    us, wake = _sleep_us(ms)
    timeline.advance(us, True)
    timeline.ticks_us += us + us * timeline.chip.get("sleep_ppm", 0) // timeline.US  # made up for at waking
    timeline.chip["wake"] = wake
    for dog in _dogs:
        dog.feed()  # the task watchdog stands still in light sleep


def reset():
    timeline.end("hard")


def soft_reset():
    timeline.end("soft")


def idle():
    gc.collect()
    timeline.advance(1000)


def unique_id():
    return binascii.unhexlify(timeline.chip.get("mac", "24ec4a000001"))


def freq(hz=None):
    return 80000000


_dogs = []


_TOLD_EVERY_US = 500000


class WDT:
    """Resets the chip when it is not fed in time; a new one sets the time anew. In real time the host watches, too:
    at a prompt nobody looks at a clock.
    """

    def __init__(self, id=0, timeout=5000):
        self._told_us = -_TOLD_EVERY_US
        if not _dogs:
            _dogs.append(self)
        _dogs[0]._set(timeout * 1000, len(_dogs) == 1 and _dogs[0] is self)

    def _set(self, timeout_us, first):
        self._timeout_us = timeout_us
        self._told_us = timeline.ticks_us - _TOLD_EVERY_US
        self.feed()
        if first:
            self._watch()

    def feed(self):
        dog, now = _dogs[0], timeline.ticks_us
        dog._fed_us = now
        if timeline.real and now - dog._told_us >= _TOLD_EVERY_US:
            dog._told_us = now
            with open(timeline.folder + "/watchdog", "w") as file:
                file.write(str(dog._timeout_us // 1000))

    def _watch(self):
        left_us = self._fed_us + self._timeout_us - timeline.ticks_us
        if left_us <= 0:
            timeline.end("watchdog")
        timeline.at(timeline.true_us + max(left_us, 1000), self._watch)


class RTC:
    """The real-time clock and the memory that lives as long as it has power."""

    def memory(self, data=None):
        if data is None:
            return binascii.unhexlify(timeline.chip.get("rtc_memory", ""))
        if len(data) > RTC_MEMORY_MAX:
            raise ValueError("buffer too long")
        timeline.chip["rtc_memory"] = binascii.hexlify(bytes(data)).decode()

    def datetime(self, new=None):
        if new is not None:
            year, month, day, _, hour, minute, second, us = new
            seconds = _days(year, month, day) * 86400 + hour * 3600 + minute * 60 + second
            timeline.set_rtc(seconds * timeline.US + us)
            return None
        import utime

        year, month, day, hour, minute, second, weekday, _ = utime.gmtime(timeline.rtc_us() // timeline.US)[:8]
        return year, month, day, weekday, hour, minute, second, timeline.rtc_us() % timeline.US


def _days(year, month, day):
    """Days since 1970 in the Gregorian calendar; March is its first month, so that a leap day is the last of a year."""
    year -= month < 3
    of_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    return year * 365 + year // 4 - year // 100 + year // 400 + of_year - 719468
