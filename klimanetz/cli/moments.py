"""Moments as options of a command: RFC 3339, or a date, which is its midnight in a time zone."""

import re
from datetime import date

from cloud.calendar import day_start, zone_of
from cloud.transfer.times import rfc3339_ms
from klimanetz.failure import wrong_use


def moment(option: str, text: str, tz: str, without: int) -> int:
    """Milliseconds since 1970; `without` where nothing is said. A wrong one ends the program."""
    if not text:
        return without
    try:
        if re.fullmatch(r"\d{4}-\d\d-\d\d", text):
            return day_start(date.fromisoformat(text), zone_of(tz))
        return rfc3339_ms(text)
    except ValueError as error:
        way = (
            f"{error}"
            if "time zone" in str(error)
            else f"{option} is '{text}': write 2026-11-22 or 2026-11-22T10:00:00Z"
        )
        raise wrong_use(way) from None
