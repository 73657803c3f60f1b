"""What waits to be sent to devices: a short queue for each, on the disk. Class A: one goes out with the next uplink.

The rule: every item leaves the queue in a way that is counted: sent (a confirmed one: acknowledged by the device),
expired, tried too often, or pushed out by newer ones. An item with a `reference` replaces the one before of that name.
Writes belong inside `database.transaction()`; all raise StorageError.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from gateway.database import Database

WAITING_MAX = 16  # for one device
EXPIRES_MS = 7 * 86_400_000
TRIES_MAX = 8
LOST = ("expired", "unanswered", "too_many")


@dataclass(frozen=True, slots=True)
class Item:
    """One downlink of an application. `fcnt`: of a confirmed one, the frame that has gone out and is not answered."""

    id: int
    device: str
    fport: int
    payload: bytes
    confirmed: bool
    tries: int
    fcnt: int | None
    more: bool  # others wait behind it


class Downlinks:
    """The queue; `ended` counts how items left it, by reason. `on_lost` is told of those that nobody has heard."""

    def __init__(self, database: Database, on_lost: Callable[[str, str], None] = lambda device, how: None) -> None:
        self._db = database
        self._on_lost = on_lost
        self.ended: Counter[str] = Counter()

    def add(
        self, device: str, fport: int, payload: bytes, now_ms: int, confirmed: bool = False, reference: str = ""
    ) -> None:
        """Puts one at the end of the device's queue."""
        with self._db.transaction():
            if reference:
                sql = "DELETE FROM downlink WHERE device = ? AND reference = ?"
                self._left("replaced", self._db.execute(sql, (device, reference)).rowcount)
            self._db.execute(
                "INSERT INTO downlink (device, fport, payload, confirmed, reference, expires_ms, tries)"
                " VALUES (?, ?, ?, ?, ?, ?, 0)",
                (device, fport, payload, confirmed, reference, now_ms + EXPIRES_MS),
            )
            sql = "SELECT id FROM downlink WHERE device = ? ORDER BY id DESC LIMIT -1 OFFSET ?"
            for (oldest,) in self._db.execute(sql, (device, WAITING_MAX)).fetchall():
                self._end(oldest, "too_many")

    def head(self, device: str, now_ms: int) -> Item | None:
        """The next one to send; what has expired or was tried too often ends here."""
        sql = "SELECT id, fport, payload, confirmed, tries, fcnt, expires_ms FROM downlink WHERE device = ? ORDER BY id"
        rows = self._db.execute(sql, (device,)).fetchall()
        for n, (id_, fport, payload, confirmed, tries, fcnt, expires_ms) in enumerate(rows):
            if expires_ms <= now_ms or tries >= TRIES_MAX:
                self._end(id_, "expired" if expires_ms <= now_ms else "unanswered")
                continue
            return Item(id_, device, fport, payload, bool(confirmed), tries, fcnt, n + 1 < len(rows))
        return None

    def offered(self, item: Item, fcnt: int) -> None:
        """It is about to be sent in a frame with this downlink counter."""
        self._db.execute("UPDATE downlink SET fcnt = ? WHERE id = ?", (fcnt, item.id))

    def sent(self, item: Item) -> None:
        """A gateway has taken it: done, unless the device is to confirm it."""
        if item.confirmed:
            self._db.execute("UPDATE downlink SET tries = tries + 1 WHERE id = ?", (item.id,))
        else:
            self._end(item.id, "sent")

    def confirmed(self, item: Item) -> None:
        """The device has confirmed it."""
        self._end(item.id, "confirmed")

    def routed(self, limit: int = 100) -> list[Item]:
        """Those of devices that another network serves, the oldest first: it has queues of its own."""
        sql = (
            "SELECT id, device, fport, payload, confirmed, tries, fcnt FROM downlink JOIN route USING (device)"
            " ORDER BY id LIMIT ?"
        )
        return [Item(r[0], r[1], r[2], r[3], bool(r[4]), r[5], r[6], False) for r in self._db.execute(sql, (limit,))]

    def handed_over(self, item: Item) -> None:
        """Another network has taken it, or never will: it goes no further with us."""
        self._end(item.id, "handed_over")

    def waiting(self) -> int:
        """How many there are, for all devices."""
        return int(self._db.execute("SELECT count(*) FROM downlink").fetchone()[0])

    def _end(self, item_id: int, how: str) -> None:
        row = self._db.execute("SELECT device FROM downlink WHERE id = ?", (item_id,)).fetchone()
        self._left(how, self._db.execute("DELETE FROM downlink WHERE id = ?", (item_id,)).rowcount)
        if row and how in LOST:
            self._on_lost(row[0], how)

    def _left(self, how: str, number: int) -> None:
        if number:
            self.ended[how] += number
