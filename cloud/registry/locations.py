"""Where a station of somebody else's stood over the years: a weather service moves a station and keeps its number.

The registry's station has one place, the newest; here is which one held on a day (a date, as the
service has it).
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from cloud.sql import metadata, reading

station_locations = sa.Table(
    "station_location",
    metadata,
    sa.Column("station", sa.String(64), primary_key=True),
    sa.Column("since", sa.String(10), primary_key=True),  # 1990-07-01
    sa.Column("until", sa.String(10)),  # the last day; null: still there
    sa.Column("latitude", sa.Float, nullable=False),
    sa.Column("longitude", sa.Float, nullable=False),
    sa.Column("elevation_m", sa.Float),
    sa.Column("name", sa.String(200), nullable=False),
)


@dataclass(frozen=True, slots=True)
class Location:
    """A place of a station, both days included."""

    station: str
    since: str
    until: str | None
    latitude: float
    longitude: float
    elevation_m: float | None
    name: str


class Locations:
    """The table, for whoever needs to know where a value was measured."""

    def __init__(self, engine: Engine) -> None:
        metadata.create_all(engine, tables=[station_locations])
        self._engine = engine
        self._read = reading(engine)

    def put(self, station: str, places: Sequence[Location]) -> None:
        """These are all places that are known of the station now."""
        rows: list[dict[str, Any]] = [asdict(place) for place in places]
        with self._engine.begin() as connection:
            connection.execute(sa.delete(station_locations).where(station_locations.c.station == station))
            if rows:
                connection.execute(sa.insert(station_locations), rows)

    def of(self, station: str) -> list[Location]:
        """By day."""
        t = station_locations
        query = sa.select(t).where(t.c.station == station).order_by(t.c.since)
        with self._read.connect() as connection:
            return [Location(**row) for row in connection.execute(query).mappings()]

    def at(self, station: str, day: str) -> Location | None:
        """Where the station stood on a day; None where that is not known."""
        here = [
            place for place in self.of(station) if place.since <= day and (place.until is None or day <= place.until)
        ]
        return here[-1] if here else None
