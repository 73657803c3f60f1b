"""The registry: stations, devices and deployments in SQL, read by every service and changed by files and routes.

A change is one transaction: all of a file or nothing. Each raises the revision, by which readers know that
their copy is old; the copy (`Snapshot`) is what the hot paths read.
"""

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from cloud.registry import tables as t
from cloud.registry.deployments import Stay, Whereabouts
from cloud.registry.sealing import Seal, opened
from cloud.sql import DatabaseUrlError, open_database, reading
from schemas.models import Activation, Device, Station

SCOPES = ("read", "write", "admin")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One revision of the registry, whole, in memory."""

    revision: int
    stations: dict[str, Station]
    devices: dict[str, Device]
    whereabouts: Whereabouts
    by_dev_eui: dict[str, Device] = field(default_factory=dict)
    by_dev_addr: dict[str, list[Device]] = field(default_factory=dict)

    def name_of(self, name: str) -> str:
        """The registered name of a device that is called by its EUI; any other name stays what it is."""
        if name in self.devices or not name.startswith(t.BY_EUI):
            return name
        device = self.by_dev_eui.get(name.removeprefix(t.BY_EUI))
        return name if device is None else device.device


class Registry:
    """All processes share one database; `now_ms` is the clock, handed in.

    `stale_ms`: how old a copy may be before the database is asked again. With it a copy also outlives a database
    that is away, so that a gateway goes on hearing.
    """

    def __init__(self, engine: Engine, now_ms: Callable[[], int], stale_ms: int = 0, seal: Seal | None = None) -> None:
        self.engine = engine
        self.seal = seal
        self.now_ms = now_ms
        self.stale_ms = stale_ms
        self._asked_ms = 0
        self._read = reading(engine)
        self._snapshot: Snapshot | None = None

    def revision(self) -> int:
        """Rises with every change."""
        with self._read.connect() as connection:
            return connection.execute(sa.select(t.revision.c.number)).scalar() or 0

    def snapshot(self) -> Snapshot:
        """The registry as it stands now; the same object until somebody changes something."""
        known, now_ms = self._snapshot, self.now_ms()
        if known is not None and 0 <= now_ms - self._asked_ms < self.stale_ms:
            return known
        self._asked_ms = now_ms
        try:
            revision = self.revision()
            if known is None or known.revision != revision:
                self._snapshot = known = self._load(revision)
        except SQLAlchemyError:
            if known is None or not self.stale_ms:
                raise
        return known

    def stations(self) -> list[Station]:
        return list(self.snapshot().stations.values())

    def station(self, station: str) -> Station | None:
        return self.snapshot().stations.get(station)

    def by_name(self, device: str) -> Device | None:
        return self.snapshot().devices.get(device)

    def by_dev_eui(self, dev_eui: str) -> Device | None:
        """The device with an EUI (lower-case hex, most significant byte first)."""
        return self.snapshot().by_dev_eui.get(dev_eui)

    def by_dev_addr(self, dev_addr: str) -> list[Device]:
        """ABP devices with an address; several may share one."""
        return self.snapshot().by_dev_addr.get(dev_addr, [])

    def key_scope(self, key: str) -> str | None:
        """What an API key may do, None for a key that nobody made."""
        query = sa.select(t.api_keys.c.scope).where(t.api_keys.c.sha256 == hashed(key))
        with self._read.connect() as connection:
            return connection.execute(query).scalar()

    def add_key(self, key: str, scope: str, note: str | None) -> None:
        """Remember a key by its SHA-256; the key itself is not kept."""
        row = {"sha256": hashed(key), "scope": scope, "note": note, "created_ms": self.now_ms()}
        with self.engine.begin() as connection:
            connection.execute(sa.insert(t.api_keys).values(row))

    def stays(self) -> list[Stay]:
        """Every deployment, by device and start."""
        with self._read.connect() as connection:
            return load_stays(connection)

    def _load(self, revision: int) -> Snapshot:
        with self._read.connect() as connection:
            stations = [Station(**row) for row in rows(connection, t.stations)]
            devices = [device_of(opened(row, self.seal)) for row in rows(connection, t.devices)]
            stays = load_stays(connection)
        by_addr: dict[str, list[Device]] = {}
        for device in devices:
            if device.dev_addr and device.activation is Activation.ABP:
                by_addr.setdefault(device.dev_addr, []).append(device)
        return Snapshot(
            revision,
            {s.station: s for s in stations},
            {d.device: d for d in devices},
            Whereabouts(stays),
            {d.dev_eui: d for d in devices if d.dev_eui},
            by_addr,
        )


def hashed(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def rows(connection: Connection, table: sa.Table) -> Iterable[dict[str, Any]]:
    """Every row of a table as a dict, by primary key, without the empty cells."""
    for row in connection.execute(sa.select(table).order_by(*table.primary_key)).mappings():
        yield {name: value for name, value in row.items() if value is not None}


def device_of(row: dict[str, Any]) -> Device:
    return Device.model_construct(**{**row, "activation": Activation(row["activation"])})


def load_stays(connection: Connection) -> list[Stay]:
    return [Stay(**row) for row in rows(connection, t.deployments)]


def bump(connection: Connection) -> None:
    """Tell every reader that something changed."""
    if not connection.execute(sa.update(t.revision).values(number=t.revision.c.number + 1)).rowcount:
        connection.execute(sa.insert(t.revision).values(id=1, number=1))


def open_registry(url: str, now_ms: Callable[[], int], stale_ms: int = 0, seal: Seal | None = None) -> Registry:
    """Registry of `sqlite:////path` or `postgresql://…`; without a seal keys are kept open.

    Raises DatabaseUrlError, DatabaseUnavailable.
    """
    try:
        sa.make_url(url)
    except (ValueError, sa.exc.ArgumentError):
        raise DatabaseUrlError(
            "the registry's address cannot be read: use postgresql://user:password@host:5432/name"
        ) from None
    return Registry(open_database(url), now_ms, stale_ms, seal)
