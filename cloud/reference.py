"""Daily reference series: what a weather service says of a day, kept as such beside the registry.

A day of theirs begins and ends by their rules and has a date, no interval on our time axis; so it is no value of a
station's series, stays out of aggregates and of `latest`, and serves the climate of years where nothing finer is there.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Engine

from cloud.sql import metadata, reading

ROWS_PER_STATEMENT = 1000

daily_reference = sa.Table(
    "daily_reference",
    metadata,
    sa.Column("station", sa.String(64), primary_key=True),
    sa.Column("series", sa.String(32), primary_key=True),  # tmean, tmin, tmax, precipitation
    sa.Column("day", sa.String(10), primary_key=True),  # 1990-07-01
    sa.Column("value", sa.Double, nullable=False),
    sa.Column("quality", sa.String(100), nullable=False),
    sa.Column("source", sa.String(64), nullable=False),
)


@dataclass(frozen=True, slots=True)
class Daily:
    """One value of one day."""

    station: str
    series: str
    day: str
    value: float
    quality: str
    source: str


class DailyReferences:
    """The table, for whoever imports, exports or reckons a climate."""

    def __init__(self, engine: Engine) -> None:
        metadata.create_all(engine, tables=[daily_reference])
        self._engine = engine
        self._read = reading(engine)

    def put(self, days: Iterable[Daily]) -> None:
        """Durable when it returns; a day that was there is replaced."""
        rows: list[dict[str, Any]] = [
            {"station": d.station, "series": d.series, "day": d.day, "value": d.value, "quality": d.quality,
             "source": d.source} for d in days
        ]  # fmt: skip
        dialect: Any = postgresql if self._engine.dialect.name == "postgresql" else sqlite
        insert = dialect.insert(daily_reference)
        changing = {name: insert.excluded[name] for name in ("value", "quality", "source")}
        statement = insert.on_conflict_do_update(index_elements=["station", "series", "day"], set_=changing)
        with self._engine.begin() as connection:
            for start in range(0, len(rows), ROWS_PER_STATEMENT):
                connection.execute(statement, rows[start : start + ROWS_PER_STATEMENT])

    def days(self, station: str, first: str, last: str) -> Iterator[Daily]:
        """By day and series, both ends included (`2020-01-01`, `2020-12-31`)."""
        t = daily_reference.c
        query = sa.select(t.station, t.series, t.day, t.value, t.quality, t.source)
        query = query.where(t.station == station, t.day >= first, t.day <= last).order_by(t.day, t.series)
        with self._read.connect() as connection:
            for row in connection.execute(query):
                yield Daily(*row)

    def stations(self) -> list[str]:
        """Those that have any, sorted."""
        query = sa.select(daily_reference.c.station).distinct().order_by(daily_reference.c.station)
        with self._read.connect() as connection:
            return list(connection.execute(query).scalars())
