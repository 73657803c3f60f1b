"""A decoder's output as readings: what the device measures now, and what it sends after.

A list may hold objects that carry a time of their own, `"history": [{"timestamp": 1700000000, "temperature": 3.4}]`:
each becomes a reading at that time. A list of plain numbers is several places of one quantity (`mapping`). The current
values are entry 0 and those with a time are 1, 2, …, as they stand in the frame and whether or not we know a value of
theirs, so that the same frame gives the same numbers when somebody names one more channel.

The rule: a time that cannot be (before 2000, more than ten minutes after the frame) makes no reading, and everything
that came with it is reported.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from gateway.networks.mapping import DEPTH_MAX, NO_NAMES, Names, Path, Unmapped, has_soil_probe, map_object
from gateway.networks.mapping import names_and_values as named
from gateway.semtech.objects import time_of

TIME_KEYS = ("timestamp", "time", "ts")
ENTRIES_MAX = 499  # with the current values as many as one message holds
EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
AHEAD = timedelta(minutes=10)
_MILLISECONDS_FROM = 1e11  # as seconds that is the year 5138, as milliseconds 1973


@dataclass(frozen=True, slots=True)
class Entry:
    """One reading's values by channel; `time` None: the frame's."""

    index: int
    time: datetime | None
    values: dict[str, float]


@dataclass(frozen=True, slots=True)
class Frame:
    """What a decoder made of one frame: entries with at least one value, and what is left."""

    entries: tuple[Entry, ...] = ()
    unmapped: tuple[Unmapped, ...] = ()


def map_frame(decoded: Mapping[str, Any], received: datetime, names: Names = NO_NAMES) -> Frame:
    """The readings in a decoder's output. Nothing is lost: what is in no entry is in `unmapped`."""
    history: list[tuple[Path, dict[str, Any]]] = []
    now = _without_history(decoded, (), history)
    probe = has_soil_probe(decoded)
    mapped = map_object(now, names, soil_probe=probe)
    entries, unmapped = [Entry(0, None, mapped.values)], list(mapped.unmapped)
    for index, (path, item) in enumerate(history, 1):
        key = _time_key(item)
        time = moment(item[key])
        why = _why_not(time, received) if index <= ENTRIES_MAX else "too many readings in one frame"
        if time is None or why:
            unmapped += [Unmapped(name, value, why) for name, value in named(item, path)]
            continue
        rest = {k: v for k, v in item.items() if k != key}
        if path and not isinstance(item.get("value", {}), dict | list):  # [{"time": …, "value": 5}]: the list names it
            rest, path = {path[-1]: rest}, path[:-1]
        mapped = map_object(rest, names, path, probe)
        entries.append(Entry(index, time, mapped.values))
        unmapped += mapped.unmapped
    return Frame(tuple(entry for entry in entries if entry.values), tuple(unmapped))


def merged(first: Frame, second: Frame) -> Frame:
    """What two decoders made of one frame; where both name a channel the first is right."""
    entries = {entry.time: entry for entry in first.entries}
    said = {(channel, value) for entry in first.entries for channel, value in entry.values.items()}
    last = max((entry.index for entry in first.entries), default=0)
    unmapped: list[Unmapped] = []
    for entry in second.entries:
        known = entries.get(entry.time)
        if known is None:  # current values that the first decoder gave with their time are no second reading
            more = {c: v for c, v in entry.values.items() if entry.time is not None or (c, v) not in said}
            if more:
                index = 0 if entry.time is None else last + entry.index
                entries[entry.time] = Entry(index, entry.time, more)
            continue
        for channel, value in entry.values.items():
            if known.values.get(channel, value) != value:
                unmapped.append(Unmapped(channel, value, "another decoder says %s" % known.values[channel]))
        entries[entry.time] = replace(known, values=entry.values | known.values)
    ordered = sorted(entries.values(), key=lambda entry: entry.index)
    return Frame(tuple(ordered), first.unmapped + second.unmapped + tuple(unmapped))


def moment(value: Any) -> datetime | None:
    """A time as decoders write it: seconds or milliseconds since 1970, also as text, or ISO 8601. None: it is none."""
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return time_of(value.strip())
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e15:
        return None
    seconds = value / 1000 if abs(value) >= _MILLISECONDS_FROM else value
    try:
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    except OverflowError:
        return None


def _why_not(time: datetime | None, received: datetime) -> str:
    if time is None:
        return "its time is not one that we can read"
    if time < EARLIEST:
        return "its time is before 2000: the device's clock was not set"
    return "its time is later than the frame" if time > received + AHEAD else ""


def _without_history(value: Any, path: Path, found: list[tuple[Path, dict[str, Any]]]) -> Any:
    """The same without list items that have a time of their own; those go to `found` with the path of their list."""
    if isinstance(value, dict) and len(path) < DEPTH_MAX:
        return {key: _without_history(inner, (*path, str(key)), found) for key, inner in value.items()}
    if isinstance(value, list) and len(path) < DEPTH_MAX:
        return list(_items(value, path, found))
    return value


def _items(items: list[Any], path: Path, found: list[tuple[Path, dict[str, Any]]]) -> Iterator[Any]:
    for number, item in enumerate(items, 1):
        if isinstance(item, dict) and _time_key(item):
            found.append((path, item))
            yield None  # the places of the others stay theirs
        else:
            yield _without_history(item, (*path, str(number)), found)


def _time_key(item: Mapping[str, Any]) -> str:
    """Under what an object has its time, "" where it has none."""
    keys = [key for wanted in TIME_KEYS for key in item if str(key).lower() == wanted]
    there = [key for key in keys if isinstance(item[key], int | float | str) and not isinstance(item[key], bool)]
    return next((key for key in there if moment(item[key])), there[0] if there else "")
