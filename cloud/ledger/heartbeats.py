"""What each `ingest` says of itself every few seconds, so that /health/ready can tell it: what troubles it, and when.

A disk that is full stops capture, and nobody but ingest knows; one that says nothing any more is told of as well, since
a database on the full disk cannot be written either. One that ends in order leaves nothing behind.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from cloud.sql import metadata, reading

heartbeats = sa.Table(
    "heartbeat",
    metadata,
    sa.Column("instance", sa.String(64), primary_key=True),
    sa.Column("seen_ms", sa.BigInteger, nullable=False),
    sa.Column("troubles", sa.String(100), nullable=False),  # disk, broker, store, letters: with commas
)
SILENT_MS = 60_000
FORGOTTEN_MS = 86_400_000  # then nobody waits for it any more


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """The last word of one."""

    instance: str
    seen_ms: int
    troubles: tuple[str, ...]


class Heartbeats:
    """In shared SQL; may be used from several threads."""

    def __init__(self, engine: Engine) -> None:
        self._engine, self._read = engine, reading(engine)

    def beat(self, instance: str, troubles: Sequence[str], now_ms: int) -> None:
        """Say how one is."""
        row = {"seen_ms": now_ms, "troubles": ",".join(troubles)}
        with self._engine.begin() as connection:
            change = sa.update(heartbeats).where(heartbeats.c.instance == instance).values(row)
            if not connection.execute(change).rowcount:
                connection.execute(sa.insert(heartbeats).values(instance=instance, **row))

    def end(self, instance: str) -> None:
        """One that ends in order is missed by nobody."""
        with self._engine.begin() as connection:
            connection.execute(sa.delete(heartbeats).where(heartbeats.c.instance == instance))

    def all(self, now_ms: int) -> list[Heartbeat]:
        """Of all that are not forgotten; one that is silent has the trouble "silent"."""
        query = sa.select(heartbeats).where(heartbeats.c.seen_ms > now_ms - FORGOTTEN_MS)
        with self._read.connect() as connection:
            rows = connection.execute(query.order_by(heartbeats.c.instance)).all()
        return [
            Heartbeat(
                row.instance,
                row.seen_ms,
                ("silent",) if row.seen_ms < now_ms - SILENT_MS else tuple(filter(None, row.troubles.split(","))),
            )
            for row in rows
        ]
