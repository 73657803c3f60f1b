"""Arrivals: every stored reading under a number that rises without holes in the order of commits, in shared SQL.

Whoever follows the numbers misses nothing, late readings and corrections included, and a restart goes on where it was.
One row a batch (a reading a row would halve what `ingest` stores in a second), written in the ledger's transaction, of
which there is one at a time. The rule: what a follower sees has been stored, and what was stored it will see.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import orjson
import sqlalchemy as sa
import zstandard
from sqlalchemy.engine import Connection, Engine

from cloud.ledger.turn import only_writer
from cloud.sql import metadata, reading

arrivals = sa.Table(
    "arrival",
    metadata,
    sa.Column("first", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("count", sa.BigInteger, nullable=False),
    sa.Column("received_ms", sa.BigInteger, nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
)
_PAGE = 100  # rows a follower takes at once
Stored = tuple[
    str, str, int, int | None, int | None, Mapping[str, float], Mapping[str, str], tuple[str, int] | None
]  # as `Arrival`


class Arrival(NamedTuple):
    """A stored reading; `left`: station and time where it stood before its time got better."""

    station: str
    device: str
    time_ms: int
    generation: int | None
    seq: int | None
    values: Mapping[str, float]
    quality: Mapping[str, str]
    left: Sequence[Any] | None


@dataclass(frozen=True, slots=True)
class Arrived:
    """What came together: `readings` have the numbers from `first`. `rewritten` were known and have none; of
    `stations` the store was changed otherwise, and has to be asked again. Without readings it has one number itself.
    """

    first: int
    received_ms: int
    readings: list[Arrival]
    rewritten: list[Arrival]
    stations: list[str]

    @property
    def last(self) -> int:
        return self.first + max(len(self.readings), 1) - 1


def append(connection: Connection, new: Sequence[Stored], rewritten: Sequence[Stored], now_ms: int) -> None:
    """Number what a batch stored, inside the transaction that says so."""
    if new or rewritten:
        _insert(connection, len(new), now_ms, [*new, *rewritten])


def announce(engine: Engine, stations: Iterable[str], now_ms: int) -> None:
    """To be said after changes of the store that are no readings of `ingest` (imports, deletions): ask it again."""
    names = sorted(set(stations))
    if not names:
        return
    with engine.begin() as connection:
        only_writer(connection)
        _insert(connection, 0, now_ms, {"stations": names})


def prune(connection: Connection, before_ms: int) -> None:
    """Forget what came before a moment; the newest stays, so that numbers go on rising."""
    c = arrivals.c
    kept = sa.select(c.first).where(c.received_ms >= before_ms).order_by(c.first).limit(1)
    cut = connection.execute(kept).scalar() or connection.execute(sa.select(sa.func.max(c.first))).scalar()
    if cut is not None:
        connection.execute(sa.delete(arrivals).where(c.first < cut))


class ArrivalReader(Protocol):
    """What arrived, by rising number; see `Arrivals`."""

    def newest(self) -> int: ...

    def oldest(self) -> int: ...

    def after(self, number: int, limit: int = _PAGE, readings: int | None = None) -> list[Arrived]: ...


class Arrivals:
    """Follow what arrives. May be called from several threads."""

    def __init__(self, engine: Engine) -> None:
        self._read = reading(engine)

    def newest(self) -> int:
        """The last number given, 0 before the first."""
        with self._read.connect() as connection:
            return _newest(connection)

    def oldest(self) -> int:
        """The first number that is still kept, 0 where none is."""
        with self._read.connect() as connection:
            return connection.execute(sa.select(sa.func.min(arrivals.c.first))).scalar() or 0

    def after(self, number: int, limit: int = _PAGE, readings: int | None = None) -> list[Arrived]:
        """Up to `limit` batches with numbers behind this one, and no more when they hold so many `readings`.

        The first batch may begin before the number.
        """
        c = arrivals.c
        holds = sa.select(sa.func.max(c.first)).where(c.first <= number + 1).scalar_subquery()
        last = c.first + sa.case((c["count"] > 0, c["count"]), else_=1) - 1
        query = sa.select(arrivals).where(c.first >= sa.func.coalesce(holds, 0), last > number)
        found: list[Arrived] = []
        with self._read.connect() as connection, connection.execute(query.order_by(c.first).limit(limit)) as rows:
            for row in rows:
                found.append(_arrived(row))
                if readings is not None and found[-1].last - number >= readings:
                    break
        return found


def _newest(connection: Connection) -> int:
    c = arrivals.c
    row = connection.execute(sa.select(c.first, c["count"]).order_by(c.first.desc()).limit(1)).first()
    return 0 if row is None else int(row[0]) + max(int(row[1]), 1) - 1


def _insert(connection: Connection, count: int, now_ms: int, body: object) -> None:
    packed = zstandard.compress(orjson.dumps(body), 1)
    row = {"first": _newest(connection) + 1, "count": count, "received_ms": now_ms, "body": packed}
    connection.execute(sa.insert(arrivals), row)


def _arrived(row: sa.Row[Any]) -> Arrived:
    first, count, received_ms, packed = tuple(row)
    body = orjson.loads(zstandard.decompress(packed))
    if isinstance(body, dict):
        return Arrived(first, received_ms, [], [], body["stations"])
    stored = [Arrival(*one) for one in body]
    return Arrived(first, received_ms, stored[:count], stored[count:], [])
