"""`/v1/stations/<id>/series/<channel>`: raw values or calendar intervals, streamed from the store to the client.

Nothing is collected on the way, so a year costs no more memory than a day.
"""

from collections.abc import Iterator
from itertools import chain, islice
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Response
from fastapi.responses import StreamingResponse

from cloud.api import series_text
from cloud.api.ports import Services
from cloud.api.problems import BadParameter
from cloud.api.series_query import Asked, complete_until, understand, values_of
from cloud.api.times import utc_text
from cloud.series import Row, aggregate, is_flagged
from cloud.store.model import Value

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
        asked = understand(services, station, channel, start, end, every, agg, tz, include)
        values, derived = values_of(services, asked)
        if format_ == "csv":
            name = f"{station}_{channel}{'_' + every if every else ''}.csv"
            headers = {"Content-Disposition": f'attachment; filename="{name}"'}
            return _response(_csv(asked, values, profile), "text/csv; charset=utf-8; header=present", headers)
        if profile:
            raise BadParameter("profile=de belongs to CSV: add format=csv")
        return _response(_json(services, asked, values, derived), "application/json")

    return router


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
    answer = series_text.Answer(head, lambda: complete_until(services, asked, source, watch.last_ms))
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


def _response(pieces: Iterator[bytes], media_type: str, headers: dict[str, str] | None = None) -> Response:
    """A short answer as one, a long one streamed; what fails before the first rows is still an error with a status."""
    first = b"".join(islice(pieces, 3))  # what stands before the rows, the first thousand, and what stands behind
    more = next(pieces, None)
    if more is None:
        return Response(first, headers=headers, media_type=media_type)
    return StreamingResponse(chain((first, more), pieces), headers=headers, media_type=media_type)
