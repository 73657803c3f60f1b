"""Honest time: from uptime to UTC, with where it comes from and how far off it may be. Pure.

The rule: a time without a bound is no time. Within a life between two losses of power ("boot") uptime goes on, so that
one synchronisation tells the time of every reading of that boot, also of those before it. A boot that never was
synchronised lies between the last time that was known before it and the first that was known after it: its readings
get the middle and half the width. A source that contradicts the running clock is believed when it says so twice.
"""

RTC_AFTER_MS = 1000  # a source's name is given up when the clock may have run off by more
MARGIN_MS = 1000
BOOTS_MAX = 12
EARLIEST_MS = 1735689600000  # 2025: where the wire format begins
LATEST_MS = 3881174400000 - 1
FIRST, AGREES, CORRECTED, DOUBTED, REFUSED = "first", "agrees", "corrected", "doubted", "refused"


class Boot:
    """One life between two losses of power. Milliseconds; `zero`: UTC at uptime 0, None before the first sync."""

    def __init__(self, number, low=None, zero=None, unc=0, at=0, last=0, source="none"):
        self.number, self.low, self.zero, self.unc, self.at = number, low, zero, unc, at
        self.last, self.source = last, source

    def to_list(self):
        return [self.number, self.low, self.zero, self.unc, self.at, self.last, self.source]


class Clock:
    """`ppm`: how far off the clock that counts uptime may be. `boots`: what `boots_list` gave."""

    def __init__(self, number, ppm, boots=(), kept=None):
        self._ppm = ppm
        self.boots = [Boot(*one) for one in boots]
        self._sync: list = []  # [zero, source, unc, at] of the newest sync of this boot
        self._doubt = 0
        self._second = None  # what a source said that contradicted
        if kept:
            self._sync, self._doubt, self._second = kept["sync"] or [], kept["doubt"], kept["second"]
        if not self.boots or self.boots[-1].number != number:
            self._power_up(number)
        self.boot = self.boots[-1]

    def _power_up(self, number):
        low = None
        if self.boots:
            before = self.boots[-1]
            if before.zero is not None:
                low = before.zero + before.last - before.unc - self._off(abs(before.last - before.at))
            elif before.low is not None:
                low = before.low + before.last - self._off(before.last)
        self.boots.append(Boot(number, low))
        while len(self.boots) > BOOTS_MAX:  # what is forgotten in the middle only widens a bound
            del self.boots[1 if self.boots[0].zero is not None else 0]

    def boots_list(self):
        """For flash: when a boot begins, and when it is synchronised first."""
        return [one.to_list() for one in self.boots]

    def to_dict(self):
        """For the RTC's memory."""
        return {"sync": self._sync, "doubt": self._doubt, "second": self._second}

    def seen(self, boot, uptime_ms):
        """The outbox holds a reading of this boot: it lasted at least so long."""
        for one in self.boots:
            if one.number == boot:
                one.last = max(one.last, uptime_ms)

    def doubt(self, ms):
        """Uptime itself may be off by so much more."""
        self._doubt += ms

    def sync(self, utc_ms, source, unc_ms, at_ms):
        """A source says that it was `utc_ms` at uptime `at_ms`, at most `unc_ms` off; one of the words above."""
        floor = self.boot.low
        if not EARLIEST_MS <= utc_ms <= LATEST_MS or (floor is not None and utc_ms + unc_ms < floor):
            return REFUSED
        zero = utc_ms - at_ms
        what = FIRST
        if self._sync:
            off = abs(zero - self._sync[0])
            what = AGREES
            if off > self._unc_at(at_ms) + unc_ms + MARGIN_MS:
                again = self._second is not None and abs(zero - self._second[0]) <= (
                    self._second[1] + unc_ms + MARGIN_MS + self._off(at_ms - self._second[2])
                )
                if not again:
                    self._second = [zero, unc_ms, at_ms, off]
                    return DOUBTED
                what = CORRECTED
        self._second = None
        self._sync = [zero, source, unc_ms, at_ms]
        self._doubt = 0
        if what in (FIRST, CORRECTED):
            boot = self.boot
            boot.zero, boot.unc, boot.at, boot.source = zero, unc_ms, at_ms, source
        return what

    def stamp(self, at_ms):
        """`(utc_ms, source, uncertainty_ms)` of a moment of this boot, at or after the newest sync; None without."""
        if not self._sync:
            return None
        unc = self._unc_at(at_ms)
        if self._second is not None:  # either may be right: the bound holds both
            unc = max(unc, self._second[3] + self._second[1])
        source = self._sync[1] if unc - self._sync[2] <= RTC_AFTER_MS else "rtc"
        return self._sync[0] + at_ms, source, unc

    def resolve(self, number, uptime_ms):
        """The same for a moment of any boot, as far as it can be told now; None where nothing bounds it."""
        for i, boot in enumerate(self.boots):
            if boot.number == number:
                if boot.zero is not None:
                    unc = boot.unc + self._off(abs(uptime_ms - boot.at))
                    source = boot.source if unc - boot.unc <= RTC_AFTER_MS else "rtc"
                    return boot.zero + uptime_ms, source, unc
                return self._between(i, boot, uptime_ms)
        return None

    def _between(self, i, boot, uptime_ms):
        high = None
        for later in self.boots[i + 1 :]:
            if later.zero is not None:
                rest = max(0, boot.last - uptime_ms)
                high = later.zero + later.unc + self._off(later.at) - rest + self._off(rest)
                break
        if high is None or boot.low is None:
            return None
        low = boot.low + uptime_ms - self._off(uptime_ms)
        if high < low:
            return None
        return (low + high) // 2, "device", (high - low) // 2 + 1

    def _unc_at(self, at_ms):
        return self._sync[2] + self._doubt + self._off(abs(at_ms - self._sync[3]))

    def _off(self, ms):
        return ms * self._ppm // 1000000 + (1 if ms else 0)
