"""Take registry files over: idempotent, all or nothing, every bad row named.

What the file leaves empty stays as it is where emptiness would destroy something (keys); all else is as the file says.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from cloud.registry import files
from cloud.registry import tables as t
from cloud.registry.files import BadRow, FileRefused
from cloud.registry.registry import Registry, bump, load_stays, rows
from cloud.registry.stays import check_overlap, give_way, place, stay_of, stay_row
from schemas.models import Activation, Device

_KEYS = ("dev_eui", "join_eui", "app_key", "dev_addr", "nwk_skey", "app_skey")


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import did, in rows."""

    added: int
    changed: int
    unchanged: int


def import_stations(registry: Registry, data: bytes) -> Imported:
    """Add and change stations. Raises FileRefused."""
    parsed = files.stations(data)
    with registry.engine.begin() as connection:
        result = _upsert(connection, t.stations, [station.model_dump() for _, station in parsed])
        if result.added or result.changed:
            bump(connection)
    return result


def import_devices(registry: Registry, data: bytes) -> Imported:
    """Add and change devices; `station` opens a deployment from now. Raises FileRefused."""
    parsed = files.devices(data)
    with registry.engine.begin() as connection:
        _check_stations(connection, [(line, row.station) for line, row in parsed if row.station])
        _check_euis(connection, [(line, row.device) for line, row in parsed])
        result = _upsert(connection, t.devices, [row.device.model_dump(mode="json") for _, row in parsed], keep=_KEYS)
        _check_sessions(connection, [(line, row.device) for line, row in parsed])
        moved = place(connection, {row.device.device: row.station for _, row in parsed}, registry.now_ms())
        if result.added or result.changed or moved:
            bump(connection)
    return result


def import_deployments(registry: Registry, data: bytes) -> Imported:
    """Add and change deployments; two of one device must not overlap. Raises FileRefused."""
    parsed = files.deployments(data)
    with registry.engine.begin() as connection:
        _check_stations(connection, [(line, row.station) for line, row in parsed])
        known = {row["device"] for row in rows(connection, t.devices)}
        missing = [BadRow(n, f"device '{r.device}' is not registered") for n, r in parsed if r.device not in known]
        if missing:
            raise FileRefused(missing)
        zones = {row["station"]: ZoneInfo(row["timezone"]) for row in rows(connection, t.stations)}
        old = load_stays(connection)
        assumed = {stay.device: stay.since_ms for stay in old if stay.assumed_start}
        now_ms = registry.now_ms()
        stays = [
            (line, stay_of(line, row, zones[row.station], assumed.get(row.device, now_ms))) for line, row in parsed
        ]
        check_overlap(old, stays)
        give_way(connection, assumed, {(stay.device, stay.since_ms) for _, stay in stays})
        result = _upsert(connection, t.deployments, [stay_row(stay) for _, stay in stays])
        if result.added or result.changed:
            bump(connection)
    return result


def _upsert(
    connection: Connection, table: sa.Table, new: Sequence[dict[str, Any]], keep: Sequence[str] = ()
) -> Imported:
    keys = [column.name for column in table.primary_key]
    old = {tuple(row[k] for k in keys): row for row in map(dict, connection.execute(sa.select(table)).mappings())}
    added, changed = [], []
    for row in new:
        before = old.get(tuple(row[k] for k in keys))
        if before is None:
            added.append(row)
            continue
        after = {name: before[name] if value is None and name in keep else value for name, value in row.items()}
        if after != before:
            changed.append(after)
    if added:
        connection.execute(sa.insert(table), added)
    for row in changed:
        connection.execute(sa.update(table).where(*(table.c[k] == row[k] for k in keys)).values(row))
    return Imported(len(added), len(changed), len(new) - len(added) - len(changed))


def _check_stations(connection: Connection, named: Sequence[tuple[int, str]]) -> None:
    known = set(connection.execute(sa.select(t.stations.c.station)).scalars())
    bad = [
        BadRow(line, f"station '{s}' is not registered; import stations first") for line, s in named if s not in known
    ]
    if bad:
        raise FileRefused(bad)


def _check_euis(connection: Connection, named: Sequence[tuple[int, Device]]) -> None:
    owners = {row["dev_eui"]: row["device"] for row in rows(connection, t.devices) if "dev_eui" in row}
    bad = [
        BadRow(line, f"dev_eui {device.dev_eui} already belongs to device '{owners[device.dev_eui]}'")
        for line, device in named
        if device.dev_eui and owners.get(device.dev_eui, device.device) != device.device
    ]
    if bad:
        raise FileRefused(bad)


def _check_sessions(connection: Connection, named: Sequence[tuple[int, Device]]) -> None:
    """An ABP device with an address needs the keys of its session, from this file or from before."""
    without = {
        row["device"]
        for row in rows(connection, t.devices)
        if row["activation"] == Activation.ABP and "dev_addr" in row and "nwk_skey" not in row
    }
    bad = [BadRow(line, files.ABP_SESSION) for line, device in named if device.device in without]
    if bad:
        raise FileRefused(bad)
