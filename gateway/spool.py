"""Store and forward: what came in, until it is decoded; what was decoded, until the cloud has stored it.

Three tables, each bounded: the oldest rows go first and are counted. `captured` holds datagrams and events as
they came and is committed before they are acknowledged. `reading` holds what waits for `klimanetz/v1/ack/<device>`;
readings without a sequence number cannot be named in such an acknowledgement and are forgotten when the broker has
taken them (PUBACK). `undecoded` keeps payloads that no codec could read, with the reason, for an operator.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from gateway.database import Database
from schemas.models import Link, Range, Reading, TimeSource

GWMP, MQTT = "gwmp", "mqtt"
_RANK = {source: rank for rank, source in enumerate(TimeSource)}  # best first
_COUNTED = "device = ? AND position = ? AND generation = ? AND seq = ?"
_TIMED = "seq IS NULL AND device = ? AND position = ? AND time = ?"
_TABLES = ("captured", "reading", "undecoded")


@dataclass(frozen=True, slots=True)
class Input:
    """A datagram (`source`: address) or an MQTT event (`source`: topic) as it came."""

    kind: str
    source: str
    received_ms: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class Waiting:
    """A reading to publish. `counted`: an acknowledgement can name it."""

    id: int
    device: str
    counted: bool
    body: bytes


@dataclass(frozen=True, slots=True)
class Undecoded:
    """A payload that no codec could read."""

    device: str
    received_ms: int
    reason: str
    payload: bytes
    fport: int | None = None
    link: Link | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """Rows kept in each table."""

    captured: int = 200_000
    reading: int = 1_000_000
    undecoded: int = 20_000


class Spool:
    """The three tables. Writing methods belong inside `database.transaction()`; all raise StorageError."""

    def __init__(self, database: Database, limits: Limits | None = None) -> None:
        self._db = database
        self._limits = limits or Limits()
        self._rows: dict[str, int] = {}
        self._rollbacks = -1
        self.dropped = dict.fromkeys(_TABLES, 0)

    @property
    def rows(self) -> dict[str, int]:
        """How many rows each table has."""
        if self._rollbacks != self._db.rollbacks:
            self._rows = {name: self._count(name) for name in _TABLES}
            self._rollbacks = self._db.rollbacks
        return self._rows

    def capture(self, inputs: Iterable[Input]) -> list[int]:
        """Keeps inputs as they came; their ids, in order."""
        with self._db.transaction():
            ids = []
            for one in inputs:
                row = (one.kind, one.source, one.received_ms, one.payload)
                ids.append(self._insert("captured", "kind, source, received_ms, payload", row))
            self._trim("captured")
        return ids

    def release(self, ids: Iterable[int]) -> None:
        """Inputs that are dealt with."""
        self._delete("captured", ids)

    def captured(self, after_id: int, limit: int) -> list[tuple[int, Input]]:
        """What was captured and not dealt with, oldest first."""
        found = self._db.execute(
            "SELECT id, kind, source, received_ms, payload FROM captured WHERE id > ? ORDER BY id LIMIT ?",
            (after_id, limit),
        )
        return [(row[0], Input(*row[1:])) for row in found]

    def add(self, readings: Iterable[Reading]) -> int:
        """Readings (with a time) to publish; how many were new. One that is here stays, unless its time was worse."""
        with self._db.transaction():
            new = sum(self._add(reading) for reading in readings)
            self._trim("reading")
        return new

    def add_undecoded(self, one: Undecoded) -> None:
        """Keeps a payload for an operator."""
        link = one.link.model_dump_json(exclude_none=True) if one.link else "{}"
        row = (one.device, one.received_ms, one.reason, one.fport, one.payload, link)
        self._insert("undecoded", "device, received_ms, reason, fport, payload, link", row)
        self._trim("undecoded")

    def undecoded(self, limit: int = 100) -> list[Undecoded]:
        """The newest payloads that no codec could read."""
        found = self._db.execute(
            "SELECT device, received_ms, reason, payload, fport, link FROM undecoded ORDER BY id DESC LIMIT ?", (limit,)
        )
        return [Undecoded(r[0], r[1], r[2], r[3], r[4], Link.model_validate_json(r[5])) for r in found]

    def waiting(self, after_id: int, limit: int) -> list[Waiting]:
        """Readings to publish, oldest first."""
        found = self._db.execute(
            "SELECT id, device, seq IS NOT NULL, body FROM reading WHERE id > ? ORDER BY id LIMIT ?", (after_id, limit)
        )
        return [Waiting(row[0], row[1], bool(row[2]), row[3]) for row in found]

    def forget(self, device: str, stored: Sequence[Range]) -> int:
        """What the cloud has stored for good; how many readings that were."""
        rows, gone = self.rows, 0
        with self._db.transaction():
            for generation, first, last in stored:
                gone += self._db.execute(
                    "DELETE FROM reading WHERE device = ? AND generation = ? AND seq BETWEEN ? AND ?",
                    (device, generation, first, last),
                ).rowcount
        rows["reading"] -= gone
        return gone

    def forget_ids(self, ids: Iterable[int]) -> None:
        """Readings that no acknowledgement can name, once the broker has taken them."""
        self._delete("reading", ids)

    def _add(self, reading: Reading) -> int:
        assert reading.time is not None, "a reading is stamped before it is spooled"
        body = reading.model_dump_json(exclude_defaults=True).encode()
        time, rank = reading.time.isoformat(), _RANK[reading.time_source or TimeSource.RECEIVER]
        counted = reading.generation is not None and reading.seq is not None
        generation, seq = (reading.generation, reading.seq) if counted else (None, None)
        key: tuple[object, ...] = (reading.device, reading.index, *((generation, seq) if counted else (time,)))
        old = self._db.execute(
            "SELECT id, time_rank FROM reading WHERE " + (_COUNTED if counted else _TIMED), key
        ).fetchone()
        if old is not None and old[1] <= rank:
            return 0
        if old is not None:
            self._delete("reading", [old[0]])
        row = (reading.device, generation, seq, reading.index, time, rank, body)
        self._insert("reading", "device, generation, seq, position, time, time_rank, body", row)
        return 1

    def _insert(self, table: str, columns: str, row: tuple[object, ...]) -> int:
        rows = self.rows  # counted before the row is there
        marks = ", ".join("?" * len(row))
        cursor = self._db.execute("INSERT INTO %s (%s) VALUES (%s)" % (table, columns, marks), row)
        rows[table] += 1
        return cursor.lastrowid or 0

    def _delete(self, table: str, ids: Iterable[int]) -> None:
        rows = self.rows
        with self._db.transaction():
            for one in ids:
                rows[table] -= self._db.execute("DELETE FROM %s WHERE id = ?" % table, (one,)).rowcount

    def _trim(self, table: str) -> None:
        excess = self.rows[table] - getattr(self._limits, table)
        if excess > 0:
            oldest = "SELECT id FROM %s ORDER BY id LIMIT ?" % table
            gone = self._db.execute("DELETE FROM %s WHERE id IN (%s)" % (table, oldest), (excess,)).rowcount
            self.rows[table] -= gone
            self.dropped[table] += gone

    def _count(self, table: str) -> int:
        return int(self._db.execute("SELECT count(*) FROM " + table).fetchone()[0])
