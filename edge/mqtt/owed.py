"""What a session sent and the cloud has not acknowledged yet, so that it knows when it need not listen any longer.

The rule: it may forget (more than `RANGES_MAX` ranges are not followed), for nothing depends on it but how long a
session listens; what is stored for good only the outbox decides. Runs on MicroPython and CPython.
"""

RANGES_MAX = 32


class Owed:
    """Ranges [generation, first, last] that do not overlap."""

    def __init__(self):
        self._ranges: list = []

    def __len__(self):
        return len(self._ranges)

    def add(self, generation, seq):
        """One reading was captured; they come newest first, mostly."""
        for one in self._ranges:
            if one[0] == generation and one[1] - 1 <= seq <= one[2] + 1:
                one[1], one[2] = min(one[1], seq), max(one[2], seq)
                return
        if len(self._ranges) < RANGES_MAX:
            self._ranges.append([generation, seq, seq])

    def stored(self, ranges):
        """The cloud has these."""
        for generation, first, last in ranges:
            left: list = []
            for one in self._ranges:
                if one[0] != generation or last < one[1] or first > one[2]:
                    left.append(one)
                    continue
                if one[1] < first:
                    left.append([generation, one[1], first - 1])
                if last < one[2]:
                    left.append([generation, last + 1, one[2]])
            self._ranges = left[:RANGES_MAX]
