"""What a request for a time series asks for, and how far the answer is complete."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import tzinfo

from cloud.api.etags import etag
from cloud.api.known_station import find
from cloud.api.ports import Services
from cloud.api.problems import BadParameter
from cloud.api.times import Window, utc_text, window
from cloud.calendar import Calendar, EveryError, zone_of
from cloud.series import AggregateError, Include, aggregates_of
from schemas.channels import split
from schemas.models import Station
from schemas.quantities import Quantity


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
    station = find(services, station_id)
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


def head_of(asked: Asked) -> dict[str, object]:
    """What an answer in JSON says of itself before its rows."""
    return {
        "channel": asked.channel,
        "unit": asked.quantity.unit,
        "every": asked.every.every if asked.every else None,
        "aggregates": list(asked.names),
        "time_zone": str(asked.zone),
        "from": utc_text(asked.window.start_ms),
        "to": utc_text(asked.window.end_ms),
        "include": asked.include,
    }


def validator(
    services: Services, asked: Asked, revision: int, is_open: bool, from_is_given: bool, *more: object
) -> str | None:
    """What changes with the answer, None where it changes by itself: as a default `from` moves on with the clock, or
    where values wait in the future. `revision`: of the registry, read before anything else; `is_open`: without `to`.
    """
    if services.latest is None:
        return None
    mark, newest_ms = services.latest.station_mark(asked.station.station)
    now_ms, end_ms = int(services.now_s() * 1000), asked.window.end_ms
    until: object = end_ms, end_ms <= now_ms
    if asked.every is None and is_open:
        if not from_is_given or (newest_ms is not None and newest_ms >= end_ms):
            return None
        until = "now"
    every = asked.every and asked.every.every
    what = asked.station.station, asked.channel, every, str(asked.zone), asked.names, asked.include
    return etag("series", str(mark), revision, what, asked.window.start_ms, until, *more)


def _names(agg: str | None) -> list[str]:
    """Of `mean, max`; an `agg` that names nothing is one that nobody has."""
    return [] if agg is None else [name.strip() for name in agg.split(",") if name.strip()] or [agg]


def complete_until(services: Services, asked: Asked, channels: Sequence[str], last_ms: int | None) -> str | None:
    """The last second of the intervals (without `every`: values) that no reading in order will change any more."""
    if asked.window.end_ms <= int(services.now_s() * 1000):
        newest = services.store.latest([asked.station.station])
        last_ms = max((one.time_ms for one in newest if one.channel in channels), default=last_ms)
    return complete_with(asked, last_ms)


def complete_with(asked: Asked, last_ms: int | None) -> str | None:
    """The same, where the newest value of the channel was at this time."""
    end_ms = asked.window.end_ms
    if last_ms is None:
        return None
    if last_ms >= end_ms:
        return utc_text(end_ms - 1000)
    if asked.every is None:
        return utc_text(last_ms)
    return utc_text(asked.every.bounds(last_ms)[0] - 1000)
