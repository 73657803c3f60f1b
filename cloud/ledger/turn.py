"""One replica at a time for each device: between asking the ledger and telling it nobody else writes of that device.

Without it two replicas may take two readings for new that are one, or give one place in time to two. Devices share
LOCKS locks, taken in order, so that workers with different devices do not wait for one another. On SQLite a lock is a
file beside the database, on PostgreSQL an advisory lock; all end with their process, however it ends.
"""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from zlib import crc32

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from cloud.filelock import locked
from cloud.sql import reading

LOCKS = 48  # divisible by the usual numbers of workers: each has locks of its own
_FIRST = 0x6B6C696E00  # of PostgreSQL's advisory locks
_WRITER = 0x6B6C696D


def lot(device: bytes) -> int:
    """A number by which devices are divided among workers and locks."""
    return crc32(device)


def only_writer(connection: Connection) -> None:
    """One writer at a time in the ledger, until the transaction ends; on SQLite BEGIN IMMEDIATE has seen to it."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_WRITER)))


@contextmanager
def turn(engine: Engine, devices: Iterable[str]) -> Iterator[None]:
    """Wait for our turn with these devices, and hold it. Raises OSError and SQLAlchemyError."""
    wanted = sorted({lot(device.encode()) % LOCKS for device in devices})
    if engine.dialect.name == "postgresql":
        with reading(engine).connect() as connection:
            held = []
            try:
                for n in wanted:
                    connection.execute(sa.select(sa.func.pg_advisory_lock(_FIRST + n)))
                    held.append(n)
                yield
            finally:
                for n in held:
                    connection.execute(sa.select(sa.func.pg_advisory_unlock(_FIRST + n)))
        return
    folder = Path(f"{engine.url.database}.turns")
    folder.mkdir(exist_ok=True)
    with ExitStack() as files:
        for n in wanted:
            locked(files.enter_context((folder / str(n)).open("w")), wait=True)
        yield
