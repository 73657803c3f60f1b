"""`/v1/stations`, `/v1/stations/<id>` and `/v1/latest` as GeoJSON; `/v1/devices/<id>/delivery`."""

from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Depends, Query, Request, Response

from cloud.api import answers, answers_geojson, geojson
from cloud.api.etags import etag, headers_of, not_modified
from cloud.api.known_query import known_query
from cloud.api.known_station import find
from cloud.api.latest_answer import LatestAnswer
from cloud.api.ports import DeliveryReader, Services
from cloud.api.problems import NotFound
from cloud.api.series_source import offered


def routes(services: Services) -> APIRouter:
    """The routes of stations."""
    ready = None if services.latest is None else LatestAnswer(services.latest, services.registry)
    router = APIRouter(
        prefix="/v1",
        tags=["stations"],
        default_response_class=answers_geojson.GeoJson,
        dependencies=[Depends(known_query)],
    )

    @router.get("/stations", summary="All stations", response_model=answers_geojson.Stations)
    def stations(request: Request) -> Response:
        """Every registered station, where it stands and how. A private one is placed to about a kilometre."""
        tag = etag("stations", services.registry.revision())
        if (same := not_modified(request, tag)) is not None:
            return same
        return _answer(geojson.collection([geojson.feature(one) for one in services.registry.stations()]), tag)

    @router.get(
        "/stations/{station}", summary="One station and its channels", response_model=answers_geojson.OneStation
    )
    def station(request: Request, station: answers.StationPath) -> Response:
        """One station, and the channels whose series can be asked for."""
        revision = services.registry.revision()
        found, tag = find(services, station), None
        if services.latest is not None:
            tag = etag("station", station, revision, str(services.latest.station_mark(station)[0]))
        if (same := not_modified(request, tag)) is not None:
            return same
        return _answer(geojson.feature(found, channels=offered(services.store.channels(station))), tag)

    @router.get(
        "/latest", summary="The newest value of every channel of every station", response_model=answers_geojson.Latest
    )
    def latest(
        request: Request,
        station: Annotated[
            str | None, Query(description="Only these, separated by commas", examples=["marktplatz,neustadt"])
        ] = None,
    ) -> Response:
        """Never behind what was stored. A value that failed its checks is shown with its quality, like any other."""
        some = None if station is None else [find(services, name.strip()) for name in station.split(",")]
        if ready is not None:
            return ready.answer(request, some)
        if some is None:
            return _answer(geojson.latest(services.registry.stations(), services.store.latest()))
        return _answer(geojson.latest(some, services.store.latest([one.station for one in some])))

    return router


def delivery_routes(reader: DeliveryReader) -> APIRouter:
    """The route that tells what became of a device's readings."""
    router = APIRouter(prefix="/v1", tags=["devices"], dependencies=[Depends(known_query)])

    @router.get(
        "/devices/{device}/delivery",
        summary="What was received, late, doubled and is missing",
        response_model=answers.Delivery,
    )
    def delivery(device: answers.DevicePath) -> Response:
        """What the ledger knows of a device's readings since the first one: gaps are of its own count, `seq`."""
        found = reader.delivery(device)
        if found is None:
            raise NotFound(f"Nothing was ever received from a device '{device}'")
        return Response(orjson.dumps(found), media_type="application/json")

    return router


def _answer(body: dict[str, Any], tag: str | None = None) -> Response:
    return Response(orjson.dumps(body), headers=headers_of(tag), media_type=geojson.MEDIA_TYPE)
