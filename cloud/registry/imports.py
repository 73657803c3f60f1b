"""Take registry files over: idempotent, all or nothing, every bad row named.

Each file goes through all checks before it is refused, so that one answer names all that is wrong with it. What a row
means beside what is known already: `files`; how stays make room for each other: `stays`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from cloud.calendar import zone_of
from cloud.registry import files
from cloud.registry import tables as t
from cloud.registry.files import DeviceRow, Row
from cloud.registry.registry import Registry, bump, load_stays, rows
from cloud.registry.sealing import Seal, opened, sealed
from cloud.registry.stays import GaveWay, check_overlaps, give_way, place, resolve, stay_row

Guard = Callable[[Connection], None]  # asked at the beginning of the transaction; what it raises ends it


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import did, in rows; and which assumed stays gave way to what the file knows."""

    added: int
    changed: int
    unchanged: int
    gave_way: tuple[GaveWay, ...] = field(default=(), compare=False)


def _open(_: Connection) -> None:
    """Every change may be taken over."""


def import_stations(registry: Registry, data: bytes, guard: Guard = _open) -> Imported:
    """Add and change stations. Raises FileRefused."""
    with registry.engine.begin() as connection:
        guard(connection)
        parsed = files.stations(data, {row["station"]: row for row in rows(connection, t.stations)})
        files.refuse_bad(parsed)
        result = _upsert(connection, t.stations, [row.value.model_dump() for row in parsed if row.value])
        if result.added or result.changed:
            bump(connection)
    return result


def import_devices(registry: Registry, data: bytes, guard: Guard = _open) -> Imported:
    """Add and change devices; `station` opens a deployment from now. Raises FileRefused."""
    with registry.engine.begin() as connection:
        guard(connection)
        seal = registry.seal
        known = {row["device"]: opened(row, seal) for row in rows(connection, t.devices)}
        parsed = files.devices(data, known)
        _check_euis(parsed, {row["dev_eui"]: name for name, row in known.items() if "dev_eui" in row})
        _check_registered(connection, parsed, "station")
        files.refuse_bad(parsed)
        taken = [row.value for row in parsed if row.value]
        result = _upsert(connection, t.devices, [row.device.model_dump(mode="json") for row in taken], seal)
        moved = place(connection, {row.device.device: row.station for row in taken}, registry.now_ms())
        if result.added or result.changed or moved:
            bump(connection)
    return result


def import_deployments(registry: Registry, data: bytes, guard: Guard = _open) -> Imported:
    """Add and change deployments; two of one device must not overlap. Raises FileRefused."""
    parsed = files.deployments(data)
    with registry.engine.begin() as connection:
        guard(connection)
        _check_registered(connection, parsed, "station")
        _check_registered(connection, parsed, "device")
        zones = {row["station"]: zone_of(row["timezone"]) for row in rows(connection, t.stations)}
        old = load_stays(connection)
        stays = resolve(parsed, old, zones, registry.now_ms())
        check_overlaps(old, stays)
        files.refuse_bad(parsed)
        gave_way = give_way(connection, old, [stay for _, stay in stays])
        result = _upsert(connection, t.deployments, [stay_row(stay) for _, stay in stays])
        if result.added or result.changed:
            bump(connection)
    return Imported(result.added, result.changed, result.unchanged, gave_way)


def _upsert(
    connection: Connection, table: sa.Table, new: Sequence[dict[str, Any]], seal: Seal | None = None
) -> Imported:
    """`seal`: of a table with keys, which are compared open and written sealed."""
    keys = [column.name for column in table.primary_key]
    found = map(dict, connection.execute(sa.select(table)).mappings())
    old = {tuple(row[k] for k in keys): opened(row, seal) for row in found}
    added, changed = [], []
    for row in new:
        before = old.get(tuple(row[k] for k in keys))
        if before is None:
            added.append(sealed(row, seal))
        elif row != before:
            changed.append(sealed(row, seal))
    if added:
        connection.execute(sa.insert(table), added)
    if changed:  # all in one statement: with a database on another machine each would be a journey
        here = [table.c[k] == sa.bindparam(f"key_{k}") for k in keys]
        rest = {c.name: sa.bindparam(f"new_{c.name}", type_=c.type) for c in table.c if c.name not in keys}
        names = {f"key_{k}": k for k in keys} | {f"new_{name}": name for name in rest}
        connection.execute(
            sa.update(table).where(*here).values(rest), [{p: row[n] for p, n in names.items()} for row in changed]
        )
    return Imported(len(added), len(changed), len(new) - len(added) - len(changed))


def _check_registered(connection: Connection, parsed: Sequence[Row[Any]], what: str) -> None:
    """The stations or devices that rows name; also those of rows that are bad already, if they can be read."""
    table = {"station": t.stations, "device": t.devices}[what]
    known = {row[what] for row in rows(connection, table)}
    for row in parsed:
        name = row.cells.get(what)
        if name and name not in known and not row.broken:
            row.bad.append(f"{what} '{name}' is not registered; import {what}s first")


def _check_euis(parsed: Sequence[Row[DeviceRow]], owners: dict[str, str]) -> None:
    for row in parsed:
        if row.value is None or not (eui := row.value.device.dev_eui):
            continue
        owner = owners.get(eui, row.value.device.device)
        if owner != row.value.device.device:
            row.bad.append(f"dev_eui {eui} already belongs to device '{owner}'")
