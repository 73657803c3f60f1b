"""Runs: plain readings of one device in a batch, whose counts and times rise, so that they are judged together. Pure.

What `sort` and `places` find out for each reading, a run knows of all of them by its ends: if nothing of its counts is
known and its times lie behind everything stored of the device, all are new and each has its place in time; if all of
its counts are known and no time can get better, all are met again. Anything in between is not a run's business: its
messages are read and sorted one by one.
"""

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf

from cloud.ingest.item import Fate
from cloud.ingest.places import Count
from cloud.ingest.quick import Quick
from cloud.ledger.ledger import Identity, Stream
from cloud.registry.deployments import Whereabouts
from cloud.store.model import Point
from schemas.intervals import Intervals

_new = tuple.__new__  # half the price of a named tuple's own constructor


@dataclass(slots=True)
class Run:
    """`points` by time; `numbers` of the messages they came in; `plain`: whether it is a run at all."""

    device: str
    own: bool
    plain: bool = True
    points: list[Point] = field(default_factory=list)
    ranks: list[int] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    fate: Fate | None = None  # NEW or AGAIN, for all of it
    is_late: bool = False  # begins before what is stored of the device: the store must be asked who stands there
    late: int = 0  # how many of it
    copies: int = 0  # known only through another replica that takes every message as well
    _counts: Intervals | None = None  # worked out when first asked for
    _sizes: list[int] = field(default_factory=list)
    _station: str = ""
    _from: float = inf  # [from, until) it stands at the station
    _until: float = -inf
    _time_ms: int = -(2**62)  # these three of the reading before
    _generation: int | None = None
    _seq: int = -1

    def add(self, n: int, readings: Sequence[Quick], whereabouts: Whereabouts) -> None:
        """What message `n` brought."""
        self.numbers.append(n)
        self._sizes.append(len(readings))
        if not self.plain:
            return
        points, ranks, device = self.points, self.ranks, self.device
        for generation, seq, time_ms, rank, values, quality, _ in readings:
            if not self._from <= time_ms < self._until:
                if (reach := whereabouts.reach(device, time_ms)) is None:
                    self.plain = False
                    return
                self._station, self._from, self._until = reach
            if time_ms <= self._time_ms or (generation != self._generation and points) or (seq or 0) <= self._seq:
                self.plain = False
                return
            self._time_ms, self._generation = time_ms, generation
            self._seq = -1 if seq is None else seq
            points.append(_new(Point, (self._station, device, time_ms, values, quality, generation, seq)))
            ranks.append(rank)

    @property
    def stream(self) -> Stream | None:
        """Device and generation, None for readings that are not counted."""
        generation = self.points[0].generation if self.points else None
        return None if generation is None else (self.device, generation)

    @property
    def counts(self) -> Intervals:
        """Its sequence numbers, once it is whole."""
        if self._counts is None:
            self._counts = self._counted()
        return self._counts

    def _counted(self) -> Intervals:
        numbers = [point.seq for point in self.points if point.seq is not None]
        if numbers and numbers[-1] - numbers[0] == len(numbers) - 1:
            return Intervals([(numbers[0], numbers[-1])])
        return Intervals((number, number) for number in numbers)

    def times(self) -> list[int]:
        return [point.time_ms for point in self.points]

    def identities(self) -> list[Identity]:
        """What the ledger knows its readings by."""
        device = self.device
        return [(device, p.generation, p.seq) for p in self.points if p.generation is not None and p.seq is not None]

    def ends(self) -> list[Identity]:
        """The first and the last of them."""
        ends = (self.points[0], self.points[-1])
        return [(self.device, p.generation, p.seq) for p in ends if p.generation is not None and p.seq is not None]

    def judge(self, stored: Mapping[Stream, Intervals], newest_ms: Mapping[str, int]) -> None:
        """NEW where none of its counts is stored, AGAIN where all are, of a device that counts for life; or nothing."""
        stream = self.stream
        first, last = self.points[0], self.points[-1]
        known = stored.get(stream) if stream is not None else None
        if known is None or first.seq is None or last.seq is None or known.within(first.seq, last.seq) == 0:
            newest = newest_ms.get(self.device, -1)
            self.is_late = first.time_ms <= newest
            self.late = sum(point.time_ms < newest for point in self.points) if self.is_late else 0
            self.fate = Fate.NEW
        elif self.own and all(known.within(a, b) == b - a + 1 for a, b in self.counts):
            self.fate = Fate.AGAIN

    def is_free(self, occupants: Mapping[tuple[str, int], Count | None]) -> bool:
        """Whether nobody else stands at its times, after a look into the store."""
        for _, device, time_ms, _, _, generation, seq in self.points:
            if (device, time_ms) in occupants and (seq is None or occupants[device, time_ms] != (generation, seq)):
                return False
        return True

    def leave(self, rejected: Container[tuple[str, str, int]]) -> list[tuple[int, int]]:
        """Take out points by (station, device, time); the number of each one's message, and which reading of it."""
        places = [(n, at) for n, size in zip(self.numbers, self._sizes, strict=True) for at in range(size)]
        gone = [(p.station, p.device, p.time_ms) in rejected for p in self.points]
        kept = [n for n, out in enumerate(gone) if not out]
        self.points, self.ranks = [self.points[n] for n in kept], [self.ranks[n] for n in kept]
        self._counts = None
        return [place for place, out in zip(places, gone, strict=True) if out]
