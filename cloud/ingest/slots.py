"""One place in time for each reading of a device. Pure.

The store's key is (station, device, time), so two readings of one device in the same millisecond would become one.
It happens: readings without a time arrive together from a broker's queue, and some clocks count whole seconds.
The second one moves on by a millisecond. Remembered are the last REMEMBERED places of a device.
"""

from collections import OrderedDict
from collections.abc import Hashable

REMEMBERED = 32


class Slots:
    """Who stands where in time."""

    def __init__(self) -> None:
        self._taken: dict[str, OrderedDict[int, Hashable]] = {}

    def claim(self, device: str, time_ms: int, owner: Hashable) -> int:
        """The place of a reading: its time, or the next free millisecond. The same owner keeps its place."""
        taken = self._taken.setdefault(device, OrderedDict())
        while taken.get(time_ms, owner) != owner:
            time_ms += 1
        taken[time_ms] = owner
        taken.move_to_end(time_ms)
        while len(taken) > REMEMBERED:
            taken.popitem(last=False)
        return time_ms

    def release(self, device: str, time_ms: int, owner: Hashable) -> bool:
        """Give a place up; False when it belongs to somebody else, who must not be disturbed."""
        taken = self._taken.get(device, OrderedDict())
        if taken.get(time_ms, owner) != owner:
            return False
        taken.pop(time_ms, None)
        return True
