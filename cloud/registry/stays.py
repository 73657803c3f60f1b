"""Deployments as files change them: where a device was, from when to when, in the registry's tables.

The rules: stays of one device do not overlap. A stay whose start is only assumed takes all that came before, so it is
the first; it keeps its place until a file knows better.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from cloud.registry import files
from cloud.registry import tables as t
from cloud.registry.deployments import Stay, Whereabouts, overlap
from cloud.registry.files import BadRow, FileRefused
from cloud.registry.registry import load_stays


def stay_of(line: int, row: files.DeploymentRow, zone: ZoneInfo, assumed_ms: int) -> Stay:
    """Without `from` its start is assumed, and lies where it was or before its end."""
    try:
        until = instant_ms(row.until, zone) if row.until else None
        before_end = assumed_ms if until is None else min(assumed_ms, until - 1)
        since = instant_ms(row.since, zone) if row.since else before_end
    except (ValueError, OverflowError):
        raise FileRefused(
            [BadRow(line, "`from` and `to` are dates or RFC 3339 times, like 2026-11-22T10:15:00Z")]
        ) from None
    return Stay(row.device, row.station, since, until, row.since is None, row.height_m, row.note)


def instant_ms(text: str, zone: ZoneInfo) -> int:
    """Milliseconds since 1970 of an RFC 3339 time, or of midnight of a date in a zone. Raises ValueError."""
    if len(text) == 10:
        moment = datetime.combine(date.fromisoformat(text), time(), zone)
    else:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            raise ValueError("no time zone")
    return round(moment.astimezone(UTC).timestamp() * 1000)


def stay_row(stay: Stay) -> dict[str, Any]:
    return {name: getattr(stay, name) for name in Stay.__slots__}


def check_overlap(old: Sequence[Stay], new: Sequence[tuple[int, Stay]]) -> None:
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


def give_way(connection: Connection, assumed: Mapping[str, int], new: Collection[tuple[str, int]]) -> None:
    """Of a device that the file names, an assumed stay gives way to what is known now."""
    for device in {device for device, _ in new} & set(assumed):
        if (device, since_ms := assumed[device]) not in new:
            here = (t.deployments.c.device == device, t.deployments.c.since_ms == since_ms)
            connection.execute(sa.delete(t.deployments).where(*here))


def place(connection: Connection, places: Mapping[str, str | None], now_ms: int) -> bool:
    """Put devices at stations from now, unless they stand there. A device's first stay has an assumed start."""
    stays: dict[str, list[Stay]] = {}
    for stay in load_stays(connection):
        stays.setdefault(stay.device, []).append(stay)
    opened = []
    for device, station in places.items():
        before = stays.get(device, [])
        where = Whereabouts(before)
        current = where.stay(device, now_ms)
        if station is None or (current is not None and current.station == station):
            continue
        since_ms = now_ms
        if current is not None:
            since_ms = max(now_ms, current.since_ms + 1)
            here = (t.deployments.c.device == device, t.deployments.c.since_ms == current.since_ms)
            connection.execute(sa.update(t.deployments).where(*here).values(until_ms=since_ms))
        until_ms = where.next_ms(device, since_ms)  # what is planned stays so
        opened.append(stay_row(Stay(device, station, since_ms, until_ms, assumed_start=not before)))
    if opened:
        connection.execute(sa.insert(t.deployments), opened)
    return bool(opened)
