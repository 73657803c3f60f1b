"""The raw log: every message as it came, on disk before the broker hears that we have it.

SQLite in WAL mode with synchronous=FULL: one commit a batch is one fsync. Messages are framed and compressed
with Zstandard. A log has an identity of its own, so that a cursor kept elsewhere never points into another log.
"""

import sqlite3
import struct
import threading
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import zstandard

from cloud.filelock import locked
from cloud.ingest.message import Message

_HEAD = struct.Struct("<QQBHI")  # received_ms, replayed_ms, flags, length of topic, length of payload
_RETAINED, _WHOLE = 1, 2  # flags
UNIT_BYTES = 8 << 20  # of messages that are applied together, about
_SCHEMA = """
CREATE TABLE IF NOT EXISTS log (id TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS batch (
    id INTEGER PRIMARY KEY AUTOINCREMENT, received_ms INTEGER NOT NULL, messages INTEGER NOT NULL, body BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS place (part INTEGER NOT NULL, id INTEGER NOT NULL, PRIMARY KEY (part, id)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS batch_received_ms ON batch (received_ms);
"""
# SELECT DISTINCT, which would read millions of rows; this jumps from part to part.
_PARTS = """
WITH RECURSIVE known (part) AS (
    SELECT MIN(part) FROM place
    UNION ALL SELECT (SELECT MIN(place.part) FROM place WHERE place.part > known.part) FROM known WHERE part IS NOT NULL
) SELECT part FROM known WHERE part IS NOT NULL
"""
_FORGOTTEN_AT_ONCE = 1000  # batches: capture waits meanwhile
# A log from before there were parts.
_PLACE_ALL = "INSERT INTO place SELECT 0, id FROM batch WHERE NOT EXISTS (SELECT 1 FROM place)"
ASIDE = 48_000  # added to a part's number: its backlog, which is applied behind what comes live


@dataclass(frozen=True, slots=True)
class Batch:
    """Messages that were made durable together; ids rise. `behind`: the batch of the part that comes before."""

    id: int
    messages: list[Message]
    part: int = 0
    behind: int = 0


class RawLogUnavailable(Exception):
    """The log cannot be opened or written: a full disk, a missing folder, another process on it."""


class RawLog:
    """One log in one folder, written by one process; its methods may be called from any thread.

    Workers of that process read it beside (`alone=False`). Each device's messages are in one part, so that several
    workers may follow the log and each sees its devices' messages in order.
    """

    def __init__(self, folder: Path, alone: bool = True) -> None:
        self.path = folder / "rawlog.db"
        self._lock = threading.Lock()
        self._alone = None
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if alone:
                self._alone = _lock(folder / "lock")
            self._db = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False, timeout=10)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=FULL")
            self._db.executescript(_SCHEMA)
            self._db.execute(_PLACE_ALL)
            row = self._db.execute("SELECT id FROM log").fetchone()
            self.id = row[0] if row else str(uuid.uuid4())
            if row is None:
                self._db.execute("INSERT INTO log VALUES (?)", (self.id,))
        except (OSError, sqlite3.Error) as error:
            raise RawLogUnavailable(f"the raw log {self.path} cannot be opened: {error}") from error

    def append(self, messages: Sequence[Message]) -> int:
        """Make messages durable together; the batch's id. Raises RawLogUnavailable, and then nothing was kept."""
        return self.append_packed({0: (pack(messages), len(messages))}, messages[-1].received_ms)

    def append_packed(self, parts: Mapping[int, tuple[bytes, int]], received_ms: int) -> int:
        """The same for messages that were divided: what `pack` makes of each part, and how many; the last id."""
        rows = [(part, (received_ms, count, zstandard.compress(body, 3))) for part, (body, count) in parts.items()]
        with self._changing() as db:
            last = 0
            for part, row in rows:
                query = "INSERT INTO batch (received_ms, messages, body) VALUES (?, ?, ?)"
                last = db.execute(query, row).lastrowid or 0
                db.execute("INSERT INTO place VALUES (?, ?)", (part, last))
        return last

    def after(self, batch: int, most: int = 1, part: int = 0) -> Batch | None:
        """What comes behind a batch of a part, None at its end: one batch, or several with about `most` messages.

        Applied together they cost the ledger one transaction; the id is that of the last.
        """
        messages: list[Message] = []
        size, behind = 0, batch
        query = "SELECT id, body FROM place JOIN batch USING (id) WHERE part = ? AND id > ? ORDER BY id LIMIT 1"
        while len(messages) < most and size < UNIT_BYTES:
            row = self._execute(query, (part, batch)).fetchone()
            if row is None:
                break
            body = zstandard.decompress(row[1])
            batch, size = row[0], size + len(body)
            messages += unpack(body)
        return Batch(batch, messages, part, behind) if messages else None

    def kept(self, after: int, last: int, from_ms: int, to_ms: int, most: int) -> Iterator[Batch]:
        """Batches of all parts with ids in (after, last], received in [from, to): at most so many, by id."""
        query = (
            "SELECT id, body FROM batch WHERE id > ? AND id <= ? AND received_ms >= ? AND received_ms < ? "
            "ORDER BY id LIMIT 1"
        )
        for _ in range(most):
            row = self._execute(query, (after, last, from_ms, to_ms)).fetchone()
            if row is None:
                return
            after = row[0]
            yield Batch(after, list(unpack(zstandard.decompress(row[1]))))

    def last(self) -> int:
        """The id of the newest batch, 0 for none."""
        return int(self._execute("SELECT COALESCE(MAX(id), 0) FROM batch", ()).fetchone()[0])

    def set_aside(self, part: int, batch: int) -> None:
        """What waits behind a batch of a part becomes that part's backlog, in its order.

        Nothing else may be captured into a backlog: its cursor would pass by batches with lower ids that come later.
        """
        with self._changing() as db:
            db.execute("UPDATE place SET part = part + ? WHERE part = ? AND id > ?", (ASIDE, part, batch))

    def parts(self) -> list[int]:
        """The parts that there are: more than workers after there were more of them, and backlogs."""
        return [part for (part,) in self._execute(_PARTS, ())]

    def backlog(self, applied: Mapping[int, int]) -> int:
        """How many messages wait behind the batches applied last, by part."""
        query = "SELECT COALESCE(SUM(messages), 0) FROM place JOIN batch USING (id) WHERE part = ? AND id > ?"
        return sum(int(self._execute(query, one).fetchone()[0]) for one in applied.items())

    def forget(self, before_ms: int, applied: Mapping[int, int]) -> int:
        """Drop batches that were applied, by part, and are older than a time; how many."""
        old = (
            "SELECT id FROM batch WHERE received_ms < ? AND id <= ? "
            "AND EXISTS (SELECT 1 FROM place WHERE part = ? AND place.id = batch.id) ORDER BY received_ms LIMIT ?"
        )
        count = 0
        for part, batch in applied.items():
            while gone := self._execute(old, (before_ms, batch, part, _FORGOTTEN_AT_ONCE)).fetchall():
                with self._changing() as db:
                    db.executemany("DELETE FROM batch WHERE id = ?", gone)
                    db.executemany("DELETE FROM place WHERE part = ? AND id = ?", [(part, id_) for (id_,) in gone])
                count += len(gone)
        return count

    @contextmanager
    def _changing(self) -> Iterator[sqlite3.Connection]:
        """One transaction."""
        try:
            with self._lock:
                self._db.execute("BEGIN IMMEDIATE")
                try:
                    yield self._db
                    self._db.execute("COMMIT")
                except BaseException:
                    if self._db.in_transaction:
                        self._db.execute("ROLLBACK")
                    raise
        except sqlite3.Error as error:
            raise RawLogUnavailable(f"the raw log {self.path} cannot be used: {error}") from error

    def _execute(self, query: str, values: tuple[object, ...]) -> sqlite3.Cursor:
        try:
            with self._lock:
                return self._db.execute(query, values)
        except sqlite3.Error as error:
            raise RawLogUnavailable(f"the raw log {self.path} cannot be used: {error}") from error

    def close(self) -> None:
        with self._lock:
            self._db.close()
            if self._alone is not None:
                self._alone.close()


def _lock(path: Path) -> IO[str]:
    """Hold the folder for this process."""
    held = path.open("w")
    if not locked(held):
        held.close()
        sentence = f"another process uses {path.parent}; give each its own KLIMANETZ_INSTANCE and KLIMANETZ_SPOOL"
        raise RawLogUnavailable(sentence)
    return held


def pack(messages: Iterable[Message]) -> bytes:
    """Messages as one byte string."""
    parts: list[bytes] = []
    for topic, payload, received_ms, retained, replayed_ms, whole in messages:
        add(parts, topic.encode(), payload, received_ms, retained, replayed_ms, whole)
    return b"".join(parts)


def add(
    parts: list[bytes], topic: bytes, payload: bytes, received_ms: int,
    retained: bool = False, replayed_ms: int = 0, whole: bool = False,
) -> None:  # fmt: skip
    """One message to what is joined to be packed."""
    flags = _RETAINED * retained | _WHOLE * whole
    parts += (_HEAD.pack(received_ms, replayed_ms, flags, len(topic), len(payload)), topic, payload)


def unpack(data: bytes) -> Iterator[Message]:
    """The inverse of `pack`."""
    at, end, size = 0, len(data), _HEAD.size
    names: dict[bytes, str] = {}
    make, head = Message._make, _HEAD.unpack_from
    while at < end:
        received_ms, replayed_ms, flags, topic_size, payload_size = head(data, at)
        at += size
        name = data[at : at + topic_size]
        at += topic_size
        topic = names.get(name)
        if topic is None:
            topic = names[name] = name.decode("utf-8", "backslashreplace")
        payload = data[at : at + payload_size]
        yield make((topic, payload, received_ms, flags & _RETAINED == _RETAINED, replayed_ms, flags >= _WHOLE))
        at += payload_size
