"""Putting letters aside within bounds: a device that floods us blocks nobody, and what is not kept is counted.

The rule: a letter that is a reading is always kept, for it was acknowledged and may be stored yet. Of other letters a
device has LETTERS_PER_HOUR; the rest of that hour is one letter that counts them (`more`). Runs inside the ledger's
transaction, of which there is one at a time.
"""

import json
import logging
from collections import Counter
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from cloud.ledger.dead_letters import MORE, WAITING, DeadLetter, dead_letters

LETTERS_PER_HOUR = 200
HOUR_MS = 3_600_000
READINGS = (*WAITING, "time-too-early", "time-in-future", "retained", "store-rejected")  # kept whole as readings
log = logging.getLogger("klimanetz.ingest")
Hour = tuple[str | None, int]  # device, hours since 1970


def insert_dead_letters(connection: Connection, letters: Sequence[DeadLetter]) -> None:
    """Write letters; one that is already there stays as it is."""
    kept: list[DeadLetter] = []
    more: dict[Hour, list[DeadLetter]] = {}
    room: dict[Hour, int] = {}
    for letter in letters:
        hour = (letter.device, letter.received_ms // HOUR_MS)
        if letter.reason in READINGS:
            kept.append(letter)
            continue
        if hour not in room:
            room[hour] = LETTERS_PER_HOUR - _held(connection, hour)
        room[hour] -= 1
        (kept if room[hour] >= 0 else more.setdefault(hour, [])).append(letter)
    if kept:
        connection.execute(_insert(connection), [_row(letter) for letter in kept])
    for hour, rest in more.items():
        _count(connection, hour, rest)


def forget_letters(connection: Connection, before_ms: int) -> None:
    """Drop letters of long ago; readings that still wait for the registry stay."""
    c = dead_letters.c
    waits = c.reason.in_(WAITING) & c.replayed_ms.is_(None)
    count = connection.execute(sa.delete(dead_letters).where(c.received_ms < before_ms, ~waits)).rowcount
    if count:
        log.info("%d dead letters were old and are forgotten", count)


def _insert(connection: Connection) -> sa.Executable:
    key = ("log", "batch", "position")
    if connection.dialect.name == "postgresql":
        return postgresql.insert(dead_letters).on_conflict_do_nothing(index_elements=key)
    return sqlite.insert(dead_letters).on_conflict_do_nothing(index_elements=key)


def _row(letter: DeadLetter, **changes: Any) -> dict[str, Any]:
    return {name: getattr(letter, name) for name in DeadLetter.__slots__} | changes


def _of(hour: Hour) -> tuple[sa.ColumnElement[bool], ...]:
    device, number = hour
    c = dead_letters.c
    mine = c.device.is_(None) if device is None else c.device == device
    return mine, c.received_ms >= number * HOUR_MS, c.received_ms < (number + 1) * HOUR_MS


def _held(connection: Connection, hour: Hour) -> int:
    bounded = dead_letters.c.reason.not_in((*READINGS, MORE))
    return connection.execute(sa.select(sa.func.count()).where(*_of(hour), bounded)).scalar() or 0


def _count(connection: Connection, hour: Hour, rest: Sequence[DeadLetter]) -> None:
    """Make the hour's letter that counts what is not kept, or count on in it."""
    c = dead_letters.c
    reasons = Counter(letter.reason for letter in rest)
    before = connection.execute(sa.select(c.id, c.payload).where(*_of(hour), c.reason == MORE)).first()
    if before is not None:
        reasons.update(json.loads(before.payload)["reasons"])
    count = reasons.total()
    detail = f"{count} more of this hour are counted here and not kept one by one; the last: {rest[-1].detail}"[:1000]
    payload = json.dumps({"more": count, "reasons": dict(reasons)}).encode()
    new = {"reason": MORE, "detail": detail, "payload": payload, "size": len(payload)}
    if before is None:
        connection.execute(_insert(connection), [_row(rest[0], **new)])
    else:
        connection.execute(sa.update(dead_letters).where(c.id == before.id).values(new))
