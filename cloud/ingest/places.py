"""One place in time for each reading of a device, whatever their clocks say.

The store's key is (station, device, time), so two readings of one device in the same millisecond would become one. It
happens: readings without a time arrive together, clocks stand still or count whole seconds. The rule: a place is given
out once, and the second reading moves on to the next free millisecond. What is younger than everything stored of a
device is free; of anything else the store is asked who stands there. Nothing is remembered from batch to batch, so a
repetition after a crash, another replica and a day a year ago all find the same.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from cloud.ledger.ledger import Identity
from schemas.intervals import Intervals

MERGE_MS = 3_600_000  # times closer than this are asked for together
AHEAD_MS = 1000  # asked for beyond a time: where a run of taken places may end
Count = tuple[int, int]  # generation, seq
Spans = list[tuple[str, int, int]]


class Occupants(Protocol):
    """The part of a store that is needed here."""

    def occupants(self, spans: Spans) -> dict[tuple[str, int], Count | None]: ...


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose a place is. `count`: a counted reading's, with `index` in its frame. Without a count it belongs to the
    moment, as two such readings are one, unless `stamp` makes it that one message's (we ourselves gave it the time).
    `again`: that message was perhaps stored, so a place at its time without a count is its own; those that came with
    it are met again in the same order.
    """

    count: Count | None
    index: int = 0
    stamp: tuple[int, int] | None = None
    again: bool = False

    def is_stored_as(self, occupant: Count | None) -> bool:
        """Whether what the store has is this reading."""
        return occupant == self.count and (self.stamp is None or self.again)


class Places:
    """Of one batch. `newest_ms`: the newest time stored of each device, before the batch."""

    def __init__(self, store: Occupants, newest_ms: Mapping[str, int]) -> None:
        self._store = store
        self._newest_ms = newest_ms
        self._asked: dict[str, Intervals] = {}
        self._stored: dict[tuple[str, int], Count | None] = {}
        self._standing: dict[tuple[str, Count], list[int]] = {}
        self._claimed: dict[tuple[str, int], Owner] = {}

    def ask(self, wanted: Iterable[tuple[str, int]]) -> None:
        """Ask the store in one go about (device, time) that may be taken."""
        times: dict[str, list[int]] = {}
        for device, time_ms in wanted:
            if time_ms <= self._newest_ms.get(device, -(2**62)):
                times.setdefault(device, []).append(time_ms)
        self._ask([span for device, some in times.items() for span in spans(device, some)])

    def has(self, device: str, time_ms: int, owner: Owner) -> bool:
        """Whether this reading stands there: stored, or of this batch."""
        held = self._claimed.get((device, time_ms))
        if held is not None:
            return held == owner
        return self._is_stored(device, time_ms) and owner.is_stored_as(self._stored[device, time_ms])

    def stood(self, device: str, time_ms: int, count: Identity | None) -> bool:
        """Whether the store had a reading of this count (None: one without) there before the batch."""
        at = (device, time_ms)
        return at in self._stored and self._stored[at] == (None if count is None else count[1:])

    def claim(self, device: str, time_ms: int, owner: Owner, left_ms: int | None = None) -> int:
        """The place of a reading: its time, or the next free millisecond. The same reading keeps its place.

        After a crash the place before may have become free, so a reading that stands a little further on stays there,
        unless it is to leave that place (`left_ms`).
        """
        for stands_ms in self._standing.get((device, owner.count), ()) if owner.count else ():
            if time_ms <= stands_ms <= time_ms + AHEAD_MS and stands_ms != left_ms:
                time_ms = stands_ms
                break
        while not self._may(device, time_ms, owner):
            time_ms += 1
        self._claimed[device, time_ms] = owner
        return time_ms

    def _may(self, device: str, time_ms: int, owner: Owner) -> bool:
        held = self._claimed.get((device, time_ms))
        if held is not None:
            return held == owner
        return not self._is_stored(device, time_ms) or owner.is_stored_as(self._stored[device, time_ms])

    def _is_stored(self, device: str, time_ms: int) -> bool:
        if time_ms > self._newest_ms.get(device, -(2**62)):
            return False
        if time_ms not in self._asked.get(device, ()):
            self._ask([(device, time_ms, time_ms + AHEAD_MS)])
        return (device, time_ms) in self._stored

    def _ask(self, spans: Spans) -> None:
        if not spans:
            return
        found = self._store.occupants(spans)
        self._stored.update(found)
        for (device, time_ms), count in sorted(found.items(), key=lambda item: item[0]):
            if count is not None:
                self._standing.setdefault((device, count), []).append(time_ms)
        for device, first, last in spans:
            self._asked.setdefault(device, Intervals()).add(first, last)


def spans(device: str, times_ms: Iterable[int]) -> Spans:
    """Ranges that hold the times, each with where such a reading may have moved on to."""
    found: Spans = []
    for time_ms in sorted(set(times_ms)):
        if found and time_ms - found[-1][2] <= MERGE_MS:
            found[-1] = (device, found[-1][1], time_ms + AHEAD_MS)
        else:
            found.append((device, time_ms, time_ms + AHEAD_MS))
    return found
