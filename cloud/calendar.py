"""Calendar intervals in a time zone: which interval a moment lies in, both days of the clock change included. Pure.

Up to an hour, intervals follow the clock on the wall step by step: the hour that comes twice in autumn is two hours.
From three hours on, borders are wall-clock times (00, 03, 06 … ; midnight; Monday as in ISO 8601; the first of the
month or year): the day of the change has 23 or 25 hours. Intervals never overlap and leave nothing out.
"""

from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import cache
from importlib.resources import files
from typing import NamedTuple
from zoneinfo import ZoneInfo

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
_STEPS_MS = {
    "PT1M": 60_000,
    "PT5M": 300_000,
    "PT10M": 600_000,
    "PT15M": 900_000,
    "PT30M": 1_800_000,
    "PT1H": HOUR_MS,
}
_HOURS = {"PT3H": 3, "PT6H": 6, "PT12H": 12}
EVERY = (*_STEPS_MS, *_HOURS, "P1D", "P1W", "P1M", "P1Y")


class EveryError(ValueError):
    """The text is no interval that we know; the message names those."""


class Run(NamedTuple):
    """Intervals of one length, one after the other: [start, end) in steps, ms."""

    start_ms: int
    end_ms: int
    step_ms: int


class Calendar:
    """The intervals of one length in one time zone."""

    def __init__(self, every: str, zone: tzinfo) -> None:
        if every not in EVERY:
            raise EveryError(f"'{every}' is not an interval: use one of {' '.join(EVERY)}")
        self.every = every
        self._zone = zone
        self._step_ms = _STEPS_MS.get(every, 0)
        self.length_ms = self._step_ms or _HOURS.get(every, 24) * HOUR_MS  # at least, but for changes of the clock

    def bounds(self, time_ms: int) -> tuple[int, int]:
        """[start, end) of the interval around a moment, ms since 1970 UTC."""
        if self._step_ms:
            return self._step(time_ms)
        wall = _datetime(time_ms).astimezone(self._zone).replace(tzinfo=None)
        start, end = self._wall_bounds(wall)
        if time_ms >= self._instant(end):  # the clock went back over a border: what comes twice stays behind it
            start, end = self._wall_bounds(end)
        return self._instant(start), self._instant(end)

    def runs(self, start_ms: int, end_ms: int) -> list[Run]:
        """The intervals from one border to another, those of equal length that follow each other as one run."""
        found: list[Run] = []
        while start_ms < end_ms:
            start_ms, after_ms = self.bounds(start_ms)
            step_ms = after_ms - start_ms
            if found and found[-1].step_ms == step_ms:
                found[-1] = found[-1]._replace(end_ms=after_ms)
            else:
                found.append(Run(start_ms, after_ms, step_ms))
            start_ms = after_ms
        return found

    def _step(self, time_ms: int) -> tuple[int, int]:
        offset = self._offset_ms(time_ms)
        start = (time_ms + offset) // self._step_ms * self._step_ms - offset
        end = start + self._step_ms
        # Where the clock is changed by less than a step (Lord Howe: 30 minutes), the change is a border too.
        if self._offset_ms(start) != offset:
            start = self._change(start, time_ms)
        if self._offset_ms(end - 1) != offset:
            end = self._change(time_ms, end - 1)
        return start, end

    def _wall_bounds(self, wall: datetime) -> tuple[datetime, datetime]:
        day = wall.date()
        if self.every in _HOURS:
            hours = _HOURS[self.every]
            start = datetime.combine(day, time(wall.hour // hours * hours))
            return start, start + timedelta(hours=hours)
        first, after = self._days(day)
        return datetime.combine(first, time()), datetime.combine(after, time())

    def _days(self, day: date) -> tuple[date, date]:
        if self.every == "P1D":
            return day, day + timedelta(days=1)
        if self.every == "P1W":
            monday = day - timedelta(days=day.weekday())
            return monday, monday + timedelta(days=7)
        if self.every == "P1M":
            first = day.replace(day=1)
            return first, (first + timedelta(days=31)).replace(day=1)
        first = day.replace(month=1, day=1)
        return first, first.replace(year=first.year + 1)

    def _instant(self, wall: datetime) -> int:
        """A wall-clock time that comes twice is the first, one that is skipped is the moment of the change."""
        first, second = (_ms(wall.replace(tzinfo=self._zone, fold=fold)) for fold in (0, 1))
        return first if first <= second else self._change(second, first)

    def _offset_ms(self, time_ms: int) -> int:
        offset = _datetime(time_ms).astimezone(self._zone).utcoffset() or timedelta()
        return offset // timedelta(milliseconds=1)

    def _change(self, before_ms: int, after_ms: int) -> int:
        """The first moment in (before, after] with the offset of `after`."""
        offset = self._offset_ms(after_ms)
        while after_ms - before_ms > 1:
            middle = (before_ms + after_ms) // 2
            if self._offset_ms(middle) == offset:
                after_ms = middle
            else:
                before_ms = middle
        return after_ms


def day_start(day: date, zone: tzinfo) -> int:
    """The first moment of a calendar day, ms since 1970 UTC."""
    return _ms(datetime.combine(day, time(), zone))


def zone_of(name: str) -> ZoneInfo:
    """A time zone by its IANA name, the same on every machine. Raises ValueError, which says what is expected."""
    try:
        if name not in _zone_names():  # what else lies in the machine's folder: localtime, posixrules, right/…
            raise KeyError(name)
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError(
            f"'{name}' is not a time zone: use a name of the IANA list, like Europe/Berlin or UTC"
        ) from None


@cache
def _zone_names() -> frozenset[str]:
    return frozenset((files("tzdata") / "zones").read_text("utf-8").split()) - {"Factory", "localtime", "posixrules"}


def _datetime(time_ms: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=time_ms)


def _ms(moment: datetime) -> int:
    return (moment.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
