"""`/v1/series/<channel>`: many stations in one answer; that its rows are right is held in test_random_queries."""

import pytest
from fastapi.testclient import TestClient

from cloud.store import Store
from tests.cloud.api.conftest import point

URL = "/v1/series/air_temperature"
DAY = {"from": "2026-11-22", "to": "2026-11-23", "every": "P1D"}


@pytest.fixture
def filled(client: TestClient, store: Store) -> TestClient:
    store.write([point(15 * n, air_temperature=float(n)) for n in range(4)])
    store.write([point(30, station="garten", air_temperature=7.0), point(15, station="garten", quality="X range",
                       air_temperature=99.0)])  # fmt: skip
    store.write([point(15, station="delhi", battery=3.9)])
    return client


def test_the_shape(filled: TestClient) -> None:
    body = filled.get(URL, params={**DAY, "agg": "mean,max", "tz": "Europe/Berlin"}).json()
    start = "2026-11-21T23:00:00Z"
    assert body == {
        "channel": "air_temperature",
        "unit": "°C",
        "every": "P1D",
        "aggregates": ["mean", "max"],
        "time_zone": "Europe/Berlin",
        "from": start,
        "to": "2026-11-22T23:00:00Z",
        "include": "ok",
        "series": [
            {
                "station": "marktplatz",
                "rows": [{"time": start, "mean": 1.5, "max": 3.0, "count": 4, "flagged": 0}],
                "complete_until": "2026-11-21T22:59:59Z",
            },
            {
                "station": "garten",
                "rows": [{"time": start, "mean": 7.0, "max": 7.0, "count": 1, "flagged": 1}],
                "complete_until": "2026-11-21T22:59:59Z",
            },
            {"station": "delhi", "rows": [], "complete_until": None},
        ],
    }


def test_csv_names_the_station_in_every_line(filled: TestClient) -> None:
    answer = filled.get(URL, params={**DAY, "every": "PT1H", "station": "garten,marktplatz", "format": "csv"})
    assert answer.headers["content-type"].startswith("text/csv; charset=utf-8")
    assert answer.headers["content-disposition"] == 'attachment; filename="air_temperature_PT1H.csv"'
    assert answer.text == (
        "station,time,mean,count,flagged\r\n"
        "garten,2026-11-22T10:00:00Z,7.0,1,1\r\n"
        "marktplatz,2026-11-22T10:00:00Z,1.5,4,0\r\n"
    )


def test_stations_of_several_zones_need_one(filled: TestClient) -> None:
    assert filled.get(URL, params={**DAY, "station": "marktplatz,garten"}).json()["time_zone"] == "Europe/Berlin"
    answer = filled.get(URL, params=DAY)
    assert (answer.status_code, "add tz=Europe/Berlin" in answer.json()["detail"]) == (400, True)


@pytest.mark.parametrize(
    ("more", "status", "says"),
    [
        ({"station": "marktplatz,nowhere"}, 404, "no station 'nowhere'"),
        ({"station": ""}, 404, "no station ''"),
        ({"every": "PT7M"}, 400, "PT15M"),
        ({"agg": "sum"}, 400, "mean, min, max"),
        ({"profile": "de"}, 400, "`profile` is no parameter"),
        ({"tz": "Mars"}, 400, "Europe/Berlin"),
        ({"from": "soon"}, 400, "2026-11-22T10:00:00Z"),
    ],
)
def test_errors_say_the_way_out(filled: TestClient, more: dict[str, str], status: int, says: str) -> None:
    answer = filled.get(URL, params={**DAY, "tz": "UTC", **more})
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert says in answer.json()["detail"]


def test_an_interval_is_needed_and_a_channel_is_one(filled: TestClient) -> None:
    assert filled.get(URL, params={"tz": "UTC"}).status_code == 400
    assert filled.get("/v1/series/tempo", params={**DAY, "tz": "UTC"}).status_code == 404
