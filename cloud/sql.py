"""The shared SQL database: registry, ledger, dead letters and keys (SQLAlchemy Core; SQLite or PostgreSQL).

Several processes use it at once. Reads run outside transactions; every change is one short transaction that takes
SQLite's write lock at its start (BEGIN IMMEDIATE), so that two writers wait for each other instead of failing.
"""

from pathlib import Path

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import Engine

metadata = sa.MetaData()


class DatabaseUrlError(ValueError):
    """The setting does not name a database that we speak; the message says what is allowed."""


class DatabaseUnavailable(Exception):
    """The database cannot be opened or has gone away."""


def open_database(url: str) -> Engine:
    """Engine for `sqlite:////path` or `postgresql://…`, tables made if they are missing."""
    if url.startswith("sqlite:"):
        engine = _sqlite(url)
    elif url.startswith(("postgresql://", "postgresql+psycopg://")):
        engine = sa.create_engine(url.replace("postgresql://", "postgresql+psycopg://", 1), pool_pre_ping=True)
    else:
        raise DatabaseUrlError("that is not a registry: use sqlite:////absolute/path.db or postgresql://…")
    try:
        with engine.begin() as connection:
            metadata.create_all(connection)
    except sa.exc.DBAPIError as error:
        raise DatabaseUnavailable(f"the registry {engine.url!r} cannot be opened: {error.orig}") from error
    return engine


def reading(engine: Engine) -> Engine:
    """The same engine for reads: no transaction is opened, so no lock is taken."""
    return engine.execution_options(isolation_level="AUTOCOMMIT")


def _sqlite(url: str) -> Engine:
    path = url.removeprefix("sqlite:///")
    if not path or path == ":memory:" or url == "sqlite://":
        raise DatabaseUrlError("a registry in memory would be lost: use sqlite:////absolute/path.db")
    try:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DatabaseUnavailable(f"the folder of the registry {path} cannot be made: {error.strerror}") from error
    engine = sa.create_engine(url, connect_args={"timeout": 30, "check_same_thread": False})

    @event.listens_for(engine, "connect")
    def _connected(connection, _record):  # type: ignore[no-untyped-def]
        connection.isolation_level = None  # we begin our transactions ourselves
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            connection.execute("PRAGMA " + pragma)

    @event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        if connection.get_execution_options().get("isolation_level") != "AUTOCOMMIT":
            connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine
