"""Dead letters: what arrived and is not (yet) a reading at a station, with the reason, kept whole enough to replay.

A letter is identified by where it stood in which raw log, so writing it twice changes nothing. Letters of devices
that nobody has registered are replayed by themselves once somebody does (`unknown`).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from cloud.registry.tables import BY_EUI, devices
from cloud.sql import metadata, reading

UNKNOWN_DEVICE = "unknown-device"
NOT_DEPLOYED = "not-deployed"
UNREAD, UNREAD_STRANGER = "unread", "unread-stranger"  # a gateway could not read it; its device is not registered
WAITING = (UNKNOWN_DEVICE, NOT_DEPLOYED)  # a change of the registry may cure these
MORE = "more"  # not a message: counts those that were not kept one by one (`put_aside`)

dead_letters = sa.Table(
    "dead_letter",
    metadata,
    sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
    sa.Column("log", sa.String(36), nullable=False),
    sa.Column("batch", sa.BigInteger, nullable=False),
    sa.Column("position", sa.Integer, nullable=False),
    sa.Column("received_ms", sa.BigInteger, nullable=False),
    sa.Column("topic", sa.String(1000), nullable=False),
    sa.Column("device", sa.String(64)),
    sa.Column("reason", sa.String(40), nullable=False, index=True),
    sa.Column("detail", sa.String(1000), nullable=False),
    sa.Column("payload", sa.LargeBinary, nullable=False),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("replay_wanted", sa.Boolean, nullable=False, default=False),
    sa.Column("replayed_ms", sa.BigInteger),
    sa.UniqueConstraint("log", "batch", "position"),
    sa.Index("ix_dead_letter_device_received_ms", "device", "received_ms"),
    sa.Index("ix_dead_letter_received_ms", "received_ms"),
)
PREVIEW = 500  # bytes of the payload in a list
PAYLOAD_MAX = 1 << 20  # bytes kept here; the raw log has the whole message


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One message, or one part of a message, that was not stored."""

    log: str
    batch: int
    position: int
    received_ms: int
    topic: str
    device: str | None
    reason: str
    detail: str
    payload: bytes
    size: int


def _registered() -> sa.ColumnElement[bool]:
    """Whether somebody has registered a letter's device, by its name or its EUI."""
    names = sa.select(devices.c.device)
    by_eui = sa.select(sa.literal(BY_EUI) + devices.c.dev_eui).where(devices.c.dev_eui.is_not(None))
    return dead_letters.c.device.in_(names.union_all(by_eui))


class DeadLetters:
    """Read, count and mark letters."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._read = reading(engine)

    def newest(self, limit: int) -> list[dict[str, Any]]:
        """The newest letters that were not replayed, newest first, with the beginning of their payload."""
        c = dead_letters.c
        columns = [column for column in c if column.name != "payload"]
        beginning = sa.func.substr(c.payload, 1, PREVIEW)
        preview = sa.func.coalesce(beginning, b"").label("payload")  # SQLite: of an empty one it is NULL
        query = sa.select(*columns, preview).where(c.replayed_ms.is_(None))
        return self._rows(query.order_by(c.id.desc()).limit(limit))

    def one(self, number: int) -> dict[str, Any] | None:
        """One letter whole, None where there is none."""
        rows = self._rows(sa.select(dead_letters).where(dead_letters.c.id == number))
        return rows[0] if rows else None

    def unknown(self) -> list[dict[str, Any]]:
        """Devices that nobody has registered: how many messages wait, since when, and the last of them."""
        c = dead_letters.c
        span = (sa.func.min(c.received_ms).label("first_ms"), sa.func.max(c.received_ms).label("last_ms"))
        strangers = c.reason.in_((UNKNOWN_DEVICE, UNREAD_STRANGER)) & c.device.is_not(None)
        query = (
            sa.select(c.device, sa.func.count().label("messages"), *span, sa.func.max(c.id).label("last_letter"))
            .where(strangers, c.replayed_ms.is_(None), ~_registered())
            .group_by(c.device)
            .order_by(c.device)
        )
        return self._rows(query)

    def waiting(self, limit: int, after: int = 0) -> list[dict[str, Any]]:
        """Letters that a change of the registry may have cured, oldest first, after a number."""
        c = dead_letters.c
        waits = (c.reason.in_(WAITING), c.replayed_ms.is_(None), _registered())
        query = sa.select(dead_letters).where(*waits, c.id > after)
        return self._rows(query.order_by(c.id).limit(limit))

    def want_replay(self, numbers: Iterable[int] | None) -> int:
        """Ask `ingest` to take letters again (None: all); how many wait for it now."""
        c = dead_letters.c
        there = (c.replayed_ms.is_(None), c.reason != MORE)
        wanted = sa.update(dead_letters).where(*there).values(replay_wanted=True)
        count = 0
        with self.engine.begin() as connection:
            for number in numbers if numbers is not None else [None]:
                count += connection.execute(wanted if number is None else wanted.where(c.id == number)).rowcount
        return count

    def wanted(self, limit: int) -> list[dict[str, Any]]:
        """Letters that somebody wants replayed, oldest first."""
        c = dead_letters.c
        query = sa.select(dead_letters).where(c.replay_wanted, c.replayed_ms.is_(None))
        return self._rows(query.order_by(c.id).limit(limit))

    def mark_replayed(self, numbers: Iterable[int], now_ms: int) -> None:
        """These letters have become readings."""
        replayed = sa.update(dead_letters).values(replayed_ms=now_ms)
        with self.engine.begin() as connection:
            for number in numbers:
                connection.execute(replayed.where(dead_letters.c.id == number))

    def _rows(self, query: sa.Select[Any]) -> list[dict[str, Any]]:
        with self._read.connect() as connection:
            found = connection.execute(query).mappings()
            return [{str(name): value for name, value in row.items()} for row in found]  # SQLAlchemy's names are no str
