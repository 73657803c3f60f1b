"""Take registry files over: idempotent, all or nothing, every bad row named.

What the file leaves empty stays as it is where emptiness would destroy something (keys); all else is as the file says.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from cloud.registry import files
from cloud.registry import tables as t
from cloud.registry.deployments import Stay, overlap
from cloud.registry.files import BadRow, FileRefused
from cloud.registry.registry import Registry, bump, load_stays, rows
from schemas.models import Device

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
        moved = _place(connection, {row.device.device: row.station for _, row in parsed}, registry.now_ms())
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
        stays = [(line, _stay(line, row, zones[row.station])) for line, row in parsed]
        _check_overlap(load_stays(connection), stays)
        # Of a device that the file names, an assumed stay gives way to what is known now.
        named = [stay.device for _, stay in stays]
        connection.execute(
            sa.delete(t.deployments).where(t.deployments.c.device.in_(named), t.deployments.c.assumed_start)
        )
        result = _upsert(connection, t.deployments, [_stay_row(stay) for _, stay in stays])
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


def _check_overlap(old: Sequence[Stay], new: Sequence[tuple[int, Stay]]) -> None:
    kept: dict[str, dict[int, Stay]] = {stay.device: {} for _, stay in new}
    for stay in old:
        if stay.device in kept and not stay.assumed_start:
            kept[stay.device][stay.since_ms] = stay
    bad = []
    for line, stay in new:
        kept[stay.device][stay.since_ms] = stay
        if stay.until_ms is not None and stay.until_ms <= stay.since_ms:
            bad.append(BadRow(line, "`to` is not after `from`"))
    for line, stay in new:
        clash = overlap(kept[stay.device].values())
        if clash and stay in clash:
            other = clash[0] if clash[1] is stay else clash[1]
            bad.append(BadRow(line, f"'{stay.device}' is at '{other.station}' at that time; close that stay first"))
    if bad:
        raise FileRefused(sorted(bad, key=lambda row: row.line))


def _place(connection: Connection, places: Mapping[str, str | None], now_ms: int) -> bool:
    """Put devices at stations from now, unless they stand there. A device's first stay has an assumed start."""
    stays: dict[str, list[Stay]] = {}
    for stay in load_stays(connection):
        stays.setdefault(stay.device, []).append(stay)
    opened = []
    for device, station in places.items():
        before = stays.get(device, [])
        current = next((stay for stay in before if stay.until_ms is None), None)
        if station is None or (current is not None and current.station == station):
            continue
        since_ms = now_ms
        if current is not None:
            since_ms = max(now_ms, current.since_ms + 1)
            close = sa.update(t.deployments).where(t.deployments.c.device == device, t.deployments.c.until_ms.is_(None))
            connection.execute(close.values(until_ms=since_ms))
        opened.append(_stay_row(Stay(device, station, since_ms, assumed_start=not before)))
    if opened:
        connection.execute(sa.insert(t.deployments), opened)
    return bool(opened)


def _stay(line: int, row: files.DeploymentRow, zone: ZoneInfo) -> Stay:
    try:
        since, until = instant_ms(row.since, zone), instant_ms(row.until, zone) if row.until else None
    except ValueError:
        raise FileRefused(
            [BadRow(line, "`from` and `to` are dates or RFC 3339 times, like 2026-11-22T10:15:00Z")]
        ) from None
    return Stay(row.device, row.station, since, until, False, row.height_m, row.note)


def _stay_row(stay: Stay) -> dict[str, Any]:
    return {name: getattr(stay, name) for name in Stay.__slots__}


def instant_ms(text: str, zone: ZoneInfo) -> int:
    """Milliseconds since 1970 of an RFC 3339 time, or of midnight of a date in a zone. Raises ValueError."""
    if len(text) == 10:
        moment = datetime.combine(date.fromisoformat(text), time(), zone)
    else:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            raise ValueError("no time zone")
    return round(moment.astimezone(UTC).timestamp() * 1000)
