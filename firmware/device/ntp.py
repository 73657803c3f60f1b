"""The time from SNTP servers, and the chip's clock set by it where it stands at its beginning.

The rule: servers are asked in turn (the configured one, the router, the broker's host), each a bounded time. One that
sends a kiss of death is left alone, for hours if it says RATE, until the next loss of power otherwise. One that
contradicts our own clock by more than that can have run off needs a second opinion: another server that agrees with the
clock is believed instead. Whether the desk believes is its own matter; where it doubts, it is told again at the next
session. What may be believed at all is edge/sntp.py. MicroPython only.
"""

import os
import select
import socket
import time
from time import ticks_diff, ticks_ms

import machine
from micropython import const

from edge import sntp
from firmware.device.trouble import Trouble

_WAIT_MS = const(1500)
_TRIES = const(2)
_RATE_MS = const(14400000)  # RATE: four hours
_NEVER_MS = const(1 << 42)
_OFF_MS = const(2000)  # what our clock may be off besides what it runs off
_PLAUSIBLE_YEAR = const(2025)


class Ntp:
    """`servers`: host names. `kept`: {"silent": {host: until_ms}, "last": [utc_ms, at_ms], "doubted"}."""

    def __init__(self, servers, rtc_ppm, kept):
        self._servers = servers
        self._rtc_ppm = rtc_ppm
        self._silent = dict(kept.get("silent", {}))
        self._last = kept.get("last")
        self._doubted = kept.get("doubted", False)

    def to_dict(self):
        return {"silent": self._silent, "last": self._last, "doubted": self._doubted}

    def off_ms(self, now_ms):
        """How much the clock may have run off since it was set; None where it was not, or is in doubt."""
        if self._doubted:
            return None
        return self._ran_off_ms(now_ms)

    def _ran_off_ms(self, now_ms):
        if self._last is None or now_ms < self._last[1]:
            return None
        return (now_ms - self._last[1]) * self._rtc_ppm // 1000000

    def sync(self, desk, more=(), feed=None):
        """Tell the desk what time it is. Raises Trouble where nobody says."""
        reasons = []
        doubted = None
        for host in list(self._servers) + list(more):
            got = self._ask(host, desk, feed)
            if isinstance(got, sntp.Time):
                if not self._contradicts(got, desk.now_ms()):
                    return self._take(got, desk)
                doubted = doubted or got
            elif isinstance(got, sntp.Kiss):
                reasons.append("%s says %s" % (host, got.code))
            else:
                reasons.append("%s: %s" % (host, got.reason))
        if doubted is None:
            raise Trouble("clock", reasons[0] if reasons else "no server is known")  # of the one that is configured
        self._take(doubted, desk)

    def _contradicts(self, got, now_ms):
        off_ms = self._ran_off_ms(now_ms)
        if off_ms is None:
            return False
        ours_ms = self._last[0] + got.at_ms - self._last[1]
        return abs(got.utc_ms - ours_ms) > off_ms + got.uncertainty_s * 1000 + _OFF_MS

    def _take(self, got, desk):
        self._doubted = desk.synced(got.utc_ms, "ntp", got.uncertainty_s, got.at_ms) in ("doubted", "refused")
        if self._doubted:
            return
        _set_clock(got.utc_ms + desk.now_ms() - got.at_ms)
        now_ms = desk.now_ms()
        self._last = [got.utc_ms + now_ms - got.at_ms, now_ms]

    def _ask(self, host, desk, feed):
        if self._silent.get(host, 0) > desk.now_ms():
            return sntp.Useless("it wants no questions")
        for _ in range(_TRIES):
            got = _question(host, desk)
            if feed:
                feed()
            if isinstance(got, sntp.Kiss):
                self._silent[host] = desk.now_ms() + (_RATE_MS if got.code == "RATE" else _NEVER_MS)
            if not isinstance(got, sntp.Useless):
                break
        return got


def clock_is_set():
    """Whether the chip's own clock can be right: certificates are judged by it."""
    return time.gmtime(time.time())[0] >= _PLAUSIBLE_YEAR


def _set_clock(utc_ms):
    """The desk may have set it already; if not, it still stands where it began when power came."""
    if not clock_is_set():
        epoch = 0 if time.gmtime(0)[0] == 1970 else 946684800  # the ESP32 port counts from 2000
        year, month, day, hour, minute, second, weekday, _ = time.gmtime(utc_ms // 1000 - epoch)[:8]
        machine.RTC().datetime((year, month, day, weekday, hour, minute, second, utc_ms % 1000 * 1000))


def _question(host, desk):
    """One question; sntp.Time, sntp.Kiss or sntp.Useless."""
    one = None
    try:
        address = socket.getaddrinfo(host, sntp.PORT)[0][-1]
        one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        one.setblocking(False)
        cookie = os.urandom(8)
        poll = select.poll()
        poll.register(one, select.POLLIN)
        sent_ms, start = desk.now_ms(), ticks_ms()
        one.sendto(sntp.question(cookie), address)
        got = sntp.Useless("no answer")
        while not isinstance(got, (sntp.Time, sntp.Kiss)):
            left_ms = _WAIT_MS - ticks_diff(ticks_ms(), start)
            if left_ms <= 0 or not poll.poll(left_ms):
                break
            received_ms = sent_ms + ticks_diff(ticks_ms(), start)
            got = sntp.answer(one.recvfrom(128)[0], cookie, sent_ms, received_ms)
        return got
    except (OSError, IndexError) as error:
        return sntp.Useless(str(error))
    finally:
        if one is not None:
            one.close()
