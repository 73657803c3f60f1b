"""The newest value of every channel of every station, in memory, and never behind what was committed.

Loaded from the store once; after that each question first reads what has arrived (`cloud.ledger.arrivals`), of all
replicas. Where an arrival cannot tell what is newest now (a reading has left its place, an import, a deletion), the
store is asked for that station. Once in RELOAD_S it is asked for all of them, for changes that nobody announced.
"""

import threading
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from cloud.ledger.arrivals import Arrival, ArrivalReader, Arrived
from cloud.store.model import NOT_JUDGED, Latest, Store, StoreUnavailable

RELOAD_S = 900.0
PATIENCE_S = 10.0  # for somebody else who is asking a store that hangs
_ASK = 50  # stations asked of the store together: more of them it answers less exactly
Channels = dict[str, Latest]


@dataclass(slots=True)
class Newest:
    """The values after the arrival `number`. Pure: `apply` says by `stale` of whom the store has to be asked."""

    number: int
    stations: dict[str, Channels] = field(default_factory=dict)
    touched: dict[str, int] = field(default_factory=dict)  # station -> the last arrival that changed anything of it
    stale: set[str] = field(default_factory=set)

    def apply(self, arrived: Arrived) -> None:
        """The next batch; one that was applied before changes nothing."""
        if arrived.last <= self.number:
            return
        for one in (*arrived.rewritten, *arrived.readings):
            self._apply(one, arrived.last)
        for station in arrived.stations:
            self.touched[station] = arrived.last
            self.stale.add(station)
        self.number = arrived.last

    def _apply(self, one: Arrival, number: int) -> None:
        if one.left is not None:
            station, time_ms = one.left
            self.touched[station] = number
            known = self.stations.get(station, {}).values()
            if any(value.time_ms == time_ms and value.device == one.device for value in known):
                self.stale.add(station)
        self.touched[one.station] = number
        channels = self.stations.setdefault(one.station, {})
        for channel, value in one.values.items():
            known_one = channels.get(channel)
            if known_one is None or one.time_ms >= known_one.time_ms:
                quality = one.quality.get(channel, NOT_JUDGED)
                channels[channel] = Latest(one.station, channel, one.time_ms, float(value), quality, one.device)

    def replace(self, stations: Iterable[str], found: Iterable[Latest]) -> bool:
        """What the store says of these stations; whether it is anything else than was known."""
        new: dict[str, Channels] = {station: {} for station in stations}
        for one in found:
            new.setdefault(one.station, {})[one.channel] = one
        changed = any(channels != self.stations.get(station, {}) for station, channels in new.items())
        self.stations.update(new)
        self.stale -= new.keys()
        return changed

    def newest_ms(self, station: str) -> int | None:
        """The time of the newest value of a station."""
        return max((one.time_ms for one in self.stations.get(station, {}).values()), default=None)


@dataclass(frozen=True, slots=True)
class Mark:
    """Which state: the last arrival, and what a change that none of them tells adds to it."""

    number: int
    salt: str = ""

    def __str__(self) -> str:
        return f"{self.number}{self.salt}"


class LatestValues:
    """One a process; may be called from several threads. `monotonic_s`: a clock, handed in."""

    def __init__(self, store: Store, arrivals: ArrivalReader, monotonic_s: Callable[[], float]) -> None:
        self._store = store
        self._arrivals = arrivals
        self._monotonic_s = monotonic_s
        self._lock = threading.Lock()
        self._newest: Newest | None = None
        self._asked_s = 0.0
        self._since = 0  # the arrival at which this process began
        self._salt = ""

    def mark(self) -> Mark:
        """The state now. Raises StoreUnavailable, StoreRefused."""
        with self._caught_up() as newest:
            return Mark(newest.number, self._salt)

    def changed(self, before: Mark | None) -> tuple[Mark, dict[str, list[Latest]]]:
        """The state now, and the values of each station that may be others than in the state before (None: of all)."""
        with self._caught_up() as newest:
            mark = Mark(newest.number, self._salt)
            names: Iterable[str] = newest.stations
            if before is not None and before.salt == mark.salt:
                names = [station for station, number in newest.touched.items() if number > before.number]
            return mark, {name: list(newest.stations.get(name, {}).values()) for name in names}

    def station_mark(self, station: str) -> tuple[Mark, int | None]:
        """Changes with everything that is stored or deleted of a station; the time of its newest value."""
        with self._caught_up() as newest:
            number = max(newest.touched.get(station, 0), self._since)
            return Mark(number, self._salt), newest.newest_ms(station)

    @contextmanager
    def _caught_up(self) -> Iterator[Newest]:
        if not self._lock.acquire(timeout=PATIENCE_S):
            raise StoreUnavailable("the store has not answered another request yet")
        try:
            yield self._catch_up()
        finally:
            self._lock.release()

    def _catch_up(self) -> Newest:
        now_s = self._monotonic_s()
        newest = self._newest or self._load(now_s)
        while found := self._arrivals.after(newest.number):
            if found[0].first > newest.number + 1:  # what lies between is forgotten
                newest = self._load(now_s)
                continue
            for arrived in found:
                newest.apply(arrived)
        self._ask(newest, sorted(newest.stale))
        if now_s - self._asked_s > RELOAD_S:
            if self._arrivals.newest() < newest.number:  # another database than before
                return self._load(now_s)
            if self._ask(newest, sorted(newest.stations)):
                self._new_salt()
            self._asked_s = now_s
        return newest

    def _load(self, now_s: float) -> Newest:
        since = self._arrivals.newest()  # before the store is read, so that nothing falls between
        newest = Newest(since)
        newest.replace((), self._store.latest())
        if self._newest is not None:
            self._new_salt()
        self._newest, self._since, self._asked_s = newest, since, now_s
        return newest

    def _ask(self, newest: Newest, stations: Sequence[str]) -> bool:
        changed = False
        for n in range(0, len(stations), _ASK):
            some = stations[n : n + _ASK]
            changed |= newest.replace(some, self._store.latest(some))
        return changed

    def _new_salt(self) -> None:
        self._salt = f"-{uuid.uuid4().hex[:8]}"
