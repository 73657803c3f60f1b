"""Where the values of a series are read: its own channel, and for `precipitation` also the running total.

What a counter adds depends on its device's reading before, however long ago, and its share on those of others shortly
before and after: so a row is the same whatever the range asked for.
"""

from collections.abc import Iterator, Sequence
from itertools import chain

from cloud.accumulators import FLAGGED
from cloud.api.ports import Services
from cloud.api.problems import NotFound
from cloud.api.series_query import Asked
from cloud.counters import Added, counted, increments, together
from cloud.series import ADDING, Row, add_up, aggregate
from cloud.shares import LIVE_MS
from cloud.store.model import Before, Value
from schemas.channels import join, split
from schemas.quantities import BY_NAME

_TOTAL_OF = {"precipitation": "precipitation_total"}  # increments that may be told from a total
_INCREMENTS_OF = {total: name for name, total in _TOTAL_OF.items()}


def offered(channels: Sequence[str]) -> list[str]:
    """The channels that a station with values of these answers for, sorted."""
    told = {join(_INCREMENTS_OF[name], place) for name, place in map(_name, channels) if name in _INCREMENTS_OF}
    return sorted(told.union(channels))


def told_from(channel: str) -> tuple[str, ...]:
    """The channels whose values may be in an answer about this one."""
    name, place = _name(channel)
    return (channel, join(_TOTAL_OF[name], place)) if name in _TOTAL_OF else (channel,)


class _Watch:
    """Passes values on and remembers the time of the last one."""

    __slots__ = ("_values", "last_ms")

    def __init__(self, values: Iterator[Value]) -> None:
        self._values = values
        self.last_ms: int | None = None

    def __iter__(self) -> Iterator[Value]:
        for one in self._values:
            self.last_ms = one.time_ms
            yield one


class Source:
    """What an answer is told from. Raises NotFound where the station has no such channel; reads what it needs first."""

    def __init__(self, services: Services, asked: Asked) -> None:
        self._store = services.store
        self._asked = asked
        self._read_from: list[_Watch] = []
        total = join(_TOTAL_OF.get(asked.quantity.name, ""), split(asked.channel)[1])
        self.channels: tuple[str, ...] = (asked.channel,)
        if asked.quantity.name in _TOTAL_OF:
            have = self._store.channels(asked.station.station)
            self.channels = tuple(name for name in (asked.channel, total) if name in have)
            if not self.channels:
                raise self._missing(have)
        self.derived_from = total if total in self.channels else None
        self.rows: Iterator[Row] = iter(())
        self.values: Iterator[Value] = iter(())
        if asked.every is None:
            self.values = self._single()
        else:
            self.rows = self._intervals(asked.every.every)

    @property
    def last_ms(self) -> int | None:
        """Time of the newest value read so far."""
        return max((one.last_ms for one in self._read_from if one.last_ms is not None), default=None)

    def _single(self) -> Iterator[Value]:
        window = self._asked.window
        if self.derived_from is None:
            return self._read(self._asked.channel, window.start_ms, window.end_ms)
        added = self._both(window.start_ms, window.end_ms)
        return (one.value for one in added if one.shown and one.value.time_ms >= window.start_ms)

    def _intervals(self, every: str) -> Iterator[Row]:
        asked, window = self._asked, self._asked.window
        how = asked.quantity, every, asked.zone, asked.names
        if asked.quantity.kind not in ADDING:
            values = self._read(asked.channel, window.start_ms, window.end_ms)
            return aggregate(values, *how, asked.include)
        start_ms, end_ms = window.start_ms - LIVE_MS, window.end_ms + LIVE_MS
        if self.derived_from is not None:
            return add_up(self._both(start_ms, end_ms), *how, window.start_ms, window.end_ms)
        before = self._before(asked.channel, start_ms, asked.include == "all")
        values = self._read(asked.channel, start_ms, end_ms)
        return aggregate(values, *how, asked.include, window.start_ms, window.end_ms, before)

    def _both(self, start_ms: int, end_ms: int) -> Iterator[Added]:
        """Increments sent as such, and those told from the total, whose failed readings never count."""
        asked, total = self._asked, self.derived_from or ""
        all_count = asked.include == "all"
        sent: Iterator[Added] = iter(())
        if asked.channel in self.channels:
            before = self._before(asked.channel, start_ms, all_count)
            sent = counted(self._read(asked.channel, start_ms, end_ms), asked.quantity, all_count, before)
        totals = BY_NAME[_TOTAL_OF[asked.quantity.name]]
        told = increments(self._read(total, start_ms, end_ms), totals, self._before(total, start_ms, False))
        return together(sent, told)

    def _before(self, channel: str, time_ms: int, all_count: bool) -> list[Before]:
        return self._store.before(self._asked.station.station, channel, time_ms, "" if all_count else FLAGGED)

    def _read(self, channel: str, start_ms: int, end_ms: int) -> Iterator[Value]:
        """The first value is fetched at once: a store that is down is told before an answer has begun."""
        station = self._asked.station.station
        values = self._store.series(station, channel, start_ms, end_ms)
        first = next(values, None)
        if first is not None:
            self._read_from.append(_Watch(chain((first,), values)))
            return iter(self._read_from[-1])
        if len(self.channels) == 1 and channel not in (have := self._store.channels(station)):
            raise self._missing(have)
        return iter(())

    def _missing(self, have: list[str]) -> NotFound:
        station, has = self._asked.station.station, ", ".join(offered(have))
        why = f"it has {has}" if has else "nothing was received from it yet"
        return NotFound(f"Station '{station}' has no channel '{self._asked.channel}'; {why}")


def _name(channel: str) -> tuple[str, str]:
    quantity, place = split(channel)
    return quantity.name, place
