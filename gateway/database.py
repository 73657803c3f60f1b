"""One SQLite file in the spool folder for everything the gateway must not forget.

Write-ahead log and a flush to the disk at every commit (synchronous=FULL): what was committed survives kill -9
and a power cut. Spool and LoRaWAN sessions share the file, so that a frame's readings, its frame counter and the
removal of its captured datagram are one transaction. A second gateway in the same folder is refused.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

SCHEMA = (
    """
    CREATE TABLE captured (
        id INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, source TEXT NOT NULL,
        received_ms INTEGER NOT NULL, payload BLOB NOT NULL);
    CREATE TABLE reading (
        id INTEGER PRIMARY KEY AUTOINCREMENT, device TEXT NOT NULL, generation INTEGER, seq INTEGER,
        position INTEGER NOT NULL, time TEXT NOT NULL, time_rank INTEGER NOT NULL, body BLOB NOT NULL);
    CREATE UNIQUE INDEX reading_counted ON reading (device, generation, seq, position) WHERE seq IS NOT NULL;
    CREATE UNIQUE INDEX reading_timed ON reading (device, time, position) WHERE seq IS NULL;
    CREATE TABLE undecoded (
        id INTEGER PRIMARY KEY AUTOINCREMENT, device TEXT NOT NULL, received_ms INTEGER NOT NULL,
        reason TEXT NOT NULL, fport INTEGER, payload BLOB NOT NULL, link TEXT NOT NULL);
    CREATE TABLE session (
        device TEXT NOT NULL, join_nonce INTEGER NOT NULL, dev_addr TEXT NOT NULL, state TEXT NOT NULL,
        PRIMARY KEY (device, join_nonce)) WITHOUT ROWID;
    CREATE INDEX session_address ON session (dev_addr);
    CREATE TABLE dev_nonce (
        device TEXT NOT NULL, dev_nonce INTEGER NOT NULL, PRIMARY KEY (device, dev_nonce)) WITHOUT ROWID;
    CREATE TABLE joined (device TEXT PRIMARY KEY, join_nonce INTEGER NOT NULL) WITHOUT ROWID;
    """,
    """
    ALTER TABLE session ADD COLUMN last_mic BLOB;
    CREATE TABLE used_nonce (
        device TEXT NOT NULL, join_key TEXT NOT NULL, dev_nonce INTEGER NOT NULL,
        PRIMARY KEY (device, join_key, dev_nonce)) WITHOUT ROWID;
    INSERT INTO used_nonce SELECT device, '', dev_nonce FROM dev_nonce;
    DROP TABLE dev_nonce;
    UPDATE reading SET time_rank = CASE time_rank WHEN 5 THEN 3 WHEN 3 THEN 4 WHEN 4 THEN 5 ELSE time_rank END;
    """,
    """
    CREATE TABLE device_health (
        device TEXT PRIMARY KEY, state TEXT NOT NULL, changes INTEGER NOT NULL, told INTEGER NOT NULL,
        urgent INTEGER NOT NULL, told_ms INTEGER NOT NULL) WITHOUT ROWID;
    CREATE TABLE route (
        device TEXT PRIMARY KEY, network TEXT NOT NULL, application TEXT NOT NULL, device_id TEXT NOT NULL)
        WITHOUT ROWID;
    CREATE INDEX route_place ON route (device_id, application);
    """,
    """
    ALTER TABLE session ADD COLUMN control TEXT;
    CREATE TABLE downlink (
        id INTEGER PRIMARY KEY AUTOINCREMENT, device TEXT NOT NULL, fport INTEGER NOT NULL, payload BLOB NOT NULL,
        confirmed INTEGER NOT NULL, reference TEXT NOT NULL, expires_ms INTEGER NOT NULL, tries INTEGER NOT NULL,
        fcnt INTEGER);
    CREATE INDEX downlink_device ON downlink (device);
    CREATE TABLE stored (
        device TEXT PRIMARY KEY, ranges TEXT NOT NULL, fresh INTEGER NOT NULL, told_ms INTEGER NOT NULL);
    """,
    """
    ALTER TABLE session ADD COLUMN keys TEXT NOT NULL DEFAULT '';
    ALTER TABLE undecoded ADD COLUMN time_ms INTEGER;
    ALTER TABLE undecoded ADD COLUMN generation INTEGER;
    ALTER TABLE undecoded ADD COLUMN codec TEXT NOT NULL DEFAULT '';
    ALTER TABLE undecoded ADD COLUMN told INTEGER NOT NULL DEFAULT 0;
    CREATE INDEX undecoded_told ON undecoded (id) WHERE NOT told;
    CREATE INDEX undecoded_device ON undecoded (device, codec);
    """,
)  # one script a version; what has been released is never edited


class StorageError(Exception):
    """The spool cannot be used; the message says what to do."""


class Database:
    """The gateway's file, open and locked for this process."""

    def __init__(self, folder: Path, beside: bool = False) -> None:
        """Raises StorageError where the folder cannot be used or another gateway uses it.

        `beside`: a tool that looks at sessions while a gateway runs; the file has to be there.
        """
        self.folder = folder
        self.rollbacks = 0  # whoever keeps figures about the tables counts again when this moves
        try:
            if beside and not (folder / "gateway.db").exists():
                raise StorageError("there is no gateway's spool in %s; set KLIMANETZ_SPOOL to the gateway's" % folder)
            folder.mkdir(parents=True, exist_ok=True)
            self._lock = None if beside else _locked(folder / "gateway.lock")
            self._db = sqlite3.connect(folder / "gateway.db", isolation_level=None, check_same_thread=False)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=FULL")
            self._migrate()
        except (OSError, sqlite3.Error) as error:
            raise self._error(error) from error

    def execute(self, sql: str, values: tuple[Any, ...] = ()) -> sqlite3.Cursor:
        """One statement. Raises StorageError."""
        try:
            return self._db.execute(sql, values)
        except sqlite3.Error as error:
            raise self._error(error) from error

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing, on the disk when the block is left; within another, part of that one. Raises StorageError."""
        if self._is_open():
            yield
            return
        self.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException as error:
            if self._is_open():  # a full disk may have rolled it back already
                self._db.execute("ROLLBACK")
            self.rollbacks += 1
            if isinstance(error, sqlite3.Error):
                raise self._error(error) from error
            raise

    def close(self) -> None:
        """Closes the file; another gateway may have it then."""
        self._db.close()
        if self._lock is not None:
            self._lock.close()

    def _is_open(self) -> bool:
        return self._db.in_transaction

    def _migrate(self) -> None:
        (version,) = self._db.execute("PRAGMA user_version").fetchone()
        if version > len(SCHEMA):
            raise StorageError("the spool in %s is from a newer klimanetz; install that one again" % self.folder)
        for number, script in enumerate(SCHEMA[version:], version + 1):
            self._db.executescript("BEGIN;%s;PRAGMA user_version=%d;COMMIT" % (script, number))

    def _error(self, error: Exception) -> StorageError:
        code = getattr(error, "sqlite_errorcode", None)
        if code == sqlite3.SQLITE_FULL:
            return StorageError("the disk of the spool %s is full; free some space, what it holds stays" % self.folder)
        return StorageError("the spool %s cannot be used (%s); see to the folder or set another" % (self.folder, error))


def _locked(path: Path) -> sqlite3.Connection:
    """A lock that the operating system takes back when this process ends, however it ends."""
    lock = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)
    try:
        lock.execute("BEGIN EXCLUSIVE")
    except sqlite3.OperationalError:
        lock.close()
        raise StorageError("another gateway uses the spool %s; stop it or set another folder" % path.parent) from None
    return lock
