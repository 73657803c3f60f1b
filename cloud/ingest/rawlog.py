"""The raw log: every message as it came, on disk before the broker hears that we have it.

SQLite in WAL mode with synchronous=FULL: one commit a batch is one fsync. Messages are framed and compressed
with Zstandard. A log has an identity of its own, so that a cursor kept elsewhere never points into another log.
"""

import sqlite3
import struct
import threading
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import zstandard

from cloud.filelock import locked
from cloud.ingest.message import Message

_HEAD = struct.Struct("<QQ?HI")  # received_ms, replayed_ms, retained, length of topic, length of payload
_SCHEMA = """
CREATE TABLE IF NOT EXISTS log (id TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS batch (
    id INTEGER PRIMARY KEY AUTOINCREMENT, received_ms INTEGER NOT NULL, messages INTEGER NOT NULL, body BLOB NOT NULL
);
"""


@dataclass(frozen=True, slots=True)
class Batch:
    """Messages that were made durable together; ids rise."""

    id: int
    messages: list[Message]


class RawLogUnavailable(Exception):
    """The log cannot be opened or written: a full disk, a missing folder, another process on it."""


class RawLog:
    """One log in one folder, used by one process; its methods may be called from any thread."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "rawlog.db"
        self._lock = threading.Lock()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._alone = _lock(folder / "lock")
            self._db = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False, timeout=10)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=FULL")
            self._db.executescript(_SCHEMA)
            row = self._db.execute("SELECT id FROM log").fetchone()
            self.id = row[0] if row else str(uuid.uuid4())
            if row is None:
                self._db.execute("INSERT INTO log VALUES (?)", (self.id,))
        except (OSError, sqlite3.Error) as error:
            raise RawLogUnavailable(f"the raw log {self.path} cannot be opened: {error}") from error

    def append(self, messages: Sequence[Message]) -> int:
        """Make messages durable together; the batch's id. Raises RawLogUnavailable, and then nothing was kept."""
        body = zstandard.compress(pack(messages), 3)
        row = (messages[-1].received_ms, len(messages), body)
        cursor = self._execute("INSERT INTO batch (received_ms, messages, body) VALUES (?, ?, ?)", row)
        return int(cursor.lastrowid or 0)

    def after(self, batch: int) -> Batch | None:
        """The first batch behind another, None at the end of the log."""
        row = self._execute("SELECT id, body FROM batch WHERE id > ? ORDER BY id LIMIT 1", (batch,)).fetchone()
        return None if row is None else _batch(row)

    def backlog(self, batch: int) -> int:
        """How many messages wait behind a batch."""
        query = "SELECT COALESCE(SUM(messages), 0) FROM batch WHERE id > ?"
        return int(self._execute(query, (batch,)).fetchone()[0])

    def forget(self, before_ms: int, applied: int) -> int:
        """Drop batches that were applied and are older than a time; how many."""
        return self._execute("DELETE FROM batch WHERE received_ms < ? AND id <= ?", (before_ms, applied)).rowcount

    def _execute(self, query: str, values: tuple[object, ...]) -> sqlite3.Cursor:
        try:
            with self._lock:
                return self._db.execute(query, values)
        except sqlite3.Error as error:
            raise RawLogUnavailable(f"the raw log {self.path} cannot be used: {error}") from error

    def close(self) -> None:
        with self._lock:
            self._db.close()
            self._alone.close()


def _batch(row: tuple[int, bytes]) -> Batch:
    return Batch(row[0], list(unpack(zstandard.decompress(row[1]))))


def _lock(path: Path) -> IO[str]:
    """Hold the folder for this process."""
    held = path.open("w")
    if not locked(held):
        held.close()
        sentence = f"another process uses {path.parent}; give each its own KLIMANETZ_INSTANCE and KLIMANETZ_SPOOL"
        raise RawLogUnavailable(sentence)
    return held


def pack(messages: Sequence[Message]) -> bytes:
    """Messages as one byte string."""
    parts = []
    for message in messages:
        topic = message.topic.encode()
        head = (message.received_ms, message.replayed_ms, message.retained, len(topic), len(message.payload))
        parts += [_HEAD.pack(*head), topic, message.payload]
    return b"".join(parts)


def unpack(data: bytes) -> Iterator[Message]:
    """The inverse of `pack`."""
    at = 0
    while at < len(data):
        received_ms, replayed_ms, retained, topic_size, payload_size = _HEAD.unpack_from(data, at)
        at += _HEAD.size
        topic = data[at : at + topic_size].decode()
        at += topic_size
        yield Message(topic, data[at : at + payload_size], received_ms, retained, replayed_ms)
        at += payload_size
