"""Sort decoded readings by what the ledger knows of them: new, duplicate, or the same with a better time. Pure.

The rule of identity: (device, generation, seq) is one reading for ever. The same one again is a duplicate; the same
one with a better time replaces the old. A reading without `seq`, or a further one of a foreign frame (`index`), is
identified by device and time, which the store itself keeps single.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from cloud.intervals import Intervals
from cloud.ledger import Identity, Provisional, Stream
from schemas.models import Reading, TimeSource

# A lower rank is a better time. Settled sources are never improved on.
RANKS = {
    TimeSource.GPS: 0,
    TimeSource.LORAWAN: 1,
    TimeSource.NTP: 2,
    TimeSource.NETWORK: 3,
    TimeSource.RTC: 4,
    TimeSource.DEVICE: 5,
    TimeSource.RECEIVER: 6,
}
SETTLED = RANKS[TimeSource.NETWORK]


@dataclass(slots=True)
class Sorted:
    """A batch's readings, each in one place."""

    new: list[Reading] = field(default_factory=list)
    duplicates: list[Reading] = field(default_factory=list)
    better: list[tuple[Reading, Provisional]] = field(default_factory=list)  # and where the worse one is stored
    restarted: int = 0  # of `new`: a frame counter that began again, see sort()
    late: dict[str, int] = field(default_factory=dict)  # by device: came after a younger one


def identity(reading: Reading) -> Identity | None:
    """What the ledger knows a reading by; None where the store's own key must do."""
    if reading.generation is None or reading.seq is None or reading.index:
        return None
    return reading.device, reading.generation, reading.seq


def rank(reading: Reading) -> int:
    """How good a reading's time is; a device that does not say how it knows is between its clock and ours."""
    return RANKS[reading.time_source or TimeSource.DEVICE]


def sort(
    readings: Iterable[Reading],
    stored: Mapping[Stream, Intervals],
    provisional: Mapping[Identity, Provisional],
    newest_foreign: Mapping[str, datetime] | None = None,
) -> Sorted:
    """Sort readings against the ledger and against each other; `stored` grows by what is new.

    `newest_foreign`: the newest time stored of devices that are not ours. Some of them start their frame counter again
    without a new join (ABP): a known count with a younger time than any is then a new reading, not a duplicate.
    """
    result = Sorted()
    newest = dict(newest_foreign or {})
    better = dict(provisional)
    fresh: dict[Identity, int] = {}  # where in `new` a reading of this very batch is
    for reading in readings:
        key = identity(reading)
        if key is None:
            result.new.append(reading)
        elif key[2] not in (intervals := stored[key[:2]]):
            if intervals.last is not None and key[2] < intervals.last:
                result.late[reading.device] = result.late.get(reading.device, 0) + 1
            intervals.add(key[2])
            fresh[key] = len(result.new)
            result.new.append(reading)
        elif reading.device in newest and reading.time is not None and reading.time > newest[reading.device]:
            newest[reading.device] = reading.time
            result.restarted += 1
            result.new.append(reading)
        elif key in fresh:
            first = result.new[fresh[key]]
            if rank(reading) < rank(first):  # nothing is stored yet: the better one takes the place
                result.new[fresh[key]], reading = reading, first
            result.duplicates.append(reading)
        elif key in better and rank(reading) < better[key].rank:
            result.better.append((reading, better.pop(key)))
        else:
            result.duplicates.append(reading)
    return result
