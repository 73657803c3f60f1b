"""`time` of the simulated chip: virtual, see simulators.board.timeline. Epoch 1970, as on the Unix port."""

import utime
from utime import mktime

from simulators.board import timeline

_PERIOD = 1 << 30  # as the ESP32 port counts: a wrap every 12 days, or every 18 minutes of ticks_us


def gmtime(seconds=None):
    return utime.gmtime(time() if seconds is None else seconds)


def localtime(seconds=None):
    """An ESP32 knows no time zone."""
    return gmtime(seconds)


def ticks_add(ticks, delta):
    return (ticks + delta) % _PERIOD


def ticks_diff(later, earlier):
    half = _PERIOD // 2
    return (later - earlier + half) % _PERIOD - half


def ticks_us():
    timeline.look()
    return timeline.ticks_us % _PERIOD


def ticks_ms():
    timeline.look()
    return timeline.ticks_us // 1000 % _PERIOD


def ticks_cpu():
    return ticks_us()


def time():
    timeline.look()
    return timeline.rtc_us() // 1000000


def time_ns():
    timeline.look()
    return timeline.rtc_us() * 1000


def sleep_us(us):
    timeline.advance_ticks(max(0, us))


def sleep_ms(ms):
    timeline.advance_ticks(max(0, ms) * 1000)


def sleep(seconds):
    timeline.advance_ticks(max(0, int(seconds * 1000000)))
