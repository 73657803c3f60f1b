"""Health of devices in the gateway's SQLite file, and what of it is to be published.

A state that changed waits until it was told: at once if the change is urgent, else until a minute has passed since
the device's last message. What was changed while its message was under way waits again.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import orjson

from gateway.database import Database
from gateway.health import Note, State, apply

EVERY_MS = 60_000
ROUND_MAX = 200
_DUE = "changes > told AND (urgent OR told_ms <= ?1 - %d OR told_ms > ?1)" % EVERY_MS  # the clock may have gone back


@dataclass(frozen=True, slots=True)
class Telling:
    """A status message to publish; `changes` is how many changes it holds."""

    device: str
    body: bytes
    changes: int


class HealthStore:
    """Writes belong inside `database.transaction()`. Raises StorageError."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def state(self, device: str) -> State:
        """What is known of a device."""
        row = self._db.execute("SELECT state FROM device_health WHERE device = ?", (device,)).fetchone()
        return dict(orjson.loads(row[0])) if row else {}

    def note(self, device: str, note: Note) -> bool:
        """Keeps what an event said; whether there is something to tell."""
        before = self.state(device)
        after, urgent = apply(before, note)
        if after == before:
            return False
        self._db.execute(
            "INSERT INTO device_health VALUES (?1, ?2, 1, 0, ?3, 0) ON CONFLICT (device) DO UPDATE SET"
            " state = ?2, changes = changes + 1, urgent = urgent OR ?3",
            (device, orjson.dumps(after).decode(), urgent),
        )
        return True

    def due(self, now_ms: int) -> list[Telling]:
        """What is to be published now."""
        sql = "SELECT device, state, changes FROM device_health WHERE %s ORDER BY told_ms LIMIT %d" % (_DUE, ROUND_MAX)
        return [Telling(row[0], row[1].encode(), row[2]) for row in self._db.execute(sql, (now_ms,))]

    def told(self, tellings: Iterable[Telling], now_ms: int) -> None:
        """What the broker has taken."""
        with self._db.transaction():
            for one in tellings:
                self._db.execute(
                    "UPDATE device_health SET told = ?2, told_ms = ?3, urgent = urgent AND changes > ?2"
                    " WHERE device = ?1",
                    (one.device, one.changes, now_ms),
                )

    def next_due_ms(self, now_ms: int) -> int | None:
        """How long until there is something to publish, None if nothing waits."""
        sql = "SELECT min(CASE WHEN %s THEN 0 ELSE told_ms + %d - ?1 END) FROM device_health WHERE changes > told"
        (wait_ms,) = self._db.execute(sql % (_DUE, EVERY_MS), (now_ms,)).fetchone()
        return None if wait_ms is None else max(0, wait_ms)
