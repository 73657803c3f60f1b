"""Replays that somebody asked for: what a raw log keeps of a time is to be decoded again. Whose log it is does it.

The log belongs to the running ingest, so a command only writes down what it wants; how far it has come stands beside,
so that an interrupted replay goes on.
"""

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from cloud.sql import metadata, reading

replays = sa.Table(
    "replay",
    metadata,
    sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
    sa.Column("log", sa.String(36), nullable=False),
    sa.Column("device", sa.String(64)),  # NULL: all
    sa.Column("from_ms", sa.BigInteger, nullable=False),
    sa.Column("to_ms", sa.BigInteger, nullable=False),
    sa.Column("asked_ms", sa.BigInteger, nullable=False),
    sa.Column("last_batch", sa.BigInteger, nullable=False),  # what is captured behind it is decoded as it is now anyway
    sa.Column("cursor", sa.BigInteger, nullable=False, default=0),
    sa.Column("messages", sa.BigInteger, nullable=False, default=0),
    sa.Column("done_ms", sa.BigInteger),
)


@dataclass(frozen=True, slots=True)
class Replay:
    """[from, to) is when messages were received; `cursor` is the last batch that was looked at."""

    id: int
    log: str
    device: str | None
    from_ms: int
    to_ms: int
    asked_ms: int
    last_batch: int
    cursor: int = 0
    messages: int = 0
    done_ms: int | None = None


class Replays:
    """The requests, in shared SQL."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._read = reading(engine)

    def ask(self, log: str, device: str | None, from_ms: int, to_ms: int, last_batch: int, now_ms: int) -> int:
        """Write down what is wanted; the number of the request."""
        row = {"log": log, "device": device, "from_ms": from_ms, "to_ms": to_ms, "asked_ms": now_ms}
        with self.engine.begin() as connection:
            done = connection.execute(sa.insert(replays).values(**row, last_batch=last_batch, cursor=0, messages=0))
        key = done.inserted_primary_key
        assert key is not None
        return int(key[0])

    def next(self, log: str) -> Replay | None:
        """The oldest of a log that is not done."""
        query = sa.select(replays).where(replays.c.log == log, replays.c.done_ms.is_(None)).order_by(replays.c.id)
        with self._read.connect() as connection:
            row = connection.execute(query.limit(1)).mappings().first()
        return None if row is None else Replay(**row)

    def came_to(self, number: int, cursor: int, messages: int, done_ms: int | None) -> None:
        """How far one has come."""
        change = sa.update(replays).where(replays.c.id == number)
        with self.engine.begin() as connection:
            connection.execute(change.values(cursor=cursor, messages=messages, done_ms=done_ms))
