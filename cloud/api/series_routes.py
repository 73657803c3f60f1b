"""`/v1/stations/<id>/series/<channel>`: raw values or calendar intervals, streamed from the store to the client.

Nothing is collected on the way, so a year costs no more memory than a day.
"""

from collections.abc import Iterator
from itertools import chain, islice
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import StreamingResponse

from cloud.api import answers, series_text
from cloud.api.etags import headers_of, not_modified
from cloud.api.known_query import known_query
from cloud.api.ports import Services
from cloud.api.problems import BadParameter
from cloud.api.series_parameters import Aggregates, End, EveryOrNot, Format, Included, Start, Zone
from cloud.api.series_query import Asked, complete_until, head_of, understand, validator
from cloud.api.series_source import Source
from cloud.series import is_flagged
from cloud.store.model import Value

_DESCRIPTION = """
Without `every`, the single values; with it, one row for each calendar interval that has values, in the station's
time zone or in `tz`. `from` and `to` are RFC 3339 times (a `+` is written `%2B`) or dates, which mean midnight in that
zone; `to` is not included. With `every` both are widened to whole intervals. Without `to` the answer goes until now;
without `from` it covers a day, for hours a week, for days and weeks a year, for months and years 30 years.

Values judged X or B stay out of aggregates and are counted in `flagged`; `include=all` takes them in. Single values
come all, each with its quality; `include=ok` leaves those out. Rows up to `complete_until` are of intervals that
have ended with a later value known: only readings that come late or are judged anew still change them.

Running totals give differences to the reading before of the same device, however long ago; several devices at one
station that report side by side count as their mean. `difference` is null beside a `count` above 0 only where every
reading of the interval is the first ever of its device. `precipitation` also takes in what `precipitation_total` tells.

A parameter that is not listed here, or one that is given twice, is refused with 400.
"""
_PROFILE = """`de`: CSV that German spreadsheets open by themselves (`;`, decimal comma, byte order mark, local time
beside UTC). It means `format=csv`; together with `format=json` it is refused with 400."""
_EXAMPLE = {
    "station": "marktplatz",
    "channel": "air_temperature",
    "unit": "°C",
    "every": "PT1H",
    "aggregates": ["mean", "min", "max"],
    "time_zone": "Europe/Berlin",
    "from": "2026-11-22T10:00:00Z",
    "to": "2026-11-22T11:00:00Z",
    "include": "ok",
    "rows": [{"time": "2026-11-22T10:00:00Z", "mean": 3.4, "min": 3.1, "max": 3.9, "count": 4, "flagged": 0}],
    "complete_until": "2026-11-22T09:59:59Z",
}
_CSV = "time,mean,min,max,count,flagged\r\n2026-11-22T10:00:00Z,3.4,3.1,3.9,4,0\r\n"
_RESPONSES: dict[int | str, dict[str, object]] = {
    200: {
        "content": {
            "application/json": {"example": _EXAMPLE},
            "text/csv": {"schema": {"type": "string"}, "example": _CSV},
        }
    }
}


def routes(services: Services) -> APIRouter:
    """The route of time series."""
    router = APIRouter(prefix="/v1", tags=["readings"], dependencies=[Depends(known_query)])

    @router.get(
        "/stations/{station}/series/{channel}",
        summary="A time series",
        description=_DESCRIPTION,
        response_model=answers.Series,
        responses=_RESPONSES,
    )
    def series(
        request: Request,
        station: answers.StationPath,
        channel: answers.ChannelPath,
        start: Start = None,
        end: End = None,
        every: EveryOrNot = None,
        agg: Aggregates = None,
        tz: Zone = None,
        include: Included = None,
        format_: Format = None,
        profile: Annotated[Literal["de"] | None, Query(description=_PROFILE, examples=["de"])] = None,
    ) -> Response:
        if profile and format_ == "json":
            raise BadParameter("`profile` de is CSV, and `format` asks for json: leave one of them out")
        revision = services.registry.revision()
        asked = understand(services, station, channel, start, end, every, agg, tz, include)
        tag = validator(services, asked, revision, end is None, start is not None, format_, profile)
        if (same := not_modified(request, tag)) is not None:
            return same
        source = Source(services, asked)
        if format_ == "csv" or profile:
            name = f"{station}_{channel}{'_' + every if every else ''}.csv"
            headers = headers_of(tag) | {"Content-Disposition": f'attachment; filename="{name}"'}
            return _response(_csv(asked, source, profile), "text/csv; charset=utf-8; header=present", headers)
        return _response(_json(services, asked, source), "application/json", headers_of(tag))

    return router


def _single(asked: Asked, source: Source) -> Iterator[Value]:
    return iter(source.values) if asked.include == "all" else (v for v in source.values if not is_flagged(v.quality))


def _json(services: Services, asked: Asked, source: Source) -> Iterator[bytes]:
    head = {"station": asked.station.station, **head_of(asked)}
    if source.derived_from:
        head["derived_from"] = source.derived_from
    answer = series_text.Answer(head, lambda: complete_until(services, asked, source.channels, source.last_ms))
    if asked.every:
        return series_text.json_pieces(answer, series_text.json_rows(source.rows, asked.names))
    return series_text.json_pieces(answer, series_text.json_values(_single(asked, source)))


def _csv(asked: Asked, source: Source, profile: str | None) -> Iterator[bytes]:
    local = asked.zone if profile == "de" else None
    if not asked.every and local is None:
        return series_text.csv_value_pieces(_single(asked, source))
    if asked.every:
        columns = (*asked.names, "count", "flagged")
        return series_text.csv_pieces(columns, series_text.csv_rows(source.rows), local)
    return series_text.csv_pieces(series_text.RAW_COLUMNS, series_text.csv_values(_single(asked, source)), local)


def _response(pieces: Iterator[bytes], media_type: str, headers: dict[str, str]) -> Response:
    """A short answer as one, a long one streamed; what fails before the first rows is still an error with a status."""
    first = b"".join(islice(pieces, 3))  # what stands before the rows, the first rows, and what stands behind
    more = next(pieces, None)
    if more is None:
        return Response(first, headers=headers, media_type=media_type)
    return StreamingResponse(chain((first, more), pieces), headers=headers, media_type=media_type)
