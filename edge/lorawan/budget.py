"""What a device may still send: the law's duty cycle, what the network asks for, and fair use. No clock in here.

The rule: never too kind. An hour is counted in whole minutes (`duty`), a day in parts of three hours; and what the
flash holds (`promise`) is at all times at least what has been sent, so that after a loss of power, when nobody knows
how long ago that was, all of it counts as sent just now. Live readings go before the backlog, which leaves their share
alone.
Seconds are of a clock that goes forward and starts anew when the power was lost.
"""

import struct

from edge.lorawan.duty import DutyCycle
from edge.lorawan.eu868 import SUB_BANDS, sub_band

LIVE, BACKLOG, JOIN = 0, 1, 2  # lanes
PART_S = 3 * 3600  # what a day is counted in
PARTS = 8
PROMISE_US = 1000000  # so much may be sent in a sub-band before the flash is written again; of a day, an eighth
MINUTES_KEPT = 6  # of each sub-band, in the little memory that outlives a deep sleep
_PROMISE = "<%dI" % (len(SUB_BANDS) + 1)


class Budget:
    """`fair_use_us`: on air in a day, 0 without a limit; `ppm`: how fast the clock may run that counts the hours.

    `live_us`: what live readings need in an hour, for whoever sends others.
    """

    def __init__(self, fair_use_us=0, ppm=0, stored=None):
        stored = stored or {}
        self.fair_use_us, self.live_us, self._ppm = fair_use_us, 0, ppm
        self._duty = DutyCycle.from_dict(stored.get("duty", {}))
        self._parts = [list(part) for part in stored.get("day", ())]  # [part, µs live, µs backlog], the oldest first
        self._quiet_s = stored.get("quiet", 0)  # until then the network wants silence (DutyCycleReq)
        self._promised = [0] * (len(SUB_BANDS) + 1)  # µs by sub-band, then of the day; what the flash holds
        self._promised_s = 0

    def to_dict(self):
        """For the memory that outlives a deep sleep."""
        return {"duty": self._duty.to_dict(MINUTES_KEPT), "day": self._parts, "quiet": self._quiet_s}

    def after_power_loss(self, promise, now_s):
        """All that may have been sent counts as sent now. `promise`: what was stored, b"" before the first."""
        for n, us in enumerate(self._read(promise)[:-1]):
            if us:
                self._duty.sent(SUB_BANDS[n].low_hz, us, now_s)
        self._count(self._promised[-1], now_s, LIVE)

    def going_on(self, promise):
        """As before a deep sleep: `promise` is what the flash holds."""
        self._read(promise)

    def wait_s(self, frequency_hz, airtime_us, now_s, lane=LIVE):
        """Seconds until a frame may be sent, None where it never may; 0: now."""
        wait_s = self._duty.wait_s(frequency_hz, airtime_us + self._reserve_us(lane), now_s)
        if wait_s is None:
            return None
        if now_s < self._quiet_s:
            wait_s = max(wait_s, int(self._quiet_s - now_s) + 1)
        return max(wait_s, self._fair_wait_s(airtime_us, now_s, lane))

    def sent(self, frequency_hz, airtime_us, now_s, lane=LIVE, max_duty_cycle=0):
        """A frame goes out. `max_duty_cycle`: the network's, 1 / 2**n of all bands together."""
        airtime_us += airtime_us * self._ppm // 1000000
        self._duty.sent(frequency_hz, airtime_us, now_s)
        self._count(airtime_us, now_s, lane)
        if max_duty_cycle:
            self._quiet_s = now_s + airtime_us * (1 << max_duty_cycle) // 1000000 + 1

    def promise(self, frequency_hz, airtime_us, now_s):
        """What has to be stored before this frame is sent (bytes), b"" where the flash holds enough."""
        sums = [self._duty.used_us(band, now_s) for band in SUB_BANDS]
        band = sub_band(frequency_hz)
        if band is not None:
            sums[SUB_BANDS.index(band)] += airtime_us
        sums.append(sum(self._day(now_s)) + airtime_us if self.fair_use_us else 0)
        more = [PROMISE_US] * len(SUB_BANDS) + [self.fair_use_us // 8]
        short = far = False
        for n, us in enumerate(sums):
            short = short or us > self._promised[n]
            far = far or self._promised[n] > us + 4 * more[n]
        if not short and not (far and now_s - self._promised_s > 3600):
            return b""
        self._promised = [us + more[n] if us else 0 for n, us in enumerate(sums)]
        self._promised_s = now_s
        return struct.pack(_PROMISE, *self._promised)

    def _read(self, promise):
        if len(promise) == struct.calcsize(_PROMISE):
            self._promised = list(struct.unpack(_PROMISE, promise))
        return self._promised

    def _reserve_us(self, lane):
        return self.live_us if lane == BACKLOG else 0

    def _day(self, now_s):
        """[µs live, µs backlog] of the last day."""
        oldest = int(now_s) // PART_S - PARTS
        while self._parts and self._parts[0][0] < oldest:
            self._parts.pop(0)
        return [sum([part[1] for part in self._parts]), sum([part[2] for part in self._parts])]

    def _count(self, airtime_us, now_s, lane):
        part = int(now_s) // PART_S
        if not self._parts or self._parts[-1][0] < part:
            self._parts.append([part, 0, 0])
        self._parts[-1][2 if lane == BACKLOG else 1] += airtime_us

    def _fair_wait_s(self, airtime_us, now_s, lane):
        """A join is counted and never waits: without it nothing goes."""
        if not self.fair_use_us or lane == JOIN:
            return 0
        live_us, backlog_us = self._day(now_s)
        if lane == BACKLOG:
            live_us = max(live_us, 24 * self.live_us)
        if live_us + backlog_us + airtime_us <= self.fair_use_us:
            return 0
        first = self._parts[0][0] if self._parts else int(now_s) // PART_S
        return (first + PARTS + 1) * PART_S - int(now_s)
