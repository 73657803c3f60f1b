"""LoRaWAN sessions in the gateway's SQLite file (see `database`): a SessionStore.

The two session keys stand apart from the rest, sealed. Whether a device heard its JoinAccept shows only with its next
uplink. Until then the session before is kept beside the new one, and of several joins that nobody used the last few.
"""

from contextlib import AbstractContextManager

import orjson

from edge.lorawan.control import Control
from edge.lorawan.frames import addr_text
from edge.lorawan.session import Session
from gateway.database import Database
from gateway.ports import Seal

JOINS_KEPT = 4
KNOWN_MAX = 16384  # devices whose keys are kept open


class SessionError(ValueError):
    """A session that cannot be taken; the message says why."""


class Sessions:
    """Writes belong inside `database.transaction()`, which makes them durable. Raises StorageError."""

    def __init__(self, database: Database, seal: Seal) -> None:
        self._db = database
        self._seal = seal
        self._known: dict[str, tuple[str, str]] = {}  # device -> its keys, plain and as they are stored

    def transaction(self) -> AbstractContextManager[None]:
        """All that is written in it, or nothing."""
        return self._db.transaction()

    def at_address(self, dev_addr: str) -> list[tuple[str, Session]]:
        """(device, session) of every join that got this address, the newest join first."""
        found = self._db.execute(
            "SELECT device, state, keys FROM session WHERE dev_addr = ? AND join_nonce > 0 ORDER BY join_nonce DESC",
            (dev_addr,),
        )
        return [(device, self._session(device, state, keys)) for device, state, keys in found]

    def all(self) -> list[tuple[str, Session]]:
        """(device, session) of every device, the newest that was used or, before its first use, the newest."""
        found = self._db.execute("SELECT device, state, keys FROM session ORDER BY device, join_nonce")
        newest: dict[str, Session] = {}
        for device, state, keys in found:
            session = self._session(device, state, keys)
            if device not in newest or session.fcnt_up or not newest[device].fcnt_up:
                newest[device] = session
        return sorted(newest.items())

    def get(self, device: str, join_nonce: int) -> Session | None:
        """One session."""
        sql = "SELECT state, keys FROM session WHERE device = ? AND join_nonce = ?"
        row = self._db.execute(sql, (device, join_nonce)).fetchone()
        return self._session(device, *row) if row else None

    def join_nonce(self, device: str) -> int:
        """The one of the newest join, 0 before the first."""
        row = self._db.execute("SELECT join_nonce FROM joined WHERE device = ?", (device,)).fetchone()
        return int(row[0]) if row else 0

    def last_mic(self, device: str, join_nonce: int) -> bytes:
        """The MIC of the session's newest uplink, b"" before the first."""
        sql = "SELECT last_mic FROM session WHERE device = ? AND join_nonce = ?"
        row = self._db.execute(sql, (device, join_nonce)).fetchone()
        return (row and row[0]) or b""

    def control(self, device: str, join_nonce: int) -> Control | None:
        """The picture of the device's radio in this session, None before it has one."""
        sql = "SELECT control FROM session WHERE device = ? AND join_nonce = ?"
        row = self._db.execute(sql, (device, join_nonce)).fetchone()
        return Control(orjson.loads(row[0])) if row and row[0] else None

    def is_used(self, device: str, join_key: str, dev_nonce: int) -> bool:
        """Whether a join of this device under this key had this DevNonce."""
        found = self._db.execute(  # '': from a time when keys were not noted
            "SELECT 1 FROM used_nonce WHERE device = ? AND join_key IN (?, '') AND dev_nonce = ?",
            (device, join_key, dev_nonce),
        )
        return found.fetchone() is not None

    def add(self, device: str, join_key: str, session: Session, control: Control) -> None:
        """A join that is answered now: its DevNonce is used, its join nonce the newest."""
        with self._db.transaction():
            self._db.execute("INSERT INTO used_nonce VALUES (?, ?, ?)", (device, join_key, session.dev_nonce))
            self._db.execute("INSERT OR REPLACE INTO joined VALUES (?, ?)", (device, session.join_nonce))
            self._put(device, session, control)
            self._db.execute(
                "DELETE FROM session WHERE device = ?1 AND json_extract(state, '$.fcnt_up') = 0 AND join_nonce NOT IN ("
                "SELECT join_nonce FROM session WHERE device = ?1 ORDER BY join_nonce DESC LIMIT ?2)",
                (device, JOINS_KEPT),
            )

    def last_nonce(self, device: str, join_key: str) -> int | None:
        """The highest DevNonce that a join of this device under this key had."""
        sql = "SELECT max(dev_nonce) FROM used_nonce WHERE device = ? AND join_key IN (?, '')"
        row = self._db.execute(sql, (device, join_key)).fetchone()
        return None if row[0] is None else int(row[0])

    def bring_in(self, device: str, session: Session) -> Session:
        """A session of another network server, as it is kept. Raises SessionError where it is older than ours.

        One of a join gets a JoinNonce above all that this device has had here, and the next join goes on from there.
        """
        with self._db.transaction():
            for known in (self.get(device, nonce) for nonce in self._nonces(device)):
                same = known and (known.dev_addr, known.nwk_skey) == (session.dev_addr, session.nwk_skey)
                if known and same and (known.fcnt_up > session.fcnt_up or known.fcnt_down > session.fcnt_down):
                    line = "the session of %s here is newer: uplink %d and downlink %d, not %d and %d"
                    counters = known.fcnt_up, known.fcnt_down, session.fcnt_up, session.fcnt_down
                    raise SessionError(line % (device, *counters))
            if session.join_nonce:
                values = session.to_dict() | {"join_nonce": max(self.join_nonce(device) + 1, session.join_nonce)}
                session = Session.from_dict(values)
                self._db.execute("INSERT OR REPLACE INTO joined VALUES (?, ?)", (device, session.join_nonce))
            self._put(device, session, Control())
            self._db.execute("DELETE FROM session WHERE device = ? AND join_nonce < ?", (device, session.join_nonce))
        return session

    def _nonces(self, device: str) -> list[int]:
        return [n for (n,) in self._db.execute("SELECT join_nonce FROM session WHERE device = ?", (device,))]

    def save(self, device: str, session: Session, control: Control, mic: bytes) -> None:
        """A session that has been used, with its newest uplink's MIC. Older ones of the device end here."""
        with self._db.transaction():
            self._put(device, session, control, mic)
            self._db.execute("DELETE FROM session WHERE device = ? AND join_nonce < ?", (device, session.join_nonce))

    def _put(self, device: str, session: Session, control: Control, mic: bytes | None = None) -> None:
        state = session.to_dict()
        keys = self._sealed(device, "%s %s" % (state.pop("nwk_skey"), state.pop("app_skey")))
        texts = orjson.dumps(state).decode(), orjson.dumps(control.to_dict()).decode()
        row = (device, session.join_nonce, addr_text(session.dev_addr), texts[0], mic, texts[1], keys)
        sql = "INSERT OR REPLACE INTO session (device, join_nonce, dev_addr, state, last_mic, control, keys)"
        self._db.execute(sql + " VALUES (?, ?, ?, ?, ?, ?, ?)", row)

    def _session(self, device: str, state: str, keys: str) -> Session:
        values = orjson.loads(state)
        if keys:  # a session of before has them in its state, until it is used
            plain, sealed = self._known.get(device, ("", ""))
            if sealed != keys:
                plain = self._seal.open(keys, device)
                self._remember(device, plain, keys)
            values["nwk_skey"], values["app_skey"] = plain.split()
        session: Session = Session.from_dict(values)
        return session

    def _sealed(self, device: str, plain: str) -> str:
        known, sealed = self._known.get(device, ("", ""))
        if known != plain:
            sealed = self._seal.seal(plain, device)
            self._remember(device, plain, sealed)
        return sealed

    def _remember(self, device: str, plain: str, sealed: str) -> None:
        if len(self._known) >= KNOWN_MAX:
            self._known.clear()
        self._known[device] = (plain, sealed)
