"""Values and their quality, two streams of InfluxDB by time, put together. Pure.

The rule: a value takes the quality of its own time and device and of no other; without one it is not judged.
"""

from collections.abc import Generator, Iterator
from itertools import repeat
from typing import Any

from cloud.store.model import NOT_JUDGED, Value
from cloud.store.order import by_device

Rows = Generator[list[list[Any]], None, None]  # some thousand (ms, value or quality[, device]) at a time


def of_one(device: str, values: Rows, notes: Rows) -> Iterator[Iterator[Value]]:
    """Values with the quality of the same time. Most often the two agree row by row, which is quick."""
    waiting: list[list[Any]] = []  # notes of times that are not past
    for rows in values:
        last_ms = rows[-1][0]
        while not waiting or waiting[-1][0] < last_ms:
            if (more := next(notes, None)) is None:
                break
            waiting += more
        # Column by column: what the collector of garbage has not to look at is quick.
        times = [row[0] for row in rows]
        here = waiting[: len(rows)]
        if [note[0] for note in here] == times:
            qualities = [note[1] for note in here]
            del waiting[: len(rows)]
        else:
            known: dict[int, str] = {note[0]: note[1] for note in waiting}
            qualities = [known.get(time_ms, NOT_JUDGED) for time_ms in times]
            waiting = [note for note in waiting if note[0] > last_ms]
        yield map(Value, times, [float(row[1]) for row in rows], qualities, repeat(device))


def of_many(values: Rows, notes: Rows) -> Iterator[Iterator[Value]]:
    """The same, with a column of devices."""
    judged = by_device(notes, 2)
    waiting: list[list[Any]] = []  # notes of times that are not past
    for rows in by_device(values, 2):
        last_ms = rows[-1][0]
        while not waiting or waiting[-1][0] < last_ms:
            if (more := next(judged, None)) is None:
                break
            waiting += more
        times, devices = [row[0] for row in rows], [row[2] for row in rows]
        here = waiting[: len(rows)]
        if [note[0] for note in here] == times and [note[2] for note in here] == devices:
            qualities = [note[1] for note in here]
            del waiting[: len(rows)]
        else:
            known = {(note[0], note[2]): note[1] for note in waiting}
            qualities = [known.get(key, NOT_JUDGED) for key in zip(times, devices, strict=True)]
            waiting = [note for note in waiting if note[0] > last_ms]
        yield map(Value, times, [float(row[1]) for row in rows], qualities, devices)
