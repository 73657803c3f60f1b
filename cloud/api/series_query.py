"""What a request for a time series asks for, where its values are read, and how far they are complete.

`precipitation` of a station that only has a running total is told from that total.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import tzinfo
from itertools import chain

from cloud.api.ports import Services
from cloud.api.problems import BadParameter, NotFound
from cloud.api.times import DAY_MS, Window, utc_text, window
from cloud.calendar import Calendar, EveryError, zone_of
from cloud.series import AggregateError, Include, aggregates_of, increments
from cloud.store.model import Value
from schemas.channels import join, split
from schemas.models import Station
from schemas.quantities import BY_NAME, COUNTER, Quantity

_COUNTER_BEFORE_MS = DAY_MS  # how far back the reading before the first interval is looked for
_TOTAL_OF = {"precipitation": "precipitation_total"}  # increments that may be told from a total


@dataclass(frozen=True, slots=True)
class Asked:
    """A request, understood; `every` and `names` (the aggregates) are empty where single values are asked for."""

    station: Station
    channel: str
    quantity: Quantity
    zone: tzinfo
    every: Calendar | None
    names: tuple[str, ...]
    window: Window
    include: Include


def understand(
    services: Services,
    station_id: str,
    channel: str,
    start: str | None,
    end: str | None,
    every: str | None,
    agg: str | None,
    tz: str | None,
    include: Include | None,
) -> Asked:
    """From the texts of the request. Raises BadParameter, NotFound and ChannelError."""
    station = services.registry.station(station_id)
    if station is None:
        raise NotFound(f"There is no station '{station_id}'; /v1/stations lists all")
    quantity, _ = split(channel)
    try:
        zone = zone_of(station.timezone if tz is None else tz.strip())
    except ValueError as error:
        raise BadParameter(f"`tz`: {error}") from None
    if every is None and agg is not None:
        raise BadParameter("`agg` needs the length of an interval: add every=PT1H or the like")
    try:
        calendar = None if every is None else Calendar(every, zone)
        names = () if calendar is None else aggregates_of(quantity, _names(agg))
    except EveryError as error:
        raise BadParameter(f"`every`: {error}") from None
    except AggregateError as error:
        raise BadParameter(f"`agg`: {error}") from None
    asked_for = window(start, end, calendar, zone, int(services.now_s() * 1000))
    return Asked(station, channel, quantity, zone, calendar, names, asked_for, include or ("ok" if every else "all"))


def _names(agg: str | None) -> list[str]:
    """Of `mean, max`; an `agg` that names nothing is one that nobody has."""
    return [] if agg is None else [name.strip() for name in agg.split(",") if name.strip()] or [agg]


def values_of(services: Services, asked: Asked) -> tuple[Iterator[Value], str]:
    """(the values, the channel that they were read from). Raises NotFound."""
    start_ms = asked.window.start_ms
    if asked.every and asked.quantity.kind == COUNTER:
        start_ms -= _COUNTER_BEFORE_MS
    found = _peeked(services.store.series(asked.station.station, asked.channel, start_ms, asked.window.end_ms))
    if found is not None:
        return found, asked.channel
    channels = services.store.channels(asked.station.station)
    if asked.channel in channels:
        return iter(()), asked.channel
    _, place = split(asked.channel)
    total = join(_TOTAL_OF.get(asked.quantity.name, ""), place)
    if total not in channels:
        has = f"it has {', '.join(channels)}" if channels else "nothing was received from it yet"
        raise NotFound(f"Station '{asked.station.station}' has no channel '{asked.channel}'; {has}")
    start_ms, end_ms = asked.window.start_ms, asked.window.end_ms
    readings = services.store.series(asked.station.station, total, start_ms - _COUNTER_BEFORE_MS, end_ms)
    added = increments(readings, BY_NAME[_TOTAL_OF[asked.quantity.name]])
    return (one for one in added if one.time_ms >= start_ms), total


def _peeked(values: Iterator[Value]) -> Iterator[Value] | None:
    """The same values, the first one fetched; None where there is none."""
    first = next(values, None)
    return None if first is None else chain((first,), values)


def complete_until(services: Services, asked: Asked, source: str, last_ms: int | None) -> str | None:
    """The last second of the intervals (without `every`: values) that no reading in order will change any more."""
    end_ms = asked.window.end_ms
    if end_ms <= int(services.now_s() * 1000):
        newest = services.store.latest([asked.station.station])
        last_ms = max((one.time_ms for one in newest if one.channel == source), default=last_ms)
    if last_ms is None:
        return None
    if last_ms >= end_ms:
        return utc_text(end_ms - 1000)
    if asked.every is None:
        return utc_text(last_ms)
    return utc_text(asked.every.bounds(last_ms)[0] - 1000)
