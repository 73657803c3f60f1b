"""Arrivals as server-sent events (WHATWG HTML, 9.2), and which of them a client wants. Pure.

`id` is the arrival number, so a client that comes back with the last one it saw misses nothing. Readings have no event
name, so that `onmessage` gets them; what else happens has one.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import orjson

from cloud.api.times import utc_text
from cloud.ledger.arrivals import Arrival, Arrived
from cloud.store.model import NOT_JUDGED
from schemas.channels import split

RETRY_MS = 3000  # how long a client waits before it comes back
ALIVE = b": alive\n"  # no blank line: some clients take that for an event


@dataclass(frozen=True, slots=True)
class Wanted:
    """Empty: all."""

    stations: frozenset[str] = frozenset()
    channels: frozenset[str] = frozenset()


@dataclass(slots=True)
class Told:
    """One number: a reading, or stations of which the store was changed otherwise."""

    number: int
    reading: Arrival | None = None
    stations: tuple[str, ...] = ()
    whole: bytes = b""  # the event for who wants every channel, made once


def told(arrived: Iterable[Arrived], after: int, registered: frozenset[str]) -> Iterator[Told]:
    """One for each number behind `after`; what is of no registered station is told as nothing."""
    for batch in arrived:
        if not batch.readings and batch.last > after:
            yield Told(batch.last, stations=tuple(one for one in batch.stations if one in registered))
        for number, one in enumerate(batch.readings, batch.first):
            if number > after:
                yield Told(number, one if one.station in registered else None)


def event(one: Told, wanted: Wanted) -> bytes:
    """Empty where the client does not want it."""
    if one.reading is None:
        some = [name for name in one.stations if not wanted.stations or name in wanted.stations]
        return named("changed", {"stations": some}, one.number) if some else b""
    if wanted.stations and one.reading.station not in wanted.stations:
        return b""
    if not wanted.channels:
        one.whole = one.whole or _reading(one.number, one.reading, one.reading.values.keys())
        return one.whole
    channels = one.reading.values.keys() & wanted.channels
    return _reading(one.number, one.reading, sorted(channels)) if channels else b""


def named(name: str, data: object, number: int) -> bytes:
    """An event that is no reading."""
    return b"event: %s\nid: %d\ndata: %s\n\n" % (name.encode(), number, orjson.dumps(data))


def retry() -> bytes:
    """How long to wait before coming back."""
    return b"retry: %d\n\n" % RETRY_MS


def gap(after: int, first: int) -> bytes:
    """What lies between is not kept any more; the numbers go on at `first`."""
    data = {"after": after, "first": first, "missed": first - after - 1}
    return named("gap", data, first - 1)


def ahead(after: int, newest: int) -> bytes:
    """The client has seen a number that was never given here: another database than before. It goes on at the end."""
    return named("gap", {"after": after, "first": newest + 1, "missed": None}, newest)


def _reading(number: int, one: Arrival, channels: Iterable[str]) -> bytes:
    data: dict[str, object] = {
        "arrival": number,
        "station": one.station,
        "device": one.device,
        "time": utc_text(one.time_ms),
        "generation": one.generation,
        "seq": one.seq,
        "values": {name: _value(one, name) for name in channels},
    }
    if one.left is not None:
        station, time_ms = one.left
        data["replaces"] = {"station": station, "time": utc_text(time_ms)}
    return b"id: %d\ndata: %s\n\n" % (number, orjson.dumps(data))


def _value(one: Arrival, channel: str) -> dict[str, object]:
    letter, *reasons = one.quality.get(channel, NOT_JUDGED).split(" ")
    unit = split(channel)[0].unit
    return {"value": one.values[channel], "unit": unit, "quality": letter, "quality_reasons": reasons}
