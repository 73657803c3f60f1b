"""Store and forward: what came in, until it is decoded; what was decoded, until the cloud has stored it.

Three tables, each bounded. `captured` holds datagrams and events as they came and is committed before they are
acknowledged; when it is full it takes no more, so that they are not. `reading` holds what waits for
`klimanetz/v1/ack/<device>`; readings without a sequence number cannot be named in such an acknowledgement and are
forgotten when the broker has taken them (PUBACK). `undecoded` keeps payloads that gave no reading, with the reason,
for an operator. Of these two the oldest rows go when there are too many, and `trim` says how many.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from gateway.database import Database, StorageError
from schemas.intervals import Intervals
from schemas.models import Link, Range, Reading, TimeSource

GWMP, MQTT = "gwmp", "mqtt"
ROUND_BYTES = 256 * 1024  # a message holds no more than a round; brokers refuse large ones
_COUNTED = "device = ? AND position = ? AND generation = ? AND seq = ?"
_TIMED = "seq IS NULL AND device = ? AND position = ? AND time = ?"
_TABLES = ("captured", "reading", "undecoded")
_TRIMMED = ("reading", "undecoded")
_UNDECODED = "device, received_ms, reason, payload, fport, link, time_ms, codec, generation"


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
    """A payload that gave no reading. `codec`: what was tried, "" for none; `time_ms`: by a network's clock; with the
    frame counter of the link, `generation` identifies what it may become.
    """

    device: str
    received_ms: int
    reason: str
    payload: bytes
    fport: int | None = None
    link: Link | None = None
    time_ms: int | None = None
    codec: str = ""
    generation: int | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """Rows kept in each table."""

    captured: int = 200_000
    reading: int = 1_152_000  # 400 stations for 30 days at 15 minutes
    undecoded: int = 20_000


class Spool:
    """The three tables. Writing methods belong inside `database.transaction()`; all raise StorageError."""

    def __init__(self, database: Database, limits: Limits | None = None) -> None:
        self._db = database
        self._limits = limits or Limits()
        self._rows: dict[str, int] = {}
        self._rollbacks = -1
        self._given = Intervals()  # ids of the readings that were given out to be published

    @property
    def rows(self) -> dict[str, int]:
        """How many rows each table has."""
        if self._rollbacks != self._db.rollbacks:
            self._rows = {name: self._count(name) for name in _TABLES}
            self._rollbacks = self._db.rollbacks
        return self._rows

    def capture(self, inputs: Iterable[Input]) -> list[int]:
        """Keeps inputs as they came; their ids, in order. Raises StorageError also when the table is full."""
        if self.rows["captured"] >= self._limits.captured:
            line = "the spool %s is full: %d frames and events could not be dealt with, see the log"
            raise StorageError(line % (self._db.folder, self.rows["captured"]))
        with self._db.transaction():
            ids = []
            for one in inputs:
                row = (one.kind, one.source, one.received_ms, one.payload)
                ids.append(self._insert("captured", "kind, source, received_ms, payload", row))
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
            return sum(self._add(reading) for reading in readings)

    def add_undecoded(self, one: Undecoded) -> None:
        """Keeps a payload for an operator."""
        link = one.link.model_dump_json(exclude_none=True) if one.link else "{}"
        known = (one.time_ms, one.codec, one.generation)
        row = (one.device, one.received_ms, one.reason, one.payload, one.fport, link, *known)
        self._insert("undecoded", _UNDECODED, row)

    def trim(self) -> dict[str, int]:
        """Drops the oldest rows that are too many; how many of which table. Once what added them is committed."""
        excess = {table: self.rows[table] - getattr(self._limits, table) for table in _TRIMMED}
        gone = {table: count for table, count in excess.items() if count > 0}
        with self._db.transaction():
            for table, count in gone.items():
                oldest = "SELECT id FROM %s ORDER BY id LIMIT ?" % table
                self._db.execute("DELETE FROM %s WHERE id IN (%s)" % (table, oldest), (count,))
                self.rows[table] -= count
        return gone

    def undecoded(self, limit: int = 100) -> list[Undecoded]:
        """The newest payloads that gave no reading."""
        return [one for _, one in self._undecoded("ORDER BY id DESC LIMIT ?", (limit,))]

    def untold(self, limit: int = 100) -> list[tuple[int, Undecoded]]:
        """Those that the cloud does not know of yet, with their ids, oldest first."""
        return self._undecoded("WHERE NOT told ORDER BY id LIMIT ?", (limit,))

    def told(self, ids: Iterable[int]) -> None:
        """The cloud knows of these."""
        with self._db.transaction():
            for one in ids:
                self._db.execute("UPDATE undecoded SET told = 1 WHERE id = ?", (one,))

    def undecoded_devices(self) -> list[tuple[str, str]]:
        """(device, codec that was tried) of everything that gave no reading."""
        return [(d, c) for d, c in self._db.execute("SELECT DISTINCT device, codec FROM undecoded")]

    def undecoded_of(self, device: str, codec: str, limit: int = 500) -> list[tuple[int, Undecoded]]:
        """The oldest of one device that one codec could not read, with their ids."""
        return self._undecoded("WHERE device = ? AND codec = ? ORDER BY id LIMIT ?", (device, codec, limit))

    def forget_undecoded(self, ids: Iterable[int]) -> None:
        """Payloads that are readings now, or of which the new reason is kept."""
        self._delete("undecoded", ids)

    def _undecoded(self, which: str, values: tuple[object, ...]) -> list[tuple[int, Undecoded]]:
        found = self._db.execute("SELECT id, %s FROM undecoded %s" % (_UNDECODED, which), values)
        return [
            (r[0], Undecoded(r[1], r[2], r[3], r[4], r[5], Link.model_validate_json(r[6]), r[7], r[8], r[9]))
            for r in found
        ]

    def last_id(self) -> int:
        """The newest reading's, 0 where there is none."""
        return int(self._db.execute("SELECT coalesce(max(id), 0) FROM reading").fetchone()[0])

    def waiting(self, after_id: int, rows_max: int, bytes_max: int = ROUND_BYTES, to_id: int = 2**62) -> list[Waiting]:
        """A round of readings to publish, oldest first, of those behind `after_id` and not behind `to_id`.

        Those that one acknowledgement names, of the same device, generation and seq, are in the same round, if they fit
        into one at all.
        """
        found = self._db.execute(
            "SELECT id, device, generation, seq, body FROM reading WHERE id > ? AND id <= ? ORDER BY id LIMIT ?",
            (after_id, to_id, rows_max + 1),
        )
        taken: list[Waiting] = []
        bytes_taken = whole = 0  # `whole`: rows before the frame that is being taken
        frame = None
        for id_, device, generation, seq, body in found:
            if seq is None or (device, generation, seq) != frame:
                whole, frame = len(taken), (device, generation, seq)
            bytes_taken += len(body) + 1
            if taken and (len(taken) == rows_max or bytes_taken > bytes_max):
                taken = taken[:whole] or taken
                break
            taken.append(Waiting(id_, device, seq is not None, body))
        if taken:
            self._given.add(taken[0].id, taken[-1].id)
        return taken

    def forget(self, device: str, stored: Sequence[Range]) -> int:
        """What the cloud has stored for good; how many readings that were.

        Only what `waiting` has given: a better version that came since has not been stored.
        """
        rows, gone = self.rows, 0
        with self._db.transaction():
            for generation, first, last in stored:
                for low, high in self._given:
                    gone += self._db.execute(
                        "DELETE FROM reading WHERE device = ? AND generation = ? AND seq BETWEEN ? AND ?"
                        " AND id BETWEEN ? AND ?",
                        (device, generation, first, last, low, high),
                    ).rowcount
        rows["reading"] -= gone
        return gone

    def forget_ids(self, ids: Iterable[int]) -> None:
        """Readings that no acknowledgement can name, once the broker has taken them."""
        self._delete("reading", ids)

    def _add(self, reading: Reading) -> int:
        assert reading.time is not None, "a reading is stamped before it is spooled"
        body = reading.model_dump_json(exclude_defaults=True).encode()
        time, rank = reading.time.isoformat(), (reading.time_source or TimeSource.DEVICE).rank
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

    def _count(self, table: str) -> int:
        return int(self._db.execute("SELECT count(*) FROM " + table).fetchone()[0])
