"""Times of files to milliseconds since 1970 UTC, quick where many are of the same day. Pure.

RFC 3339 with its offset (https://www.rfc-editor.org/rfc/rfc3339), and the digits of the German Weather Service
(yyyymmdd, yyyymmddhh, yyyymmddhhmm, yyyymmddhh:mm). Digits beyond the millisecond are cut off.
"""

import re
from datetime import date
from functools import lru_cache

from cloud.time_text import DAY_MS

_EPOCH_DAY = date(1970, 1, 1).toordinal()
_RFC3339 = re.compile(r"(\d{4}-\d\d-\d\d)[Tt ](\d\d):(\d\d):(\d\d)(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_DIGITS = re.compile(r"(\d{8})(?:(\d\d):?(\d\d)?)?", re.ASCII)


@lru_cache(maxsize=4096)
def day_ms(text: str) -> int:
    """The midnight in UTC of a date, `2026-11-22`. Raises ValueError."""
    if not _DATE.fullmatch(text):
        raise ValueError(text)
    return (date.fromisoformat(text).toordinal() - _EPOCH_DAY) * DAY_MS


def rfc3339_ms(text: str) -> int:
    """Raises ValueError, which says what is expected."""
    found = _RFC3339.fullmatch(text)
    if found is not None:
        day, hour, minute, second, fraction, offset = found.groups()
        h, m, s = int(hour), int(minute), int(second)
        if h < 24 and m < 60 and s < 60:
            try:
                time_ms = day_ms(day) + (h * 3600 + m * 60 + s) * 1000
                if fraction:
                    time_ms += int(fraction[1:4].ljust(3, "0"))
                return time_ms if offset in "Zz" else time_ms - _offset_ms(offset)
            except ValueError:
                pass
    raise ValueError(f"'{text}' is not an RFC 3339 time with its offset: write 2026-11-22T10:00:00Z")


@lru_cache(maxsize=256)
def _offset_ms(text: str) -> int:
    hours, minutes = int(text[1:3]), int(text[4:6])
    if hours > 23 or minutes > 59:
        raise ValueError(text)
    return (hours * 60 + minutes) * 60_000 * (-1 if text[0] == "-" else 1)


def date_of(text: str) -> str | None:
    """The date that is meant by a date or by a midnight in its own offset; None for any other time of day.

    Raises ValueError.
    """
    if _DATE.fullmatch(text):
        day_ms(text)
        return text
    rfc3339_ms(text)
    return text[:10] if text[11:19] == "00:00:00" else None


@lru_cache(maxsize=4096)
def _digits_day_ms(text: str) -> int:
    return day_ms(f"{text[:4]}-{text[4:6]}-{text[6:]}")


def digits_ms(text: str) -> int:
    """yyyymmdd with hh, hhmm or hh:mm, as if it were UTC. Raises ValueError."""
    found = _DIGITS.fullmatch(text)
    if found is None:
        raise ValueError(text)
    day, hour, minute = found.groups()
    h, m = int(hour or 0), int(minute or 0)
    if h > 24 or m > 59 or (h == 24 and m):
        raise ValueError(text)
    return _digits_day_ms(day) + (h * 60 + m) * 60_000


def digits_date(text: str) -> str:
    """yyyymmdd to yyyy-mm-dd. Raises ValueError."""
    if len(text) != 8 or not text.isdecimal():
        raise ValueError(text)
    _digits_day_ms(text)
    return f"{text[:4]}-{text[4:6]}-{text[6:]}"
