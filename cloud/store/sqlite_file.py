"""One SQLite file in WAL mode for the threads of several processes: connections, transactions, errors.

A change is one short transaction that takes the write lock at its start, so that writers wait for each other
instead of failing, and is on the disk when it ends (synchronous=FULL). Readers never wait for writers.
https://www.sqlite.org/wal.html
"""

import sqlite3
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cloud.store.model import StoreRefused, StoreUnavailable

BUSY_TIMEOUT_S = 30
CHECKPOINT_PAGES = 4000
_RETRY_WILL_HELP = ("SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_IOERR", "SQLITE_NOMEM", "SQLITE_INTERRUPT")


class SqliteFile:
    """The file at `path` with this schema. Raises StoreRefused, StoreUnavailable; so do its context managers."""

    def __init__(self, path: str, schema: str, version: int) -> None:
        self.path = path
        self._lock = threading.Lock()  # one writer a process; between processes SQLite's own lock
        self._idle: deque[sqlite3.Connection] = deque()
        self._closed = threading.Event()
        with self._errors():
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            self._writer = self._connect()
            self._writer.execute("PRAGMA journal_mode=WAL")
            (found,) = self._writer.execute("PRAGMA user_version").fetchone()
        if found > version:
            raise StoreRefused(f"{path} was written by a newer klimanetz: install that one or use another file")
        if found < version:
            with self.changing() as db:
                for statement in schema.split(";"):
                    db.execute(statement)
                db.execute(f"PRAGMA user_version={version}")

    @contextmanager
    def changing(self) -> Iterator[sqlite3.Connection]:
        """One transaction: all or nothing."""
        with self._lock, self._errors():
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                yield self._writer
                self._writer.execute("COMMIT")
            finally:
                if self._writer.in_transaction:
                    self._writer.execute("ROLLBACK")

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A connection that nobody else uses meanwhile; the next one may be used in another thread."""
        with self._errors():
            if self._closed.is_set():
                raise StoreUnavailable(f"{self.path} was closed")
            try:
                db = self._idle.pop()
            except IndexError:
                db = self._connect_reader()
            try:
                yield db
            finally:
                if self._closed.is_set():
                    db.close()
                else:
                    self._idle.append(db)

    def close(self) -> None:
        with self._lock:
            self._closed.set()
            self._writer.close()
            while self._idle:
                self._idle.pop().close()

    def _connect_reader(self) -> sqlite3.Connection:
        db = self._connect()
        db.execute("PRAGMA query_only=ON")
        return db

    def _connect(self) -> sqlite3.Connection:
        db = sqlite3.connect(self.path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
        db.execute("PRAGMA synchronous=FULL")
        db.execute(f"PRAGMA wal_autocheckpoint={CHECKPOINT_PAGES}")
        return db

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            text = f"the folder of {self.path} cannot be used ({error.strerror}): name another in KLIMANETZ_STORE"
            raise StoreRefused(text) from error
        except sqlite3.Error as error:
            raise _explained(self.path, error) from error


def _explained(path: str, error: sqlite3.Error) -> Exception:
    name = getattr(error, "sqlite_errorname", "")
    if name.startswith("SQLITE_FULL"):
        return StoreUnavailable(f"no room for {path}: free some space; what is waiting will then be stored")
    if name.startswith(_RETRY_WILL_HELP):
        return StoreUnavailable(f"{path} is busy or cannot be read now ({error}): it is tried again")
    if name.startswith("SQLITE_NOTADB"):
        return StoreRefused(f"{path} is not an SQLite database: name another file in KLIMANETZ_STORE")
    return StoreRefused(f"{path} cannot be used ({error}): check that the file is whole and ours to write")
