"""Series as anybody would work them out by hand: whole lists, `zoneinfo`, one interval after the other.

The second opinion on `cloud.series`, `cloud.counters`, `cloud.shares` and `cloud.calendar`, written from their
documentation (docs/api.md, decisions 22 and 23) and sharing nothing with them but the quantities table. Exact fractions
instead of floats wherever that is possible, all of history at once, no streaming, no look-back.
"""

import math
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from functools import cache
from itertools import pairwise
from typing import NamedTuple
from zoneinfo import ZoneInfo

from schemas.quantities import BY_NAME

LIVE_MS = 3 * 60 * 60 * 1000
FIXED_MINUTES = {"PT1M": 1, "PT5M": 5, "PT10M": 10, "PT15M": 15, "PT30M": 30, "PT1H": 60}


class Raw(NamedTuple):
    """What was written."""

    time_ms: int
    value: float
    quality: str
    device: str


class Told(NamedTuple):
    """One row: start, aggregates by name, how many values it rests on, how many were judged X or B."""

    time_ms: int
    aggregates: dict[str, float | None]
    count: int
    flagged: int


# -- the calendar: every border of an interval of a range, from the zone's own day by day arithmetic


def instants(wall: datetime, zone: ZoneInfo) -> list[int]:
    """Moments (ms) at which the clock on the wall shows this; none where it is skipped, two where it comes twice."""
    found = set()
    for fold in (0, 1):
        moment = wall.replace(tzinfo=zone, fold=fold).astimezone(UTC)
        if moment.astimezone(zone).replace(tzinfo=None) == wall:
            found.add(round(moment.timestamp() * 1000))
    return sorted(found)


def wall_border(wall: datetime, zone: ZoneInfo) -> int:
    """The first moment at which the clock shows this time or a later one for the first time."""
    if there := instants(wall, zone):
        return there[0]
    minute = wall
    while not (there := instants(minute, zone)):
        minute += timedelta(minutes=1)
    return there[0]


def borders(every: str, zone: ZoneInfo, first_ms: int, last_ms: int) -> list[int]:
    """Starts of all intervals that touch [first, last], and one border more."""
    day = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=first_ms)).astimezone(zone).date()
    last_day = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=last_ms)).astimezone(zone).date()
    if every == "P1Y":
        walls = [datetime(year, 1, 1) for year in range(day.year, last_day.year + 2)]
    elif every == "P1M":
        months = range(day.year * 12 + day.month - 1, last_day.year * 12 + last_day.month + 1)
        walls = [datetime(month // 12, month % 12 + 1, 1) for month in months]
    else:
        begin = day - timedelta(days=day.weekday() if every == "P1W" else 1)
        days = [begin + timedelta(days=n) for n in range((last_day - begin).days + (9 if every == "P1W" else 3))]
        if every in FIXED_MINUTES:
            return _clock_borders(days, FIXED_MINUTES[every], zone)
        hours = {"PT3H": 3, "PT6H": 6, "PT12H": 12}.get(every, 24)
        if every == "P1W":
            days = days[::7]
        walls = [datetime(d.year, d.month, d.day, hour) for d in days for hour in range(0, 24, hours)]
    return sorted({wall_border(wall, zone) for wall in walls})


def _clock_borders(days: list[date], minutes: int, zone: ZoneInfo) -> list[int]:
    """Minute by minute: where the wall shows a multiple, each time that it does, and where the clock is changed."""
    found = []
    start, end = (wall_border(datetime(d.year, d.month, d.day), zone) for d in (days[0], days[-1]))
    before = None
    for time_ms in range(start, end, 60_000):
        local = datetime.fromtimestamp(time_ms / 1000, zone)
        offset = local.utcoffset()
        if (local.hour * 60 + local.minute) % minutes == 0 or (before is not None and offset != before):
            found.append(time_ms)
        before = offset
    return found


# -- what counters and rain gauges add


class Step(NamedTuple):
    """A used reading of a device: [since, time] and what it added, whole; None where nothing is known."""

    since_ms: int | None
    time_ms: int
    amount: Fraction | None
    device: str


def steps(readings: list[Raw], quantity: str) -> list[Step]:
    """Of each device, its own readings one after the other."""
    counter = BY_NAME[quantity].kind == "counter"
    found = []
    for device in sorted({one.device for one in readings}):
        own = sorted(one for one in readings if one.device == device)
        for k, one in enumerate(own):
            since = own[k - 1].time_ms if k else None
            if not counter:
                amount: Fraction | None = Fraction(one.value)
            else:
                amount = _added(own[k - 1].value, one.value, BY_NAME[quantity].maximum) if k else None
            found.append(Step(since, one.time_ms, amount, device))
    return found


def _added(before: float, now: float, top: float) -> Fraction:
    if now < before:
        if before <= top and before >= top * 0.9 and 0 <= now <= top * 0.1:
            return Fraction(top) - Fraction(before) + Fraction(now)  # rolled over
        if 0 <= now < before / 2:
            return Fraction(now)  # began anew at zero
        return Fraction(0)  # a correction
    return Fraction(now) - Fraction(before)


def shares(told: list[Step]) -> dict[tuple[str, int], Fraction | None]:
    """(device, time) -> what counts of what it added there, decided with all of history in view."""
    live = [s for s in told if s.amount is not None and s.since_ms is not None and s.time_ms - s.since_ms <= LIVE_MS]
    out: dict[tuple[str, int], Fraction | None] = {}
    for step in told:
        if step.amount is None:
            out[step.device, step.time_ms] = None
            continue
        others = [(s.since_ms or 0, s.time_ms, s.device) for s in live if s.device != step.device]
        if step not in live:
            others += _known_of_others(told, step)
        out[step.device, step.time_ms] = step.amount * _share(step, others, step in live)
    return out


def _known_of_others(told: list[Step], step: Step) -> list[tuple[int, int, str]]:
    """From the first to the last reading that each other device had sent when this one came."""
    found = []
    for device in {s.device for s in told} - {step.device}:
        # Readings of one moment come in the order of their devices.
        own = [s.time_ms for s in told if s.device == device and (s.time_ms, s.device) < (step.time_ms, step.device)]
        if own:
            found.append((min(own), max(own), device))
    return found


def _share(step: Step, others: list[tuple[int, int, str]], live: bool) -> Fraction:
    if step.since_ms is None or step.since_ms >= step.time_ms:
        return Fraction(not any(a <= step.time_ms <= b for a, b, _ in others))
    cuts = {step.since_ms, step.time_ms}
    cuts |= {t for a, b, _ in others for t in (a, b) if step.since_ms < t < step.time_ms}
    marks, whole = sorted(cuts), Fraction(0)
    for left, right in pairwise(marks):
        beside = len({device for a, b, device in others if a <= left and right <= b})
        whole += (right - left) * (Fraction(1, 1 + beside) if live else Fraction(not beside))
    return whole / (step.time_ms - step.since_ms)


# -- one interval


def _circle(values: list[float]) -> float | None:
    east = math.fsum(math.sin(math.radians(v)) for v in values)
    north = math.fsum(math.cos(math.radians(v)) for v in values)
    if math.hypot(east, north) <= 1e-9 * len(values):
        return None
    return math.degrees(math.atan2(east, north)) % 360


def _energy(values: list[float]) -> float:
    return 10 * math.log10(math.fsum(10 ** (v / 10) for v in values) / len(values))


def _plain_mean(values: list[float]) -> float:
    return float(sum(map(Fraction, values)) / len(values))


_MEAN: dict[str, Callable[[list[float]], float | None]] = {"vector": _circle, "energy": _energy}


def _aggregate(name: str, kind: str, used: list[Raw], amounts: list[Fraction]) -> float | None:
    if name in ("sum", "difference"):
        return float(sum(amounts)) if amounts else None
    values = [one.value for one in used]
    if not values:
        return None
    if name == "mean":
        return _MEAN.get(kind, _plain_mean)(values)
    return {"min": min(values), "max": max(values), "first": values[0], "last": values[-1]}[name]


@cache
def all_amounts(written: tuple[Raw, ...], quantity: str, all_count: bool) -> dict[tuple[str, int], Fraction | None]:
    """Of a whole history."""
    return shares(steps([one for one in written if all_count or one.quality[0] not in "XB"], quantity))


def recompute(
    written: tuple[Raw, ...],
    quantity: str,
    every: str,
    zone: ZoneInfo,
    names: list[str],
    all_count: bool,
    window: tuple[int, int],
) -> list[Told]:
    """The rows of the intervals that touch [from, to)."""
    kind = BY_NAME[quantity].kind
    edges = borders(every, zone, window[0], window[1] - 1)
    near = [one for one in written if edges[0] <= one.time_ms < edges[-1]]
    flagged = [one for one in near if one.quality[0] in "XB"]
    used = [one for one in near if all_count or one.quality[0] not in "XB"]
    amounts = all_amounts(written, quantity, all_count) if kind in ("counter", "sum") else {}
    rows = []
    for start, end in pairwise(edges):
        if end <= window[0] or start >= window[1]:
            continue
        here = sorted((one for one in used if start <= one.time_ms < end), key=lambda one: (one.time_ms, one.device))
        n_flagged = sum(start <= one.time_ms < end for one in flagged)
        if not here and not n_flagged:
            continue
        added = [amount for one in here if (amount := amounts.get((one.device, one.time_ms))) is not None]
        told = {name: _aggregate(name, kind, here, added) for name in names}
        rows.append(Told(start, told, len(here), n_flagged))
    return rows
