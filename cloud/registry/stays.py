"""Deployments as files change them: where a device was, from when to when, in the registry's tables.

The rules: stays of one device do not overlap. A stay whose start is only assumed takes all that came before, so it is
the first. A file that knows better takes from it what overlaps, and no more: where the device stands now is not
forgotten because somebody wrote down where it was last year.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time
from math import inf
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from cloud.registry import tables as t
from cloud.registry.deployments import Stay, Whereabouts, overlaps
from cloud.registry.files import DeploymentRow, Row
from cloud.registry.registry import load_stays
from schemas.models import utc_text_ms

YEARS = range(1900, 2101)
Resolved = list[tuple[Row[DeploymentRow], Stay]]
_TIMES = (
    "`from` and `to` are dates or RFC 3339 times, like 2026-11-22T10:15:00Z, "
    f"in the years {YEARS.start} to {YEARS.stop - 1}"
)


@dataclass(frozen=True, slots=True)
class GaveWay:
    """An assumed stay that a file shortened (`now`) or removed (None)."""

    before: Stay
    now: Stay | None
    as_said: bool = False  # the file names this very stay and its end

    def __str__(self) -> str:
        stay = f"'{self.before.device}' at '{self.before.station}'"
        if self.now is None:
            return f"{stay} was removed: the file says where the device is"
        ends = None if self.now.until_ms is None else utc_text_ms(self.now.until_ms)
        if self.as_said:
            return f"{stay} ends {ends} now, as the file says"
        begins = f"begins {utc_text_ms(self.now.since_ms)} now, where the file's stays end"
        if self.now.until_ms == self.before.until_ms:
            return f"{stay} {begins}"
        if self.now.assumed_start:
            return f"{stay} ends {ends} now, where the file's next stay begins"
        return f"{stay} {begins}, and ends {ends}, where the file's next stay begins"


def resolve(
    parsed: Sequence[Row[DeploymentRow]], old: Sequence[Stay], zones: Mapping[str, ZoneInfo], now_ms: int
) -> Resolved:
    """Rows as stays, on top of those that are there already; rows whose times are wrong get their fault."""
    known = {(stay.device, stay.since_ms): stay for stay in old}
    assumed = {stay.device: stay for stay in old if stay.assumed_start}
    seen: dict[tuple[str, int | None], int] = {}
    stays = []
    for row in parsed:
        if row.value is None:
            continue
        stay = _stay_of(row, row.value, zones, known, assumed, now_ms)
        if stay is None:
            continue
        since_ms = None if stay.assumed_start else stay.since_ms
        if (first := seen.setdefault((stay.device, since_ms), row.line)) != row.line:
            since = "(empty)" if since_ms is None else utc_text_ms(since_ms)
            row.bad.append(f"'{stay.device} from {since}' is already on line {first}")
        elif stay.until_ms is not None and stay.until_ms <= stay.since_ms:
            row.bad.append("`to` is not after `from`")
        else:
            stays.append((row, stay))
    return stays


def _stay_of(
    row: Row[DeploymentRow],
    value: DeploymentRow,
    zones: Mapping[str, ZoneInfo],
    known: Mapping[tuple[str, int], Stay],
    assumed: Mapping[str, Stay],
    now_ms: int,
) -> Stay | None:
    """Without `from` its start is assumed, and lies where it was or before its end."""
    zone = zones.get(value.station, ZoneInfo("UTC"))
    try:
        since_ms = instant_ms(value.since, zone) if value.since else None
        until_ms = instant_ms(value.until, zone) if value.until else None
    except (ValueError, OverflowError):
        row.bad.append(_TIMES)
        return None
    first = assumed.get(value.device)
    if since_ms is None:
        before = first if first is not None and first.station == value.station else None
    else:
        before = known.get((value.device, since_ms))
    if before is not None and "to" not in row.cells:
        until_ms = before.until_ms
    if since_ms is None:
        since_ms = now_ms if first is None else first.since_ms
        since_ms = since_ms if until_ms is None else min(since_ms, until_ms - 1)
    stay = Stay(value.device, value.station, since_ms, until_ms, value.since is None, value.height_m, value.note)
    if before is not None:
        stay = replace(stay, **{n: getattr(before, n) for n in ("height_m", "note") if n not in row.cells})
    return stay


def instant_ms(text: str, zone: ZoneInfo) -> int:
    """Milliseconds since 1970 of an RFC 3339 time, or of midnight of a date in a zone. Raises ValueError."""
    if re.fullmatch(r"\d{4}-\d\d-\d\d", text, re.ASCII):
        moment = datetime.combine(date.fromisoformat(text), time(), zone)
    else:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            raise ValueError("no time zone")
    if moment.year not in YEARS:
        raise ValueError("a year that nobody means")
    return round(moment.astimezone(UTC).timestamp() * 1000)


def stay_row(stay: Stay) -> dict[str, Any]:
    return {name: getattr(stay, name) for name in Stay.__slots__}


def check_overlaps(old: Sequence[Stay], new: Resolved) -> None:
    """Rows whose stay overlaps another get their fault. An assumed stay that is there already will give way."""
    kept = {(stay.device, stay.since_ms): stay for stay in old if not stay.assumed_start}
    kept |= {(stay.device, stay.since_ms): stay for _, stay in new}
    others: dict[Stay, Stay] = {}
    for one, other in overlaps(kept.values()):
        others.setdefault(one, other)
        others.setdefault(other, one)
    for row, stay in new:
        if stay in others:
            there = others[stay].station
            row.bad.append(f"'{stay.device}' is at '{there}' at that time; close that stay first")


def give_way(connection: Connection, old: Sequence[Stay], new: Sequence[Stay]) -> tuple[GaveWay, ...]:
    """Of a device that the file names, shorten or remove the assumed stay where new ones overlap it."""
    by_device: dict[str, list[Stay]] = {}
    for stay in new:
        by_device.setdefault(stay.device, []).append(stay)
    done = []
    for stay in old:
        if stay.assumed_start and stay.device in by_device:
            gave_way = rest_of(stay, by_device[stay.device])
            if gave_way.now != stay:
                done.append(gave_way)
    if done:
        here = [t.deployments.c[name] == sa.bindparam(f"old_{name}") for name in ("device", "since_ms")]
        old_keys = [{"old_device": gave.before.device, "old_since_ms": gave.before.since_ms} for gave in done]
        connection.execute(sa.delete(t.deployments).where(*here), old_keys)
    # What the file itself says of a stay comes in as a row of its own.
    if rest := [stay_row(gave.now) for gave in done if gave.now is not None and not gave.as_said]:
        connection.execute(sa.insert(t.deployments), rest)
    return tuple(done)


def rest_of(assumed: Stay, new: Sequence[Stay]) -> GaveWay:
    """What new stays of its device leave of an assumed one: the piece around its `since_ms`, where we know it stood.

    If another place covers even that, it is the piece behind them all; if the same place does, it is the same stay with
    a known start. A piece with something before it has a known start.
    """
    for stay in new:
        if stay.assumed_start and stay.station == assumed.station:
            same = stay.since_ms == assumed.since_ms  # comes in as a change of that row
            return GaveWay(assumed, assumed if same else stay, as_said=not same)
    earlier = [stay for stay in new if stay.assumed_start or stay.since_ms <= assumed.since_ms]
    begin = max((_end(stay) for stay in earlier), default=-inf)
    end = _end(assumed)
    if begin > assumed.since_ms:
        here = max(earlier, key=_end)
        if here.station == assumed.station:
            return GaveWay(assumed, None)
        begin = max(_end(stay) for stay in new)
    else:
        end = min([end, *(stay.since_ms for stay in new if stay not in earlier)])
    if begin >= end:
        return GaveWay(assumed, None)
    rest = replace(assumed, until_ms=None if end == inf else int(end))
    if begin > -inf:
        rest = replace(rest, since_ms=int(begin), assumed_start=False)
    return GaveWay(assumed, rest)


def _end(stay: Stay) -> float:
    return inf if stay.until_ms is None else stay.until_ms


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
