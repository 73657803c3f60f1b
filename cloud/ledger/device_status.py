"""What devices and gateways last said of themselves, in shared SQL."""

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from cloud.sql import metadata, reading

device_status = sa.Table(
    "device_status",
    metadata,
    sa.Column("device", sa.String(64), primary_key=True),
    sa.Column("received_ms", sa.BigInteger, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
)


def keep_status(connection: Connection, states: Mapping[str, tuple[int, str]]) -> None:
    """Remember `device -> (received_ms, JSON text)`; an older one does not replace a newer one."""
    c = device_status.c
    for device, (received_ms, status) in sorted(states.items()):
        before = connection.execute(sa.select(c.received_ms).where(c.device == device)).scalar()
        values = {"device": device, "received_ms": received_ms, "status": status}
        if before is None:
            connection.execute(sa.insert(device_status).values(values))
        elif before <= received_ms:
            connection.execute(sa.update(device_status).where(c.device == device).values(values))


def last_status(engine: Engine, device: str) -> dict[str, Any] | None:
    """A device's last status, None where it never sent one."""
    with reading(engine).connect() as connection:
        row = connection.execute(sa.select(device_status).where(device_status.c.device == device)).mappings().first()
    return dict(row) if row is not None else None
