"""What decoding the raw log again would change: every kept reading beside what is stored of it. Pure but for the store.

A reading is found in the store by its count, else by its time. What is compared are values; quality follows from them
and from what came before, and is judged again when the replay is applied.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from cloud.ingest.decode import decode
from cloud.ingest.message import Message
from cloud.ingest.place import time_ms, where
from cloud.ingest.places import spans
from cloud.registry.registry import Snapshot
from cloud.store.model import Point
from schemas.models import Reading

PAGE_BYTES = 4 << 20  # of messages compared together, about
_MESSAGE_BYTES = 1000  # what a message costs beside its payload
SHOWN = 1000  # differences that are kept, the others are counted
Points = Callable[[str, int, int], Iterator[Point]]  # station, from, to (ms) -> what is stored
Key = tuple[str, object]  # device, and its count or the time


@dataclass(frozen=True, slots=True)
class Difference:
    """One value; None where there is none."""

    station: str
    device: str
    time_ms: int
    channel: str
    stored: float | None
    decoded: float | None


@dataclass(slots=True)
class Comparison:
    """`new`: readings that are not stored; `changed`: stored with other values; `put_aside`: no readings now either."""

    messages: int = 0
    readings: int = 0
    same: int = 0
    new: int = 0
    changed: int = 0
    put_aside: int = 0
    differences: list[Difference] = field(default_factory=list)


def compare(
    messages: Iterable[Message], snapshot: Snapshot, points: Points, told: Callable[[int], None] = lambda n: None
) -> Comparison:
    """Decode messages as they would be decoded now. `told`: how many were looked at."""
    found = Comparison()
    page: list[Message] = []
    size = 0
    for message in messages:
        page.append(message)
        size += len(message.payload) + _MESSAGE_BYTES
        if size >= PAGE_BYTES:
            _compare(page, snapshot, points, found)
            told(found.messages)
            page, size = [], 0
    _compare(page, snapshot, points, found)
    told(found.messages)
    return found


def _compare(page: list[Message], snapshot: Snapshot, points: Points, found: Comparison) -> None:
    stations: dict[str, list[Reading]] = {}
    for message in page:
        found.messages += 1
        decoded = decode(message, snapshot.name_of)
        found.put_aside += len(decoded.refusals)
        for reading in decoded.readings:
            station = where(reading, snapshot)
            if isinstance(station, str):
                stations.setdefault(station, []).append(reading)
            else:
                found.put_aside += 1
    for station, readings in stations.items():
        times = [time_ms(reading) for reading in readings]
        stored: dict[Key, Point] = {}
        near = spans(station, times)  # not from the first to the last: one clock that stood in 2010 is enough
        for point in (point for _, first, last in near for point in points(station, first, last + 1)):
            stored[point.device, point.time_ms] = point
            if point.seq is not None:
                stored[point.device, (point.generation, point.seq)] = point
        for reading in readings:
            _one(station, reading, stored, found)


def _one(station: str, reading: Reading, stored: dict[Key, Point], found: Comparison) -> None:
    found.readings += 1
    counted = stored.get((reading.device, (reading.generation, reading.seq))) if reading.seq is not None else None
    point = counted or stored.get((reading.device, time_ms(reading)))
    before = {} if point is None else point.values
    differing = [
        Difference(station, reading.device, time_ms(reading), channel, before.get(channel), value)
        for channel, value in reading.values.items()
        if before.get(channel) != value
    ]
    if point is None:
        found.new += 1
    elif differing:
        found.changed += 1
    else:
        found.same += 1
    found.differences += differing[: SHOWN - len(found.differences)]
