"""Reed contacts: a tipping bucket and an anemometer. A source of edges for pins.attach.

A contact pulls its pin low while it is closed; it may bounce when it closes and when it opens. `train` counts the
pulses since its beginning: `next_after(us)` and `last_until(us)` are moments, None where there is none.
"""

from simulators.board import part

_BOUNCE_US = 400


class Contact(part.Part):
    def __init__(self, train, faults=None, kept=None, closed_us=100000, bounces=0):
        super().__init__(None, faults, kept)
        self._train, self._closed_us, self._bounces = train, closed_us, bounces

    def _fault_at(self, us):
        """Closed for good, open for good, or None."""
        for name, level in (("held_low", 0), ("missing", 1), ("stuck", 1)):
            span = self.faults.get(name)
            if span and span[0] <= us < span[1]:
                return level
        return None

    def _edges(self, pulse_us):
        """Moments at which the level changes, the first one to low."""
        following = self._train.next_after(pulse_us)
        closed_us = self._closed_us
        if following is not None:
            closed_us = min(closed_us, (following - pulse_us) // 2)
        edges = [pulse_us + i * _BOUNCE_US for i in range(2 * self._bounces + 1)]
        opens_us = max(pulse_us + closed_us, edges[-1] + _BOUNCE_US)
        return edges + [opens_us + i * _BOUNCE_US for i in range(2 * self._bounces + 1)]

    def level(self, us):
        fixed = self._fault_at(us)
        if fixed is not None:
            return fixed
        pulse_us = self._train.last_until(us)
        if pulse_us is None:
            return 1
        passed = sum([1 for edge in self._edges(pulse_us) if edge <= us])
        return 1 - (passed & 1)

    def next_edge(self, us):
        """The first moment after `us` at which the level may change; faults begin and end, too."""
        found = [moment for span in self.faults.values() for moment in span if moment > us]
        for pulse_us in (self._train.last_until(us), self._train.next_after(us)):
            if pulse_us is not None:
                found += [edge for edge in self._edges(pulse_us) if edge > us]
        return min(found) if found else None
