"""Milliseconds since the device got power, sleeps included: the clock that everything else is counted on.

The rule: it only goes forward. Awake, the ticks of the crystal count, which nobody can set. Across a deep sleep the RTC
counts, and is believed only as far as it agrees with how long the device meant to sleep: an RTC that jumped is not
followed, and `doubt_ms` says how much the sleep may have been longer or shorter. No clock in here; `ticks` wrap, so
the port's `ticks_diff` is handed in.
"""

BOOT_MS = 5000  # from waking to the first look at the clocks, at most
RESET_MAX_MS = 600000  # what a reset that nobody planned may have taken


class Uptime:
    """`kept`: what `to_dict` gave before the sleep, {} after a loss of power; `timer`: it woke as it had planned."""

    def __init__(self, kept, ticks_ms, rtc_ms, timer, rtc_ppm, ticks_diff):
        self._diff = ticks_diff
        self._ticks = ticks_ms
        self._ms = 0
        self.doubt_ms = 0  # added by the sleep that has just ended
        self.jumped = False  # the RTC did not agree
        self.continues = bool(kept)
        if kept:
            self._after(kept, rtc_ms, timer, rtc_ppm)

    def _after(self, kept, rtc_ms, timer, rtc_ppm):
        slept, planned = rtc_ms - kept["rtc"], kept["planned"]
        off_ms = planned * rtc_ppm // 1000000 + 1000
        if timer and -off_ms <= slept - planned <= off_ms + BOOT_MS:
            pass
        elif timer:
            self.jumped = True
            slept = planned + BOOT_MS // 2
            self.doubt_ms = off_ms + BOOT_MS // 2
        elif not 0 <= slept <= planned + off_ms + (BOOT_MS if planned else RESET_MAX_MS):
            self.jumped = True
            most = planned + off_ms + (BOOT_MS if planned else RESET_MAX_MS)
            slept = self.doubt_ms = most // 2
        self._ms = kept["ms"] + slept

    def now_ms(self, ticks_ms):
        """At least once in six days, or the ticks have wrapped unseen."""
        self._ms += max(0, self._diff(ticks_ms, self._ticks))
        self._ticks = ticks_ms
        return self._ms

    def to_dict(self, ticks_ms, rtc_ms, planned_ms):
        """Before a sleep of `planned_ms`; 0 where the device stays awake and this is only for the case of a reset."""
        return {"ms": self.now_ms(ticks_ms), "rtc": rtc_ms, "planned": planned_ms}
