"""When to try again: times that double, and half of each is chance, so that a city's stations do not come at once.

The rule: the longer a broker is away, the less often it is asked, down to every half an hour; one that refuses us
(wrong password, wrong certificate) needs a person, and is asked down to every six hours. State is three numbers that
survive a sleep. Runs on MicroPython and CPython; chance is an argument.
"""

_MIN_MS = 1000
_FIRST_MS, _LONGEST_MS = 20000, 1800000  # between sessions: half an hour at most
_FIRST_REFUSED_MS, _LONGEST_REFUSED_MS = 900000, 21600000  # a quarter of an hour to six hours
_DOUBLINGS_MAX = 16
LOST, REFUSED = "lost", "refused"


def delay_ms(failures, chance, first_ms=_MIN_MS, longest_ms=_LONGEST_MS):
    """After so many failures (1 and more) in a row; `chance` is from 0 up to, not including, 1."""
    whole_ms = min(longest_ms, first_ms << min(failures - 1, _DOUBLINGS_MAX))
    return whole_ms // 2 + int(chance * (whole_ms - whole_ms // 2))


class Patience:
    """How long sessions wait for one another while they fail. Times are on a clock that goes on through sleep."""

    def __init__(self, stored=None):
        stored = stored or {}
        self.failures = stored.get("failures", 0)
        self.refused = stored.get("refused", 0)
        self.until_ms = stored.get("until_ms", 0)

    def to_dict(self):
        return {"failures": self.failures, "refused": self.refused, "until_ms": self.until_ms}

    def may_try(self, now_ms):
        """A wait that lies further ahead than any may be is of another clock, and void."""
        return now_ms >= self.until_ms or self.until_ms - now_ms > _LONGEST_REFUSED_MS

    def succeeded(self):
        self.failures = self.refused = self.until_ms = 0

    def failed(self, why, now_ms, chance):
        """`why`: LOST or REFUSED."""
        if why == REFUSED:
            self.refused += 1
            self.until_ms = now_ms + delay_ms(self.refused, chance, _FIRST_REFUSED_MS, _LONGEST_REFUSED_MS)
        else:
            self.failures += 1
            self.until_ms = now_ms + delay_ms(self.failures, chance, _FIRST_MS, _LONGEST_MS)
