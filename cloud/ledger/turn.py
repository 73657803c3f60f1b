"""One replica at a time: between asking the ledger what is known and telling it what was stored nobody else writes.

Without it two replicas may take two readings for new that are one, or give one place in time to two. On SQLite it is
a lock on a file beside the database, on PostgreSQL an advisory lock; both end with their process, however it ends.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from cloud.filelock import locked
from cloud.sql import reading

_LOCK = 0x6B6C696E  # of PostgreSQL's advisory locks


@contextmanager
def turn(engine: Engine) -> Iterator[None]:
    """Wait for our turn, and hold it. Raises OSError and SQLAlchemyError."""
    if engine.dialect.name == "postgresql":
        with reading(engine).connect() as connection:
            connection.execute(sa.select(sa.func.pg_advisory_lock(_LOCK)))
            try:
                yield
            finally:
                connection.execute(sa.select(sa.func.pg_advisory_unlock(_LOCK)))
        return
    with _lock_file(engine).open("w") as file:
        locked(file, wait=True)
        yield


def _lock_file(engine: Engine) -> Path:
    return Path(f"{engine.url.database}.turn")
