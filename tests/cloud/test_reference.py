"""Daily reference series and places of stations that moved, beside the registry."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy.engine import Engine

from cloud.reference import Daily, DailyReferences
from cloud.registry.locations import Location, Locations
from cloud.sql import open_database
from tests.cloud.test_postgresql import server, url

__all__ = ["server", "url"]


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    here = f"sqlite:///{tmp_path}/registry.db"
    engine = open_database(here if request.param == "sqlite" else request.getfixturevalue("url"))
    yield engine
    engine.dispose()


def test_days_are_replaced_and_come_by_day(engine: Engine) -> None:
    days = DailyReferences(engine)
    first = [
        Daily("a", series, f"1990-07-{n:02}", n + 0.1, "V dwd-qn10", "dwd-1")
        for n in (2, 1)
        for series in ("tmax", "tmin")
    ]
    days.put(first)
    days.put(
        [
            replace(first[0], value=-1.5, quality="S dwd-qn3"),
            Daily("b", "tmean", "1990-07-01", 0.1 + 0.2, "Z", "import"),
        ]
    )
    assert [(d.day, d.series, d.value) for d in days.days("a", "1990-01-01", "1990-12-31")] == [
        ("1990-07-01", "tmax", 1.1),
        ("1990-07-01", "tmin", 1.1),
        ("1990-07-02", "tmax", -1.5),
        ("1990-07-02", "tmin", 2.1),
    ]
    assert [d.value for d in days.days("b", "1990-07-01", "1990-07-01")] == [0.1 + 0.2]
    assert list(days.days("a", "1990-07-03", "1990-12-31")) == []
    assert days.stations() == ["a", "b"]
    days.put([])


def test_more_days_than_one_statement_takes(engine: Engine) -> None:
    days = DailyReferences(engine)
    written = [
        Daily("a", "tmean", f"{1990 + n // 300}-{1 + n % 300 // 28:02}-{1 + n % 28:02}", float(n), "Z", "x")
        for n in range(2500)
    ]
    days.put(written)
    days.put(written)
    assert len(list(days.days("a", "0000", "9999"))) == len({d.day for d in written})


def test_where_a_station_stood(engine: Engine) -> None:
    places = Locations(engine)
    old = Location("a", "1982-01-01", "1989-09-30", 52.1328, 7.6856, 48.0, "Greven")
    new = Location("a", "1989-10-01", None, 52.1345, 7.6964, None, "Münster/Osnabrück")
    places.put("a", [old])
    places.put("a", [new, old])
    assert places.of("a") == [old, new]
    assert places.at("a", "1989-09-30") == old
    assert places.at("a", "1989-10-01") == places.at("a", "2026-01-01") == new
    assert places.at("a", "1981-12-31") is None
    assert places.of("b") == []
    places.put("a", [])
    assert places.of("a") == []
