"""`select` of the simulated chip: real descriptors, virtual waiting.

A peer on a real socket answers in real time, so before virtual time leaps the descriptors get a moment of it.
"""

import os

import uselect
from uselect import POLLERR, POLLHUP, POLLIN, POLLOUT

from simulators.board import timeline

_SLICE_MS = 50
GRACE_MS = int(os.getenv("KLIMANETZ_BOARD_GRACE_MS") or 5)


class _Poll:
    def __init__(self):
        self._real = uselect.poll()
        self._known = 0

    def register(self, thing, events=POLLIN | POLLOUT):
        self._real.register(thing, events)
        self._known += 1

    def unregister(self, thing):
        self._real.unregister(thing)
        self._known -= 1

    def modify(self, thing, events):
        self._real.modify(thing, events)

    def poll(self, timeout=-1, flags=0):
        return [tuple(one) for one in self.ipoll(timeout, flags)]

    def ipoll(self, timeout=-1, flags=0):
        if timeline.real:
            return self._wait(timeout)
        ready = self._real.poll(0)
        if not ready and self._known and timeout:
            ready = self._real.poll(GRACE_MS if timeout < 0 else min(timeout, GRACE_MS))
        if not ready and timeout < 0:
            ready = self._real.poll(-1)
        if not ready and timeout > 0:
            timeline.advance_ticks(timeout * 1000)
            ready = self._real.poll(0)
        return ready

    def _wait(self, timeout):
        """In real time, in slices: what is due meanwhile happens."""
        until_us = timeline.true_us + timeout * 1000
        while True:
            left_ms = _SLICE_MS if timeout < 0 else min(_SLICE_MS, (until_us - timeline.true_us + 999) // 1000)
            ready = self._real.poll(max(0, left_ms))
            timeline.look()
            if ready or (timeout >= 0 and timeline.true_us >= until_us):
                return ready


def poll():
    return _Poll()
