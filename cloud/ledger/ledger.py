"""The ledger: which readings have been stored, per device and generation, as a union of intervals in shared SQL.

One transaction a batch moves everything that must move together: intervals, delivery counts, dead letters, arrivals
and the cursor of the raw log. A batch that was applied is never counted twice, whatever dies in between; replicas
commute.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection, Engine

from cloud.ledger import arrivals
from cloud.ledger.dead_letters import DeadLetter
from cloud.ledger.device_status import keep_status
from cloud.ledger.put_aside import forget_letters, insert_dead_letters
from cloud.ledger.turn import only_writer, turn
from cloud.sql import metadata, reading
from schemas.intervals import Intervals

received = sa.Table(
    "received",
    metadata,
    sa.Column("device", sa.String(64), primary_key=True),
    sa.Column("generation", sa.BigInteger, primary_key=True),
    sa.Column("first", sa.BigInteger, primary_key=True),
    sa.Column("last", sa.BigInteger, nullable=False),
)
delivery = sa.Table(
    "delivery",
    metadata,
    sa.Column("device", sa.String(64), primary_key=True),
    sa.Column("received", sa.BigInteger, nullable=False),
    sa.Column("duplicates", sa.BigInteger, nullable=False),
    sa.Column("late", sa.BigInteger, nullable=False),
    sa.Column("first_ms", sa.BigInteger, nullable=False),
    sa.Column("last_ms", sa.BigInteger, nullable=False),
)
# Readings whose time may still get better: where they are stored now, to be moved.
provisional = sa.Table(
    "provisional",
    metadata,
    sa.Column("device", sa.String(64), primary_key=True),
    sa.Column("generation", sa.BigInteger, primary_key=True),
    sa.Column("seq", sa.BigInteger, primary_key=True),
    sa.Column("station", sa.String(64), nullable=False),
    sa.Column("time_ms", sa.BigInteger, nullable=False),
    sa.Column("rank", sa.Integer, nullable=False),
)
# What each raw log has held, where several take every message: a reading that a log meets for the first time is no
# duplicate, even if the ledger knows it through another.
seen = sa.Table(
    "seen",
    metadata,
    sa.Column("log", sa.String(36), primary_key=True),
    sa.Column("device", sa.String(64), primary_key=True),
    sa.Column("generation", sa.BigInteger, primary_key=True),
    sa.Column("first", sa.BigInteger, primary_key=True),
    sa.Column("last", sa.BigInteger, nullable=False),
)
repeated = sa.Table(
    "repeated",
    metadata,
    sa.Column("log", sa.String(36), primary_key=True),
    sa.Column("device", sa.String(64), primary_key=True),
    sa.Column("duplicates", sa.BigInteger, nullable=False),
)
cursors = sa.Table(
    "cursor",
    metadata,
    sa.Column("log", sa.String(48), primary_key=True),  # with the part behind it: <log>/<part>
    sa.Column("batch", sa.BigInteger, nullable=False),
)

Stream = tuple[str, int]  # device, generation
Identity = tuple[str, int, int]  # device, generation, seq
_CHUNK = 200  # names in one IN (…), below every database's limit
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Provisional:
    """Where a reading with an improvable time is stored; a lower rank is a better time."""

    station: str
    time_ms: int
    rank: int


@dataclass(slots=True)
class Tally:
    """What one batch did for one device."""

    received: int = 0
    duplicates: int = 0  # of logs that divide the messages
    repeated: int = 0  # of a log that takes all of them
    late: int = 0
    first_ms: int = 2**62
    last_ms: int = 0


@dataclass(slots=True)
class Outcome:
    """All that one batch changes, applied in one transaction."""

    log: str
    batch: int
    part: int = 0
    behind: int | None = None  # the batch that must be the part's last until now, None: whichever is
    stored: dict[Stream, Intervals] = field(default_factory=lambda: defaultdict(Intervals))  # sequence numbers written
    met: dict[Stream, Intervals] = field(default_factory=lambda: defaultdict(Intervals))  # those that the log has held
    tallies: dict[str, Tally] = field(default_factory=dict)
    provisional: dict[Identity, Provisional | None] = field(default_factory=dict)  # None: settled
    dead_letters: list[DeadLetter] = field(default_factory=list)
    statuses: dict[str, tuple[int, str]] = field(default_factory=dict)  # received_ms, JSON
    arrived: list[arrivals.Stored] = field(default_factory=list)
    rewritten: list[arrivals.Stored] = field(default_factory=list)  # were stored like that before: no news

    def tally(self, device: str) -> Tally:
        return self.tallies.setdefault(device, Tally())


class Overtaken(Exception):
    """Some of what was to be applied has been applied meanwhile, by one who ended later than was thought."""


class Ledger:
    """Intervals, counts and cursors in shared SQL. `now_ms`: the clock, for when something arrived."""

    def __init__(self, engine: Engine, now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000) -> None:
        self.engine = engine
        self.now_ms = now_ms
        self._read = reading(engine)

    def cursor(self, log: str, part: int = 0) -> int:
        """The last batch of a part of a raw log that was applied, 0 for none."""
        query = sa.select(cursors.c.batch).where(cursors.c.log == _cursor(log, part))
        with self._read.connect() as connection:
            return connection.execute(query).scalar() or 0

    def turn(self, devices: Iterable[str]) -> AbstractContextManager[None]:
        """Hold it from the first question about a batch to `apply`: others who have one of its devices wait."""
        return turn(self.engine, devices)

    def intervals(self, keys: Iterable[Identity]) -> dict[Stream, Intervals]:
        """What was stored of some streams, near these readings: enough to say of each whether it is known."""
        with self._read.connect() as connection:
            return _near(connection, _spans(keys), received)

    def seen(self, log: str, keys: Iterable[Identity]) -> dict[Stream, Intervals]:
        """The same of what a raw log has held."""
        with self._read.connect() as connection:
            return _near(connection, _spans(keys), seen, {"log": log})

    def is_alone(self, log: str) -> bool:
        """Whether no other raw log was ever read here."""
        with self._read.connect() as connection:
            other = cursors.c.log.not_like(f"{log}%")
            return connection.execute(sa.select(cursors.c.log).where(other).limit(1)).first() is None

    def provisional(self, identities: Sequence[Identity]) -> dict[Identity, Provisional]:
        """Which of these readings have an improvable time, and where they are."""
        found: dict[Identity, Provisional] = {}
        wanted = set(identities)
        with self._read.connect() as connection:
            for some in _chunks(sorted(_spans(identities).items(), key=lambda item: item[1])):
                near = provisional.c.seq.between(min(a for _, (a, _) in some), max(b for _, (_, b) in some))
                query = sa.select(provisional).where(provisional.c.device.in_({d for (d, _), _ in some}), near)
                for row in connection.execute(query):
                    if (key := (row.device, row.generation, row.seq)) in wanted:
                        found[key] = Provisional(row.station, row.time_ms, row.rank)
        return found

    def newest_ms(self, devices: Iterable[str]) -> dict[str, int]:
        """The newest time stored of some devices."""
        found: dict[str, int] = {}
        with self._read.connect() as connection:
            for some in _chunks(sorted(set(devices))):
                query = sa.select(delivery.c.device, delivery.c.last_ms).where(delivery.c.device.in_(some))
                found.update((row.device, row.last_ms) for row in connection.execute(query))
        return found

    def apply(self, outcome: Outcome) -> bool:
        """Apply a batch; False when that batch was applied before (nothing changes then). Raises Overtaken."""
        with self.engine.begin() as connection:
            only_writer(connection)
            if not _advance(connection, outcome):
                return False
            _merge(connection, outcome.stored, received)
            _merge(connection, outcome.met, seen, {"log": outcome.log})
            _count(connection, outcome.tallies)
            _repeat(connection, outcome.log, outcome.tallies)
            _settle(connection, outcome.provisional)
            insert_dead_letters(connection, outcome.dead_letters)
            keep_status(connection, outcome.statuses)
            arrivals.append(connection, outcome.arrived, outcome.rewritten, self.now_ms())
        return True

    def prune(self, before_ms: int) -> None:
        """Forget that readings of long ago might get a better time, and dead letters and arrivals of long ago."""
        with self.engine.begin() as connection:
            connection.execute(sa.delete(provisional).where(provisional.c.time_ms < before_ms))
            forget_letters(connection, before_ms)
            arrivals.prune(connection, before_ms)

    def delivery(self, device: str) -> dict[str, Any] | None:
        """What was received of a device and what is missing; None when nothing ever was."""
        with self._read.connect() as connection:
            row = connection.execute(sa.select(delivery).where(delivery.c.device == device)).mappings().first()
            streams = _whole(connection, device)
            most = sa.select(sa.func.max(repeated.c.duplicates)).where(repeated.c.device == device)
            duplicates = connection.execute(most).scalar() or 0
        if row is None:
            return None
        gaps = [
            {"generation": generation, "first": first, "last": last, "count": last - first + 1, "stage": "upstream"}
            for (_, generation), intervals in sorted(streams.items())
            for first, last in intervals.gaps()
        ]
        stored = [(generation, *span) for (_, generation), some in sorted(streams.items()) for span in some]
        missing = sum(gap["count"] for gap in gaps if isinstance(gap["count"], int))
        counts = {str(name): value for name, value in row.items()}
        return {
            **counts,
            "duplicates": row["duplicates"] + duplicates,
            "missing": missing,
            "gaps": gaps,
            "stored": stored,
        }


def _whole(connection: Connection, device: str) -> dict[Stream, Intervals]:
    streams: dict[Stream, Intervals] = {}
    for row in connection.execute(sa.select(received).where(received.c.device == device)):
        streams.setdefault((row.device, row.generation), Intervals()).add(row.first, row.last)
    return streams


def _spans(keys: Iterable[Identity]) -> dict[Stream, tuple[int, int]]:
    """The lowest and highest count of each stream."""
    spans: dict[Stream, tuple[int, int]] = {}
    for device, generation, seq in keys:
        low, high = spans.get((device, generation), (seq, seq))
        spans[device, generation] = (min(low, seq), max(high, seq))
    return spans


def _near(
    connection: Connection,
    spans: dict[Stream, tuple[int, int]],
    table: sa.Table,
    of: Mapping[str, str] = MappingProxyType({}),
) -> dict[Stream, Intervals]:
    """The intervals that touch the spans; streams with like counts are asked for together."""
    streams: dict[Stream, Intervals] = {}
    c = table.c
    for some in _chunks(sorted(spans.items(), key=lambda item: item[1])):
        low, high = min(a for _, (a, _) in some) - 1, max(b for _, (_, b) in some) + 1
        query = sa.select(c.device, c.generation, c.first, c.last).where(
            c.device.in_({device for (device, _), _ in some}), c.first <= high, c.last >= low,
            *(c[name] == value for name, value in of.items()),
        )  # fmt: skip
        wanted = {stream for stream, _ in some}
        for row in connection.execute(query):
            if (stream := (row.device, row.generation)) in wanted:
                streams.setdefault(stream, Intervals()).add(row.first, row.last)
    return streams


def _cursor(log: str, part: int) -> str:
    """The name of a part's cursor; that of part 0 is the log's own."""
    return f"{log}/{part}" if part else log


def _advance(connection: Connection, outcome: Outcome) -> bool:
    log, batch = _cursor(outcome.log, outcome.part), outcome.batch
    before = connection.execute(sa.select(cursors.c.batch).where(cursors.c.log == log)).scalar()
    if before is None:
        connection.execute(sa.insert(cursors).values(log=log, batch=batch))
    elif before >= batch:
        return False
    elif outcome.behind is not None and before > outcome.behind:
        raise Overtaken
    else:
        connection.execute(sa.update(cursors).where(cursors.c.log == log).values(batch=batch))
    return True


def _merge(
    connection: Connection,
    numbers: Mapping[Stream, Intervals],
    table: sa.Table,
    of: Mapping[str, str] = MappingProxyType({}),
) -> None:
    spans = {stream: some.span for stream, some in numbers.items() if some}
    before = _near(connection, spans, table, of)
    gone: list[dict[str, Any]] = []
    longer: list[dict[str, Any]] = []
    come: list[dict[str, Any]] = []
    for stream in spans:
        old = dict(before.get(stream, ()))
        union = Intervals(old.items())
        union.update(numbers[stream])
        new = dict(union)
        device, generation = stream
        gone += [{"d": device, "g": generation, "f": first} for first in old.keys() - new.keys()]
        for first, last in new.items():
            if first not in old:
                come.append({**of, "device": device, "generation": generation, "first": first, "last": last})
            elif old[first] != last:
                longer.append({"d": device, "g": generation, "f": first, "l": last})
    c = table.c
    match = (c.device == sa.bindparam("d"), c.generation == sa.bindparam("g"), c.first == sa.bindparam("f"))
    where = [*match, *(c[name] == value for name, value in of.items())]
    if gone:
        connection.execute(sa.delete(table).where(*where), gone)
    if longer:
        connection.execute(sa.update(table).where(*where).values(last=sa.bindparam("l")), longer)
    if come:
        connection.execute(sa.insert(table), come)


def _repeat(connection: Connection, log: str, tallies: dict[str, Tally]) -> None:
    """Duplicates of each raw log for itself: logs that take the same messages meet the same ones."""
    counted = {device: tally.repeated for device, tally in tallies.items() if tally.repeated}
    c = repeated.c
    known: dict[str, int] = {}
    for some in _chunks(sorted(counted)):
        query = sa.select(c.device, c.duplicates).where(c.log == log, c.device.in_(some))
        known.update((row.device, row.duplicates) for row in connection.execute(query))
    new = [{"log": log, "device": d, "duplicates": n} for d, n in sorted(counted.items()) if d not in known]
    more = [{"d": d, "n": known[d] + n} for d, n in sorted(counted.items()) if d in known]
    if new:
        connection.execute(sa.insert(repeated), new)
    if more:
        change = sa.update(repeated).where(c.log == log, c.device == sa.bindparam("d"))
        connection.execute(change.values(duplicates=sa.bindparam("n")), more)


def _count(connection: Connection, tallies: dict[str, Tally]) -> None:
    known: dict[str, Any] = {}
    for some in _chunks(sorted(tallies)):
        for row in connection.execute(sa.select(delivery).where(delivery.c.device.in_(some))):
            known[row.device] = row
    new: list[dict[str, Any]] = []
    changed: list[dict[str, Any]] = []
    for device, tally in sorted(tallies.items()):
        before = known.get(device)
        counts = {
            "received": tally.received + (before.received if before else 0),
            "duplicates": tally.duplicates + (before.duplicates if before else 0),
            "late": tally.late + (before.late if before else 0),
            "first_ms": min(tally.first_ms, before.first_ms if before else 2**62),
            "last_ms": max(tally.last_ms, before.last_ms if before else 0),
        }
        (changed if before else new).append({**counts, "d" if before else "device": device})
    if new:
        connection.execute(sa.insert(delivery), new)
    if changed:
        connection.execute(sa.update(delivery).where(delivery.c.device == sa.bindparam("d")), changed)


def _settle(connection: Connection, changes: dict[Identity, Provisional | None]) -> None:
    c = provisional.c
    if settled := [key for key, place in changes.items() if place is None]:
        match = (c.device == sa.bindparam("d"), c.generation == sa.bindparam("g"), c.seq == sa.bindparam("s"))
        keys = [{"d": device, "g": generation, "s": seq} for device, generation, seq in settled]
        connection.execute(sa.delete(provisional).where(*match), keys)
    rows = [
        {"device": d, "generation": g, "seq": s, "station": p.station, "time_ms": p.time_ms, "rank": p.rank}
        for (d, g, s), p in changes.items()
        if p is not None
    ]
    if rows:
        insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
        new = insert(provisional)
        change = {name: new.excluded[name] for name in ("station", "time_ms", "rank")}
        connection.execute(new.on_conflict_do_update(index_elements=list(provisional.primary_key), set_=change), rows)


def _chunks(things: Sequence[T]) -> Iterator[Sequence[T]]:
    return (things[n : n + _CHUNK] for n in range(0, len(things), _CHUNK))
