"""`/v1/stations/<id>/series/<channel>`: the shapes that scripts rely on."""

import csv
import io
from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient

from cloud.api.app import create_app
from cloud.store import Point, Store, StoreUnavailable, Value
from tests.cloud.api.conftest import MINUTE, NOW_MS, Registry, point

URL = "/v1/stations/marktplatz/series/air_temperature"
# The last one 10:45Z, so the hour of 10 is not over.
HOURLY = [point(15 * n, air_temperature=t) for n, t in enumerate([3.9, 3.5, 3.1, 3.1, 2.0, 2.0, 2.0, 2.0])]


def test_the_shape_in_the_interface(client: TestClient, store: Store) -> None:
    store.write(HOURLY)
    answer = client.get(URL, params={"every": "PT1H", "agg": "mean,min,max", "from": "2026-11-22T09:00:00Z"})
    assert answer.headers["content-type"] == "application/json"
    body = answer.json()
    assert {key: body[key] for key in ("station", "channel", "unit", "every", "aggregates")} == {
        "station": "marktplatz",
        "channel": "air_temperature",
        "unit": "°C",
        "every": "PT1H",
        "aggregates": ["mean", "min", "max"],
    }
    assert body["rows"] == [
        {"time": "2026-11-22T09:00:00Z", "mean": 2.0, "min": 2.0, "max": 2.0, "count": 4, "flagged": 0},
        {"time": "2026-11-22T10:00:00Z", "mean": 3.4, "min": 3.1, "max": 3.9, "count": 4, "flagged": 0},
    ]
    assert body["complete_until"] == "2026-11-22T09:59:59Z"


def test_without_every_there_are_the_values(client: TestClient, store: Store) -> None:
    store.write([point(15, air_temperature=3.5), point(0, quality="X range spike", air_temperature=99.0)])
    body = client.get(URL).json()
    assert body["rows"] == [
        {"time": "2026-11-22T10:30:00Z", "value": 3.5, "quality": "S", "quality_reasons": [], "device": "kn-1"},
        {
            "time": "2026-11-22T10:45:00Z",
            "value": 99.0,
            "quality": "X",
            "quality_reasons": ["range", "spike"],
            "device": "kn-1",
        },
    ]
    assert body["complete_until"] == "2026-11-22T10:45:00Z"
    assert [row["value"] for row in client.get(URL, params={"include": "ok"}).json()["rows"]] == [3.5]


def test_flagged_values_count_but_stay_out_unless_all_are_asked_for(client: TestClient, store: Store) -> None:
    store.write([*HOURLY, point(1, quality="X range", air_temperature=99.0)])
    asked = {"every": "PT1H", "agg": "max", "from": "2026-11-22T10:00:00Z"}
    assert client.get(URL, params=asked).json()["rows"] == [
        {"time": "2026-11-22T10:00:00Z", "max": 3.9, "count": 4, "flagged": 1}
    ]
    assert client.get(URL, params={**asked, "include": "all"}).json()["rows"] == [
        {"time": "2026-11-22T10:00:00Z", "max": 99.0, "count": 5, "flagged": 1}
    ]


def test_days_are_the_stations_or_those_of_tz(client: TestClient, store: Store) -> None:
    store.write([one._replace(station=station) for one in HOURLY for station in ("marktplatz", "delhi")])

    def first(station: str, **more: str) -> str:
        answer = client.get(f"/v1/stations/{station}/series/air_temperature", params={"every": "P1D", **more})
        return str(answer.json()["rows"][0]["time"])

    assert first("marktplatz") == "2026-11-21T23:00:00Z"
    assert first("delhi") == "2026-11-21T18:30:00Z"
    assert first("delhi", tz="UTC") == "2026-11-22T00:00:00Z"


def test_a_default_aggregate_by_quantity(client: TestClient, store: Store) -> None:
    store.write([point(0, wind_gust=5.0, precipitation_total=1.0), point(1, wind_gust=9.0, precipitation_total=0.5)])
    base = "/v1/stations/marktplatz/series"
    assert client.get(f"{base}/wind_gust?every=PT1H").json()["rows"][0]["max"] == 9.0
    assert client.get(f"{base}/precipitation_total?every=PT1H").json()["rows"][0]["difference"] == 0.5


def test_a_counter_knows_its_state_before_the_first_interval(client: TestClient, store: Store) -> None:
    store.write([point(50, energy_total=10.0), point(30, energy_total=10.5), point(0, energy_total=12.0)])
    asked = {"every": "PT1H", "from": "2026-11-22T10:00:00Z"}
    rows = client.get("/v1/stations/marktplatz/series/energy_total", params=asked).json()["rows"]
    assert rows == [{"time": "2026-11-22T10:00:00Z", "difference": 2.0, "count": 2, "flagged": 0}]


def test_precipitation_is_told_from_a_running_total(client: TestClient, store: Store) -> None:
    store.write([point(15 * n, precipitation_total=10.0 - n / 10) for n in range(4)])
    url = "/v1/stations/marktplatz/series/precipitation"
    body = client.get(url, params={"every": "PT1H"}).json()
    assert body["derived_from"] == "precipitation_total"
    assert body["rows"] == [{"time": "2026-11-22T10:00:00Z", "sum": 0.3, "count": 3, "flagged": 0}]
    assert [row["value"] for row in client.get(url).json()["rows"]] == [0.1, 0.1, 0.1]
    assert client.get(url + "@hof").status_code == 404


@pytest.mark.parametrize(
    ("asked", "until"),
    [
        ({"from": "2026-11-22T08:00:00Z", "to": "2026-11-22T10:00:00Z"}, "2026-11-22T09:59:59Z"),
        ({"from": "2026-11-22T08:00:00Z", "to": "2026-11-23T00:00:00Z"}, "2026-11-22T09:59:59Z"),
        ({"from": "2026-11-20T08:00:00Z", "to": "2026-11-20T10:00:00Z"}, "2026-11-20T09:59:59Z"),
    ],
)
def test_complete_until_ends_with_the_range_or_before_the_interval_of_the_newest_value(
    client: TestClient, store: Store, asked: dict[str, str], until: str
) -> None:
    store.write(HOURLY)
    assert client.get(URL, params={"every": "PT1H", **asked}).json()["complete_until"] == until


def test_complete_until_does_not_run_ahead_of_a_silent_station(client: TestClient, store: Store) -> None:
    store.write([point(300, air_temperature=1.0)])  # 05:45Z
    asked = {"every": "PT1H", "from": "2026-11-22T04:00:00Z", "to": "2026-11-22T10:00:00Z"}
    assert client.get(URL, params=asked).json()["complete_until"] == "2026-11-22T04:59:59Z"


def test_a_known_channel_with_nothing_in_the_range_is_empty(client: TestClient, store: Store) -> None:
    store.write(HOURLY)
    body = client.get(URL, params={"from": "2020-01-01", "to": "2020-01-02"}).json()
    assert body["rows"] == []
    assert body["complete_until"] == "2020-01-01T22:59:59Z"


def test_csv_has_the_same_columns(client: TestClient, store: Store) -> None:
    store.write([point(15, air_temperature=3.5), point(0, quality="Q step isolated", air_temperature=4.25)])
    answer = client.get(URL, params={"format": "csv"})
    assert answer.headers["content-type"].startswith("text/csv; charset=utf-8")
    assert answer.headers["content-disposition"] == 'attachment; filename="marktplatz_air_temperature.csv"'
    assert answer.text == (
        "time,value,quality,quality_reasons,device\r\n"
        "2026-11-22T10:30:00Z,3.5,S,,kn-1\r\n"
        "2026-11-22T10:45:00Z,4.25,Q,step isolated,kn-1\r\n"
    )
    rows = list(csv.DictReader(io.StringIO(client.get(URL, params={"format": "csv", "every": "PT1H"}).text)))
    assert rows == [{"time": "2026-11-22T10:00:00Z", "mean": "3.875", "count": "2", "flagged": "0"}]


def test_csv_for_german_spreadsheets(client: TestClient, store: Store) -> None:
    store.write([point(15, air_temperature=3.5), point(0, quality="X range", air_temperature=99.0)])
    answer = client.get(URL, params={"format": "csv", "profile": "de", "every": "PT30M", "agg": "mean,max"})
    assert answer.content.startswith(b"\xef\xbb\xbftime;local_time;mean;max;count;flagged\r\n")
    assert answer.content.decode("utf-8-sig").splitlines()[1:] == [
        "2026-11-22T10:30:00Z;22.11.2026 11:30:00;3,5;3,5;1;1",
    ]
    empty = client.get(URL, params={"format": "csv", "profile": "de", "every": "PT15M"})
    assert empty.text.splitlines()[-1] == "2026-11-22T10:45:00Z;22.11.2026 11:45:00;;0;1"


def test_the_german_profile_is_csv_by_itself(client: TestClient, store: Store) -> None:
    store.write(HOURLY)
    short, long = client.get(URL + "?profile=de"), client.get(URL + "?profile=de&format=csv")
    assert short.headers["content-type"].startswith("text/csv")
    assert short.content == long.content
    assert short.content.startswith(b"\xef\xbb\xbf")


def test_blanks_between_names_are_none_of_them(client: TestClient, store: Store) -> None:
    store.write(HOURLY)
    body = client.get(URL, params={"every": "PT1H", "agg": "mean, max", "tz": " UTC "}).json()
    assert (body["aggregates"], body["time_zone"]) == (["mean", "max"], "UTC")


def test_a_blank_where_a_plus_was_meant(client: TestClient, store: Store) -> None:
    store.write(HOURLY)
    answer = client.get(URL + "?from=2026-11-22T11:30:00+01:00")
    assert [row["time"] for row in answer.json()["rows"]] == ["2026-11-22T10:30:00Z", "2026-11-22T10:45:00Z"]


def test_a_place_in_the_path(client: TestClient, store: Store) -> None:
    store.write([point(0)._replace(values={"soil_moisture@30cm": 22.1}, quality={})])
    for channel in ("soil_moisture@30cm", "soil_moisture%4030cm"):
        body = client.get(f"/v1/stations/marktplatz/series/{channel}").json()
        assert (body["channel"], body["rows"][0]["value"], body["rows"][0]["quality"]) == (
            "soil_moisture@30cm",
            22.1,
            "Z",
        )


@pytest.mark.parametrize(
    ("url", "status", "says"),
    [
        (URL + "?from=2026-11-22&to=2026-11-21", 400, "not before"),
        (URL + "?from=soon", 400, "2026-11-22T10:00:00Z"),
        (URL + "?every=PT7M", 400, "PT15M"),
        (URL + "?every=PT1H&agg=median", 400, "mean, min, max"),
        (URL + "?agg=mean", 400, "every=PT1H"),
        (URL + "?tz=Mars", 400, "Europe/Berlin"),
        (URL + "?format=xml", 400, "json"),
        (URL + "?include=some", 400, "all"),
        (URL + "?profile=de&format=json", 400, "leave one of them out"),
        (URL + "?profile=fr", 400, "`profile` is 'fr'"),
        (URL + "?start=2026-11-22", 400, "`start` is no parameter of this address: it takes `from`"),
        (URL + "?every=PT1H&every=P1D", 400, "`every` is given 2 times"),
        (URL + "?every=PT1H&agg=", 400, "mean, min, max"),
        (URL + "?from=", 400, "`from` is ''"),
        (URL + "?tz=localtime", 400, "Europe/Berlin"),
        (URL + "?tz=", 400, "Europe/Berlin"),
        ("/v1/latest?stations=garten", 400, "it takes `station`, each once"),
        ("/v1/stations?limit=5", 400, "it takes none"),
        ("/v1/devices/kn-1/delivery?x=", 400, "it takes none"),
        ("/v1/stations/nowhere/series/co2", 404, "/v1/stations"),
        ("/v1/stations/marktplatz/series/tempo", 404, "tempo"),
        ("/v1/stations/marktplatz/series/co2", 404, "it has air_temperature"),
        ("/v1/stations/delhi/series/co2", 404, "nothing was received"),
        ("/v1/stations/marktplatz/series/co2@Straße", 404, "place"),
    ],
)
def test_errors_say_the_way_out(client: TestClient, store: Store, url: str, status: int, says: str) -> None:
    store.write(HOURLY)
    answer = client.get(url)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert says in answer.json()["detail"]
    assert answer.json()["status"] == status


@pytest.mark.parametrize("form", ["json", "csv"])
def test_a_long_series_streams_whole(client: TestClient, store: Store, form: str) -> None:
    store.write([point(n, air_temperature=n / 10) for n in range(12_345)])
    answer = client.get(URL, params={"from": "2026-10-01", "format": form})
    assert "content-length" not in answer.headers
    if form == "json":
        rows = answer.json()["rows"]
        assert [row["value"] for row in rows] == [n / 10 for n in reversed(range(12_345))]
    else:
        assert len(answer.text.splitlines()) == 12_346


class Failing:
    """A store whose series breaks after `good` values."""

    def __init__(self, good: int) -> None:
        self._good = good

    def series(self, station: str, channel: str, start_ms: int, end_ms: int) -> Iterator[Value]:
        for n in range(self._good):
            yield Value(start_ms + n, 1.0, "S", "d")
        raise StoreUnavailable("InfluxDB at http://10.1.2.3:8086 is down", 7)


def test_a_store_that_is_down_is_told_before_the_first_row(store: Store) -> None:
    client = TestClient(create_app(Failing(0), Registry()))  # type: ignore[arg-type]
    answer = client.get(URL)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "7")
    assert "10.1.2.3" not in answer.text


def test_a_stream_that_breaks_is_not_closed_as_if_whole(store: Store) -> None:
    client = TestClient(create_app(Failing(20_000), Registry()))  # type: ignore[arg-type]
    with pytest.raises(RuntimeError) as caught:
        client.get(URL)
    assert isinstance(caught.value.__cause__, StoreUnavailable)


def test_a_reading_of_another_station_is_not_seen(client: TestClient, store: Store) -> None:
    store.write([*HOURLY, Point("garten", "kn-2", NOW_MS - MINUTE, {"air_temperature": 50.0}, {}, 1, 1)])
    body = client.get(URL, params={"every": "P1D", "agg": "max"}).json()
    assert [row["max"] for row in body["rows"]] == [3.9]
