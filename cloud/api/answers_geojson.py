"""What the routes answer in GeoJSON (RFC 7946), as models for /openapi.json only; see `answers`."""

from typing import Annotated, Literal

from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from cloud.api import geojson
from cloud.api.answers import ChannelName, DeviceName, Letter, Reasons, StationName, Time, Unit


class GeoJson(JSONResponse):
    """For the description of a route: GeoJSON."""

    media_type = geojson.MEDIA_TYPE


class Place(BaseModel):
    """A point of GeoJSON (RFC 7946)."""

    type: Literal["Point"]
    coordinates: Annotated[
        list[float],
        Field(min_length=2, max_length=2, description="Longitude, latitude in ° (WGS 84)", examples=[[11.97, 51.48]]),
    ]


class StationProperties(BaseModel):
    station: StationName
    name: Annotated[str, Field(examples=["Marktplatz"])]
    elevation_m: Annotated[float | None, Field(description="Ground above sea level, m")]
    height_m: Annotated[float | None, Field(description="Sensor above ground, m")]
    shield: Annotated[str | None, Field(description="Radiation shield")]
    lcz: Annotated[str | None, Field(description="Local climate zone (Stewart & Oke 2012)", examples=["2"])]
    district: str | None
    timezone: Annotated[str, Field(description="IANA name", examples=["Europe/Berlin"])]
    coarse_location: Annotated[bool, Field(description="The place is told to about a kilometre only")]


class OneStationProperties(StationProperties):
    channels: Annotated[list[ChannelName], Field(description="Those whose series can be asked for")]


class NewestValue(BaseModel):
    value: Annotated[float, Field(description="In `unit`")]
    unit: Unit
    time: Time
    quality: Letter
    quality_reasons: Reasons
    device: DeviceName


class LatestProperties(StationProperties):
    values: Annotated[dict[str, NewestValue], Field(description="By channel; empty where nothing was received yet")]


class _Feature(BaseModel):
    type: Literal["Feature"]
    id: StationName
    geometry: Place


class StationFeature(_Feature):
    properties: StationProperties


class OneStation(_Feature):
    properties: OneStationProperties


class LatestFeature(_Feature):
    properties: LatestProperties


class Stations(BaseModel):
    type: Literal["FeatureCollection"]
    features: list[StationFeature]


class Latest(BaseModel):
    type: Literal["FeatureCollection"]
    features: list[LatestFeature]
