"""`/v1/stations/<id>/series/<channel>`: raw values or calendar intervals, streamed from the store to the client.

Nothing is collected on the way, so a year costs no more memory than a day. `precipitation` of a station that only has
a running total is told from that total.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import tzinfo
from itertools import chain, islice
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Response
from fastapi.responses import StreamingResponse

from cloud.api import series_text
from cloud.api.ports import Services
from cloud.api.problems import BadParameter, NotFound
from cloud.api.times import DAY_MS, Window, utc_text, window
from cloud.calendar import Calendar, zone_of
from cloud.series import Include, Row, aggregate, aggregates_of, increments, is_flagged
from cloud.store.model import Value
from schemas.channels import join, split
from schemas.models import Station
from schemas.quantities import BY_NAME, COUNTER, Quantity

_COUNTER_BEFORE_MS = DAY_MS  # how far back the reading before the first interval is looked for
_TOTAL_OF = {"precipitation": "precipitation_total"}  # increments that may be told from a total
_DESCRIPTION = """
Without `every`, the single values; with it, one row for each calendar interval that has values, in the station's
time zone or in `tz`. `from` and `to` are RFC 3339 times (a `+` is written `%2B`) or dates, which mean midnight in that
zone; `to` is not included. With `every` both are widened to whole intervals. Without `to` the answer goes until now;
without `from` it covers a day, for hours a week, for days and weeks a year, for months and years 30 years.

Values judged X or B stay out of aggregates and are counted in `flagged`; `include=all` takes them in. Single values
come all, each with its quality; `include=ok` leaves those out. Rows up to `complete_until` are of intervals that
have ended with a later value known: only readings that come late or are judged anew still change them.
"""
_EXAMPLE = {
    "station": "marktplatz",
    "channel": "air_temperature",
    "unit": "°C",
    "every": "PT1H",
    "aggregates": ["mean", "min", "max"],
    "rows": [{"time": "2026-11-22T10:00:00Z", "mean": 3.4, "min": 3.1, "max": 3.9, "count": 4, "flagged": 0}],
    "complete_until": "2026-11-22T09:59:59Z",
}
_RESPONSES: dict[int | str, dict[str, object]] = {
    200: {"content": {"application/json": {"example": _EXAMPLE}, "text/csv": {"schema": {"type": "string"}}}}
}


@dataclass(frozen=True, slots=True)
class Asked:
    """A request, understood."""

    station: Station
    channel: str
    quantity: Quantity
    zone: tzinfo
    every: Calendar | None
    names: tuple[str, ...]
    window: Window
    include: Include


class _Watch:
    """Passes values on and remembers the time of the last one."""

    def __init__(self, values: Iterator[Value]) -> None:
        self._values = values
        self.last_ms: int | None = None

    def __iter__(self) -> Iterator[Value]:
        one = None
        for one in self._values:
            yield one
        if one is not None:
            self.last_ms = one.time_ms


def routes(services: Services) -> APIRouter:
    """The route of time series."""
    router = APIRouter(prefix="/v1", tags=["readings"])

    @router.get(
        "/stations/{station}/series/{channel}",
        summary="A time series",
        description=_DESCRIPTION,
        response_class=Response,
        responses=_RESPONSES,
    )
    def series(
        station: Annotated[str, Path(examples=["marktplatz"])],
        channel: Annotated[str, Path(examples=["air_temperature"])],
        start: Annotated[str | None, Query(alias="from", examples=["2026-11-01"])] = None,
        end: Annotated[str | None, Query(alias="to", examples=["2026-11-22T10:00:00Z"])] = None,
        every: Annotated[str | None, Query(examples=["PT1H"])] = None,
        agg: Annotated[str | None, Query(description="Of mean, min, max, sum, difference, first, last")] = None,
        tz: Annotated[str | None, Query(description="IANA name", examples=["UTC"])] = None,
        include: Annotated[Literal["ok", "all"] | None, Query()] = None,
        format_: Annotated[Literal["json", "csv"], Query(alias="format")] = "json",
        profile: Annotated[Literal["de"] | None, Query(description="Of CSV: for German spreadsheets")] = None,
    ) -> Response:
        asked = _understand(services, station, channel, start, end, every, agg, tz, include)
        values, derived = _values(services, asked)
        if format_ == "csv":
            name = f"{station}_{channel}{'_' + every if every else ''}.csv"
            headers = {"Content-Disposition": f'attachment; filename="{name}"'}
            return _response(_csv(asked, values, profile), "text/csv; charset=utf-8; header=present", headers)
        if profile:
            raise BadParameter("profile=de belongs to CSV: add format=csv")
        return _response(_json(services, asked, values, derived), "application/json")

    return router


def _understand(
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
    station = services.registry.station(station_id)
    if station is None:
        raise NotFound(f"There is no station '{station_id}'; /v1/stations lists all")
    quantity, _ = split(channel)
    try:
        zone = zone_of(tz or station.timezone)
    except ValueError as error:
        raise BadParameter(f"tz {error}") from None
    if every is None and agg:
        raise BadParameter("agg needs the length of an interval: add every=PT1H or the like")
    calendar = None if every is None else Calendar(every, zone)
    names = () if calendar is None else aggregates_of(quantity, [name for name in (agg or "").split(",") if name])
    asked_for = window(start, end, calendar, zone, int(services.now_s() * 1000))
    return Asked(station, channel, quantity, zone, calendar, names, asked_for, include or ("ok" if every else "all"))


def _values(services: Services, asked: Asked) -> tuple[Iterator[Value], str]:
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


def _rows(asked: Asked, values: Iterator[Value]) -> Iterator[Row]:
    assert asked.every is not None
    start_ms = asked.window.start_ms
    return aggregate(values, asked.quantity, asked.every.every, asked.zone, asked.names, asked.include, start_ms)


def _single(asked: Asked, values: Iterator[Value]) -> Iterator[Value]:
    return values if asked.include == "all" else (one for one in values if not is_flagged(one.quality))


def _json(services: Services, asked: Asked, values: Iterator[Value], source: str) -> Iterator[bytes]:
    watch = _Watch(values)
    head: dict[str, object] = {
        "station": asked.station.station,
        "channel": asked.channel,
        "unit": asked.quantity.unit,
        "every": asked.every.every if asked.every else None,
        "aggregates": list(asked.names),
        "time_zone": str(asked.zone),
        "from": utc_text(asked.window.start_ms),
        "to": utc_text(asked.window.end_ms),
        "include": asked.include,
    }
    if source != asked.channel:
        head["derived_from"] = source
    answer = series_text.Answer(head, lambda: _complete_until(services, asked, source, watch.last_ms))
    if asked.every:
        rows = series_text.json_rows(_rows(asked, iter(watch)), asked.names)
    else:
        rows = series_text.json_values(_single(asked, iter(watch)))
    return series_text.json_pieces(answer, rows)


def _csv(asked: Asked, values: Iterator[Value], profile: str | None) -> Iterator[bytes]:
    local = asked.zone if profile == "de" else None
    if asked.every:
        columns = (*asked.names, "count", "flagged")
        return series_text.csv_pieces(columns, series_text.csv_rows(_rows(asked, values)), local)
    return series_text.csv_pieces(series_text.RAW_COLUMNS, series_text.csv_values(_single(asked, values)), local)


def _complete_until(services: Services, asked: Asked, source: str, last_ms: int | None) -> str | None:
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


def _response(pieces: Iterator[bytes], media_type: str, headers: dict[str, str] | None = None) -> Response:
    """A short answer as one, a long one streamed; what fails before the first rows is still an error with a status."""
    first = b"".join(islice(pieces, 3))  # what stands before the rows, the first thousand, and what stands behind
    more = next(pieces, None)
    if more is None:
        return Response(first, headers=headers, media_type=media_type)
    return StreamingResponse(chain((first, more), pieces), headers=headers, media_type=media_type)
