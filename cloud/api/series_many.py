"""`/v1/series/<channel>`: one channel of many stations over calendar intervals, streamed station by station.

For whoever takes the whole city: one answer instead of a request for each station, and what the store can sum up is
summed there (`series_sums`). The rows are those of the route for one station.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain, groupby, islice
from operator import itemgetter
from typing import Annotated, Literal

import orjson
from fastapi import APIRouter, Depends, Query, Response
from fastapi.responses import StreamingResponse
from pydantic import WithJsonSchema

from cloud.api import answers, series_text
from cloud.api.known_query import known_query
from cloud.api.known_station import no_station
from cloud.api.ports import Services
from cloud.api.problems import BadParameter, NotFound
from cloud.api.series_parameters import Aggregates, End, Every, Format, Included, Start, Zone
from cloud.api.series_query import Asked, complete_with, head_of, understand
from cloud.api.series_source import Source, told_from
from cloud.api.series_sums import can_sum, summed_rows
from cloud.series import Row

_DESCRIPTION = """
As `/v1/stations/{station}/series/{channel}` with `every`, of many stations in one answer: each with its rows, in the
order asked for, else in that of `/v1/stations`. A station without the channel has no rows. The zone is the stations'
own where all have the same, else `tz` is needed. CSV has the station as its first column.
"""
_STATION = "Only these, separated by commas; all without it"
ROWS_PER_PIECE = 2000
_Rows = Iterator[tuple[str, Row]]


def routes(services: Services) -> APIRouter:
    """The route of many stations."""
    router = APIRouter(prefix="/v1", tags=["readings"], dependencies=[Depends(known_query)])

    @router.get(
        "/series/{channel}",
        summary="A time series of many stations",
        description=_DESCRIPTION,
        response_model=answers.ManySeries,
        responses={200: {"content": {"text/csv": {"schema": {"type": "string"}}}}},
    )
    def many(
        channel: answers.ChannelPath,
        every: Every,
        station: Annotated[
            str | None, WithJsonSchema({"type": "string", "examples": ["marktplatz"]}), Query(description=_STATION)
        ] = None,
        start: Start = None,
        end: End = None,
        agg: Aggregates = None,
        tz: Zone = None,
        include: Included = None,
        format_: Format = None,
    ) -> Response:
        asked = _understood(services, station, channel, start, end, every, agg, tz, include)
        if format_ == "csv":
            headers = {"Content-Disposition": f'attachment; filename="{channel}_{every}.csv"'}
            return _response(_csv(services, asked), "text/csv; charset=utf-8; header=present", headers)
        return _response(_json(services, asked), "application/json")

    return router


def _understood(
    services: Services,
    names: str | None,
    channel: str,
    start: str | None,
    end: str | None,
    every: str,
    agg: str | None,
    tz: str | None,
    include: Literal["ok", "all"] | None,
) -> list[Asked]:
    """The request of each station. Raises BadParameter, NotFound and ChannelError."""
    listed = services.registry.stations()
    if names is not None:
        by_name = {one.station: one for one in listed}
        wanted = list(dict.fromkeys(name.strip() for name in names.split(",")))
        for name in wanted:
            if name not in by_name:
                raise no_station(name)
        listed = [by_name[name] for name in wanted]
    if not listed:
        raise NotFound("There are no stations yet; `klimanetz stations import` registers them")
    if tz is None and len({one.timezone for one in listed}) > 1:
        raise BadParameter("`tz`: these stations have several time zones; add tz=Europe/Berlin or the like")
    first = understand(services, listed[0].station, channel, start, end, every, agg, tz, include)
    return [replace(first, station=one) for one in listed]


def _rows(services: Services, asked: Sequence[Asked]) -> _Rows:
    """(station, row), the stations in the order asked."""
    if can_sum(asked[0]):
        yield from summed_rows(services.store, asked[0], [one.station.station for one in asked])
        return
    for one in asked:
        try:
            source = Source(services, one)
        except NotFound:  # it has no such channel
            continue
        yield from ((one.station.station, row) for row in source.rows)


def _json(services: Services, asked: Sequence[Asked]) -> Iterator[bytes]:
    one = asked[0]
    newest = _newest(services, asked)
    rows = groupby(_rows(services, asked), key=itemgetter(0))
    name, group = next(rows, ("", iter(())))
    parts = [orjson.dumps(head_of(one))[:-1] + b',"series":[']
    texts = series_text.RowTexts(one.names)
    for n, this in enumerate(asked):
        station = this.station.station
        parts.append(b'%s{"station":%s,"rows":[' % (b"," if n else b"", orjson.dumps(station)))
        if name == station:
            parts.append(",".join([texts(row) for _, row in group]).encode())
            name, group = next(rows, ("", iter(())))
        until = orjson.dumps(complete_with(this, newest.get(station)))
        parts.append(b'],"complete_until":%s}' % until)
        if sum(map(len, parts)) > 1 << 18:
            yield b"".join(parts)
            parts = []
    yield b"".join(parts) + b"]}"


def _newest(services: Services, asked: Sequence[Asked]) -> dict[str, int]:
    """When each station's newest value of the channel, or of what the channel is told from, was."""
    latest = services.store.latest([one.station.station for one in asked])
    channels = told_from(asked[0].channel)
    found: dict[str, int] = {}
    for one in latest:
        if one.channel in channels:
            found[one.station] = max(one.time_ms, found.get(one.station, one.time_ms))
    return found


def _csv(services: Services, asked: Sequence[Asked]) -> Iterator[bytes]:
    yield (",".join(("station", "time", *asked[0].names, "count", "flagged")) + "\r\n").encode()
    texts = series_text.RowTexts(asked[0].names)
    lines = (f"{station},{texts.csv(row)}\r\n" for station, row in _rows(services, asked))
    while piece := list(islice(lines, ROWS_PER_PIECE)):
        yield "".join(piece).encode()


def _response(pieces: Iterator[bytes], media_type: str, headers: dict[str, str] | None = None) -> Response:
    """What fails before the first rows is still an error with a status."""
    first = list(islice(pieces, 2))
    return StreamingResponse(chain(first, pieces), headers=headers, media_type=media_type)
