"""Stations and their newest values as GeoJSON (RFC 7946). Pure.

A private station is shown where it is to two decimals, about a kilometre, and nowhere more exactly.
"""

from collections.abc import Iterable
from typing import Any

from cloud.store.model import Latest
from cloud.time_text import TimeText
from schemas.channels import split
from schemas.models import Station

MEDIA_TYPE = "application/geo+json"
COARSE_DECIMALS = 2
Feature = dict[str, Any]


def feature(station: Station, **more: Any) -> Feature:
    """A station; `more` are further properties."""
    properties = {
        "station": station.station,
        "name": station.name,
        "elevation_m": station.elevation_m,
        "height_m": station.height_m,
        "shield": station.shield,
        "lcz": station.lcz,
        "district": station.district,
        "timezone": station.timezone,
        "coarse_location": station.private,
    }
    geometry = {"type": "Point", "coordinates": place(station)}
    return {"type": "Feature", "id": station.station, "geometry": geometry, "properties": properties | more}


def place(station: Station) -> tuple[float, float]:
    """(longitude, latitude) as the public may see them."""
    if station.private:
        return round(station.longitude, COARSE_DECIMALS), round(station.latitude, COARSE_DECIMALS)
    return station.longitude, station.latitude


def collection(features: list[Feature]) -> dict[str, Any]:
    """A FeatureCollection."""
    return {"type": "FeatureCollection", "features": features}


def latest(stations: Iterable[Station], newest: Iterable[Latest]) -> dict[str, Any]:
    """Every station with the newest value of each of its channels in `properties.values`."""
    by_station: dict[str, dict[str, Any]] = {}
    units: dict[str, str] = {}
    text = TimeText()
    for one in newest:
        unit = units.get(one.channel)
        if unit is None:
            unit = units[one.channel] = split(one.channel)[0].unit
        letter, *reasons = one.quality.split(" ")
        by_station.setdefault(one.station, {})[one.channel] = {
            "value": one.value,
            "unit": unit,
            "time": text(one.time_ms),
            "quality": letter,
            "quality_reasons": reasons,
            "device": one.device,
        }
    return collection([feature(station, values=by_station.get(station.station, {})) for station in stations])
