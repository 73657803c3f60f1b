"""Times in requests and answers: RFC 3339 and dates in, UTC with `Z` out. Pure."""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo

from cloud.api.problems import BadParameter
from cloud.calendar import Calendar, day_start
from cloud.time_text import DAY_MS, TimeText

YEARS = (1679, 2260)  # the whole years that the stores can hold
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_RFC3339 = re.compile(r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d(?::\d\d(?:\.\d+)?)?)([Zz]|[+ -]\d\d:\d\d)")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# What is shown when `from` is missing: enough to see something, little enough to be quick.
_DEFAULT_DAYS = {"PT1H": 7, "PT3H": 7, "PT6H": 7, "PT12H": 7, "P1D": 366, "P1W": 366, "P1M": 30 * 366, "P1Y": 30 * 366}


@dataclass(frozen=True, slots=True)
class Window:
    """[start, end) in ms since 1970 UTC."""

    start_ms: int
    end_ms: int


def window(start: str | None, end: str | None, every: Calendar | None, zone: tzinfo, now_ms: int) -> Window:
    """What `from` and `to` ask for. Dates are midnight in the zone, `to` is not included.

    Without `to`: until now. Without `from`: a day, for hours a week, for days a year, for months 30 years. With `every`
    both are widened to borders of intervals, so that every row is a whole interval. Raises BadParameter.
    """
    end_ms = moment("to", end, zone) if end is not None else None
    start_ms = moment("from", start, zone) if start is not None else None
    if end_ms is None:
        end_ms = now_ms + 1
        if start_ms is not None and start_ms >= end_ms:
            raise BadParameter(
                f"`from` is '{start}', which lies in the future: give an earlier one, or a `to` after it"
            )
    if start_ms is None:
        start_ms = end_ms - DAY_MS * (_DEFAULT_DAYS.get(every.every, 1) if every else 1)
    if start_ms >= end_ms:
        raise BadParameter(
            f"`from` is '{start}', which is not before `to`, '{end}'; `to` is not included, so for one day give the "
            "next day as `to`"
        )
    if every:
        start_ms, end_ms = every.bounds(start_ms)[0], every.bounds(end_ms - 1)[1]
    return Window(start_ms, end_ms)


def moment(name: str, text: str, zone: tzinfo) -> int:
    """Ms since 1970 UTC of an RFC 3339 time or a date (its midnight in the zone). Raises BadParameter."""
    text = text.strip()
    timed = _RFC3339.fullmatch(text)
    try:
        if (_DATE.fullmatch(text) or timed) and not YEARS[0] <= int(text[:4]) <= YEARS[1]:
            raise BadParameter(f"`{name}` is '{text}': give a year from {YEARS[0]} to {YEARS[1]}")
        if _DATE.fullmatch(text):
            return day_start(date.fromisoformat(text), zone)
        if timed:
            day, clock, offset = timed.groups()
            # A + that was not written as %2B arrives as a blank.
            moment_ = datetime.fromisoformat(f"{day}T{clock}{offset.upper().replace(' ', '+')}")
            return (moment_ - _EPOCH) // timedelta(milliseconds=1)
        raise ValueError(text)
    except ValueError:
        raise BadParameter(
            f"`{name}` is '{text}', which is neither a date nor an RFC 3339 time with its offset: write 2026-11-22, "
            "2026-11-22T10:00:00Z or 2026-11-22T11:00:00%2B01:00"
        ) from None


def utc_text(time_ms: int) -> str:
    """One time as RFC 3339 in UTC."""
    return TimeText()(time_ms)


class GermanText:
    """Ms since 1970 to local time as German spreadsheets read it: 22.11.2026 11:15:00."""

    def __init__(self, zone: tzinfo) -> None:
        self._zone = zone
        self._day: int | None = None
        self._offset_ms: int | None = None  # None on a day on which the clock changes
        self._local_day: int | None = None
        self._date = ""

    def __call__(self, time_ms: int) -> str:
        day = time_ms // DAY_MS
        if day != self._day:
            first, last = self._offset(day * DAY_MS), self._offset((day + 1) * DAY_MS - 1)
            self._day, self._offset_ms = day, first if first == last else None
        offset_ms = self._offset(time_ms) if self._offset_ms is None else self._offset_ms
        local_day, rest = divmod(time_ms + offset_ms, DAY_MS)
        if local_day != self._local_day:
            self._local_day, self._date = local_day, (_EPOCH + timedelta(days=local_day)).strftime("%d.%m.%Y ")
        second = rest // 1000
        return f"{self._date}{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}"

    def _offset(self, time_ms: int) -> int:
        moment_ = (_EPOCH + timedelta(milliseconds=time_ms)).astimezone(self._zone)
        return (moment_.utcoffset() or timedelta()) // timedelta(milliseconds=1)
