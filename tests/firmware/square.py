"""A contact for tests: regular, with a gust. MicroPython."""


class Square:
    """A contact that closes in every period for a while; in a gust, from one moment to another, ten times as often."""

    def __init__(self, period_us, closed_us, gust=(0, 0)):
        self._period, self._closed, self._gust = period_us, closed_us, gust

    def _at(self, us):
        tenth = 10 if self._gust[0] <= us < self._gust[1] else 1
        return self._period // tenth, self._closed // tenth

    def level(self, us):
        period, closed = self._at(us)
        return 0 if us % period < closed else 1

    def next_edge(self, us):
        period, closed = self._at(us)
        into = us % period
        change = us - into + (closed if into < closed else period)
        return min([change] + [moment for moment in self._gust if moment > us])
