"""Sets of sequence numbers as few ranges, small enough for a microcontroller.

The rule: a set that is asked to remember more than `most` ranges forgets its lowest ones; what it says is stored was
stored, so forgetting costs a repetition and never a reading. Both ends of a range are included.
"""


class Ranges:
    """Disjoint ranges, ascending: `[first, last, first, last, …]`."""

    def __init__(self, flat=(), most=64):
        self.flat = list(flat)
        self._most = most

    def __contains__(self, number):
        flat = self.flat
        for i in range(len(flat) - 2, -1, -2):
            if number >= flat[i]:
                return number <= flat[i + 1]
        return False

    def add(self, first, last):
        """Take first..last in; whether anything of it is new."""
        flat, out = self.flat, []
        low, high, i = first, last, 0
        while i < len(flat) and flat[i + 1] < first - 1:
            out += flat[i : i + 2]
            i += 2
        if i < len(flat) and flat[i] <= first and last <= flat[i + 1]:
            return False
        while i < len(flat) and flat[i] <= last + 1:
            low, high = min(low, flat[i]), max(high, flat[i + 1])
            i += 2
        self.flat = (out + [low, high] + flat[i:])[-2 * self._most :]
        return True

    def remove(self, first, last):
        """Take first..last out; whether anything of it was in."""
        out = []
        flat = self.flat
        for i in range(0, len(flat), 2):
            low, high = flat[i], flat[i + 1]
            if high < first or low > last:
                out += [low, high]
                continue
            if low < first:
                out += [low, first - 1]
            if high > last:
                out += [last + 1, high]
        changed = out != flat
        self.flat = out[-2 * self._most :]
        return changed

    def within(self, first, last):
        """How many of first..last are in."""
        flat, n = self.flat, 0
        for i in range(0, len(flat), 2):
            n += max(0, min(last, flat[i + 1]) - max(first, flat[i]) + 1)
        return n

    def last(self):
        """The highest number in, or -1."""
        return self.flat[-1] if self.flat else -1
