"""The time from SNTP servers, and the chip's clock set by it where it is far off.

The rule: servers are asked in turn (the configured one, the router, the broker's host), each a bounded time; one that
sends a kiss of death is left alone, for hours if it says RATE, until the next loss of power otherwise. How good the
answer is comes along with it. What may be believed is edge/sntp.py. MicroPython only.
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
_PLAUSIBLE_YEAR = const(2025)


class Ntp:
    """`servers`: host names. `kept`: {host: until when on the desk's clock it is left alone}."""

    def __init__(self, servers, kept):
        self.servers = servers
        self._silent = dict(kept)

    def to_dict(self):
        return self._silent

    def sync(self, desk, extra=(), feed=None):
        """Tell the desk what time it is. Raises Trouble when no server says so."""
        reasons = []
        for host in list(self.servers) + list(extra):
            if self._silent.get(host, 0) > desk.now_ms():
                reasons.append("%s wants no questions" % host)
                continue
            for _ in range(_TRIES):
                got = _ask(host, desk)
                if feed:
                    feed()
                if isinstance(got, sntp.Time):
                    desk.synced(got.utc_ms, "ntp", got.uncertainty_s, got.at_ms)
                    _set_clock(got.utc_ms + desk.now_ms() - got.at_ms)
                    return got
                if isinstance(got, sntp.Kiss):
                    reasons.append("%s says %s" % (host, got.code))
                    self._silent[host] = desk.now_ms() + (_RATE_MS if got.code == "RATE" else _NEVER_MS)
                    break
            else:
                reasons.append("%s: %s" % (host, got.reason))
        raise Trouble("clock", reasons[0] if reasons else "no server is known")  # of the one that is configured


def clock_is_set():
    """Whether the chip's own clock can be right: certificates are judged by it."""
    return time.gmtime(time.time())[0] >= _PLAUSIBLE_YEAR


def _set_clock(utc_ms):
    """The desk may have set it already; if not, it still stands where it began when power came."""
    if not clock_is_set():
        epoch = 0 if time.gmtime(0)[0] == 1970 else 946684800  # the ESP32 port counts from 2000
        year, month, day, hour, minute, second, weekday, _ = time.gmtime(utc_ms // 1000 - epoch)[:8]
        machine.RTC().datetime((year, month, day, weekday, hour, minute, second, utc_ms % 1000 * 1000))


def _ask(host, desk):
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
