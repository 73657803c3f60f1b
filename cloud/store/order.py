"""Rows that come by time in parts, put in one order: by time, then by device. Pure.

Databases give rows of one moment as it suits them; what depends on the order (the first and last of an interval, which
of two gauges told of the rain before) must be the same from every store.
"""

from collections.abc import Generator, Iterable
from operator import itemgetter
from typing import Any

Rows = list[Any]  # each (time, …)


def by_device(parts: Iterable[Rows], device: int) -> Generator[Rows, None, None]:
    """The same rows; `device` is the column of its name. Rows of one moment come in one part."""
    order = itemgetter(0, device)
    held: Rows = []
    for part in parts:
        rows = held + part
        cut = len(rows) - 1
        while cut > 0 and rows[cut - 1][0] == rows[cut][0]:
            cut -= 1
        held = rows[cut:]
        del rows[cut:]
        if rows:
            if len({row[0] for row in rows}) < len(rows):
                rows.sort(key=order)
            yield rows
    if held:
        yield sorted(held, key=order)
