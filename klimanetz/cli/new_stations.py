"""Stations that come with data: registered from where the files say that they stand."""

import csv
import io

from cloud.registry import imports
from cloud.registry.files import FileRefused
from cloud.registry.locations import Location, Locations
from cloud.registry.registry import Registry
from cloud.transfer.dwd_stations import Listed
from cloud.transfer.naming import Naming
from cloud.transfer.sources import Beside, Source
from klimanetz.failure import Failure

COLUMNS = ("station", "name", "latitude", "longitude", "elevation_m")


def make_stations(registry: Registry, names: Naming, sources: list[Source], beside: Beside) -> list[str]:
    """Those that the sources need, or without sources all that the files tell of. Returns the new names."""
    wanted: dict[str, str | None] = {}  # our name -> the service's number
    for source in sources:
        if source.station_id is not None:
            wanted[names.ours(source, source.station_id)] = names.dwd_id(source, source.station_id)
    if not sources:
        wanted = {
            names.each.get(number) or names.of_number(number): number
            for number in beside.listed.keys() | beside.places.keys()
        }
    rows = [_row(name, number, beside) for name, number in sorted(wanted.items()) if name not in names.registered]
    if not rows:
        return []
    text = io.StringIO()
    csv.writer(text).writerows([COLUMNS, *rows])
    try:
        imports.import_stations(registry, text.getvalue().encode())
    except FileRefused as refused:
        raise Failure(
            f"station {rows[refused.rows[0].line - 2][0]} cannot be registered: {refused.rows[0].reason}"
        ) from None
    names.registered.update(str(row[0]) for row in rows)
    return [str(row[0]) for row in rows]


def remember_places(locations: Locations, names: Naming, beside: Beside) -> dict[str, list[str]]:
    """Where stations stood; returns on which days each moved."""
    moved: dict[str, list[str]] = {}
    for number, geography in beside.places.items():
        name = names.each.get(number) or names.one or names.of_number(number)
        if name in names.registered:
            places = [
                Location(name, p.since, p.until, p.latitude, p.longitude, p.elevation_m, p.name)
                for p in geography.places
            ]
            locations.put(name, places)
            moved[name] = geography.moves()
    return moved


def _row(name: str, number: str | None, beside: Beside) -> tuple[object, ...]:
    geography = beside.places.get(number or "")
    at: Listed | None = beside.listed.get(number or "")
    if geography is not None:
        place = geography.newest
        return name, place.name or name, place.latitude, place.longitude, place.elevation_m
    if at is not None:
        return name, at.name or name, at.latitude, at.longitude, at.elevation_m
    raise Failure(
        f"nothing says where station {name} stands: give the service's Meta_Daten zip or list of stations beside the "
        "data, or register it with `klimanetz stations import`"
    )
