"""The raw log: every message as it came, on disk before the broker hears that we have it.

SQLite in WAL mode with synchronous=FULL: one commit a batch is one fsync. Messages are framed and compressed
with Zstandard. A log has an identity of its own, so that a cursor kept elsewhere never points into another log.
"""

import sqlite3
import struct
import threading
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import zstandard

from cloud.filelock import locked
from cloud.ingest.message import Message

_HEAD = struct.Struct("<QQ?HI")  # received_ms, replayed_ms, retained, length of topic, length of payload
UNIT_BYTES = 8 << 20  # of messages that are applied together, about
_SCHEMA = """
CREATE TABLE IF NOT EXISTS log (id TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS batch (
    id INTEGER PRIMARY KEY AUTOINCREMENT, received_ms INTEGER NOT NULL, messages INTEGER NOT NULL,
    part INTEGER NOT NULL DEFAULT 0, body BLOB NOT NULL
);
"""
_PARTS = "CREATE INDEX IF NOT EXISTS batch_part ON batch (part, id)"


@dataclass(frozen=True, slots=True)
class Batch:
    """Messages that were made durable together; ids rise."""

    id: int
    messages: list[Message]
    part: int = 0


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
            if not any(column[1] == "part" for column in self._db.execute("PRAGMA table_info(batch)")):
                self._db.execute("ALTER TABLE batch ADD COLUMN part INTEGER NOT NULL DEFAULT 0")
            self._db.execute(_PARTS)
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
        rows = [(received_ms, count, part, zstandard.compress(body, 3)) for part, (body, count) in parts.items()]
        try:
            with self._lock:
                self._db.execute("BEGIN IMMEDIATE")
                try:
                    query = "INSERT INTO batch (received_ms, messages, part, body) VALUES (?, ?, ?, ?)"
                    last = [self._db.execute(query, row).lastrowid or 0 for row in rows][-1]
                    self._db.execute("COMMIT")
                except BaseException:
                    if self._db.in_transaction:
                        self._db.execute("ROLLBACK")
                    raise
        except sqlite3.Error as error:
            raise RawLogUnavailable(f"the raw log {self.path} cannot be used: {error}") from error
        return last

    def after(self, batch: int, most: int = 1, part: int = 0) -> Batch | None:
        """What comes behind a batch of a part, None at its end: one batch, or several with about `most` messages.

        Applied together they cost the ledger one transaction; the id is that of the last.
        """
        messages: list[Message] = []
        size = 0
        query = "SELECT id, body FROM batch WHERE part = ? AND id > ? ORDER BY id LIMIT 1"
        while len(messages) < most and size < UNIT_BYTES:
            row = self._execute(query, (part, batch)).fetchone()
            if row is None:
                break
            body = zstandard.decompress(row[1])
            batch, size = row[0], size + len(body)
            messages += unpack(body)
        return Batch(batch, messages, part) if messages else None

    def parts(self) -> list[int]:
        """The parts that there are: more than workers after there were more of them."""
        return [part for (part,) in self._execute("SELECT DISTINCT part FROM batch ORDER BY part", ())]

    def backlog(self, applied: Mapping[int, int]) -> int:
        """How many messages wait behind the batches applied last, by part."""
        query = "SELECT COALESCE(SUM(messages), 0) FROM batch WHERE part = ? AND id > ?"
        return sum(int(self._execute(query, one).fetchone()[0]) for one in applied.items())

    def forget(self, before_ms: int, applied: Mapping[int, int]) -> int:
        """Drop batches that were applied, by part, and are older than a time; how many."""
        query = "DELETE FROM batch WHERE received_ms < ? AND part = ? AND id <= ?"
        return sum(self._execute(query, (before_ms, *one)).rowcount for one in applied.items())

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
    for topic, payload, received_ms, retained, replayed_ms in messages:
        add(parts, topic.encode(), payload, received_ms, retained, replayed_ms)
    return b"".join(parts)


def add(
    parts: list[bytes], topic: bytes, payload: bytes, received_ms: int, retained: bool = False, replayed_ms: int = 0
) -> None:
    """One message to what is joined to be packed."""
    parts += (_HEAD.pack(received_ms, replayed_ms, retained, len(topic), len(payload)), topic, payload)


def unpack(data: bytes) -> Iterator[Message]:
    """The inverse of `pack`."""
    at, end, size = 0, len(data), _HEAD.size
    names: dict[bytes, str] = {}
    make, head = Message._make, _HEAD.unpack_from
    while at < end:
        received_ms, replayed_ms, retained, topic_size, payload_size = head(data, at)
        at += size
        name = data[at : at + topic_size]
        at += topic_size
        topic = names.get(name)
        if topic is None:
            topic = names[name] = name.decode("utf-8", "backslashreplace")
        yield make((topic, data[at : at + payload_size], received_ms, retained, replayed_ms))
        at += payload_size
