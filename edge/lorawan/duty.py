"""Air time in the last hour, by sub-band: what a transmitter may still send. No clock: seconds are arguments.

The rule: kept in whole minutes, and a minute is forgotten only when it is over for an hour, so the figure is never too
kind. Both roles use it, the device for its uplinks, the network for each gateway's downlinks.
Specification: ERC Recommendation 70-03 annex 1, ETSI EN 300 220-2 V3.2.1 annex B (duty cycle in any hour).
"""

from edge.lorawan.eu868 import sub_band

HOUR_MIN = 60
HOUR_US = 3600 * 1000000


class DutyCycle:
    """One transmitter's use of the air."""

    def __init__(self):
        self._minutes = {}  # name of the sub-band -> [[minute, microseconds], …], the oldest first

    def used_us(self, band, now_s):
        """Microseconds on air in the last hour."""
        minutes = self._minutes.get(band.name)
        if not minutes:
            return 0
        oldest = int(now_s) // 60 - HOUR_MIN
        while minutes and minutes[0][0] < oldest:
            minutes.pop(0)
        return sum([used for _, used in minutes])

    def allows(self, frequency_hz, airtime_us, now_s):
        """Whether a frame may be sent now on a frequency."""
        return self.wait_s(frequency_hz, airtime_us, now_s) == 0

    def wait_s(self, frequency_hz, airtime_us, now_s):
        """Seconds until a frame of `airtime_us` may be sent; None where it never may."""
        band = sub_band(frequency_hz)
        limit_us = band.duty_permille * (HOUR_US // 1000) if band else -1
        if airtime_us > limit_us:
            return None
        over_us = self.used_us(band, now_s) + airtime_us - limit_us
        if over_us <= 0:
            return 0
        free = 0  # the minute whose end frees enough
        for minute, used_us in self._minutes[band.name]:
            if over_us > 0:
                free = minute
            over_us -= used_us
        return (free + HOUR_MIN + 1) * 60 - int(now_s)

    def sent(self, frequency_hz, airtime_us, now_s):
        """A frame goes out."""
        band = sub_band(frequency_hz)
        if band is None:
            return
        minutes = self._minutes.setdefault(band.name, [])
        minute = int(now_s) // 60
        if minutes and minutes[-1][0] >= minute:  # a clock that was set back adds to its newest minute
            minutes[-1][1] += airtime_us
        else:
            minutes.append([minute, airtime_us])

    def to_dict(self, most=HOUR_MIN + 1):
        """For storage: a reset device must not forget what it has sent.

        `most` minutes of each sub-band, where there is little room: the oldest count as if they had been later.
        """
        stored = {}
        for name, minutes in self._minutes.items():
            kept = [list(minute) for minute in minutes]
            while len(kept) > most:
                kept[1][1] += kept[0][1]
                kept.pop(0)
            stored[name] = kept
        return stored

    @classmethod
    def from_dict(cls, stored):
        """What `to_dict` gave."""
        duty = cls()
        duty._minutes = {name: [list(minute) for minute in minutes] for name, minutes in stored.items()}
        return duty
