"""Rain and meters over HTTP: several devices, long silences, a change of how a gauge tells its rain."""

import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cloud.store import Point, PointKey, Store
from tests.cloud.api.conftest import HOUR, MINUTE, NOW_MS, point

BASE = "/v1/stations/marktplatz/series"
DAY = 24 * HOUR
TODAY = {"from": "2026-11-22", "to": "2026-11-23"}


def rows(client: TestClient, channel: str, **asked: str) -> list[dict[str, float]]:
    answer = client.get(f"{BASE}/{channel}", params=asked)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, float]] = answer.json()["rows"]
    return found


def test_rain_of_two_gauges_at_one_station_is_their_mean(client: TestClient, store: Store) -> None:
    """Alternating every five minutes, 22 hours long; each counts 0.1 mm every ten minutes."""
    points = [
        point(10 * n + offset, device=device, precipitation_total=level - 0.1 * n)
        for n in range(132)
        for device, offset, level in (("a", 0, 100.0), ("b", 5, 300.0))
    ]
    store.write(points)
    year = {"every": "P1Y", "from": "2026-11-21", "to": "2026-11-23"}
    (total,) = rows(client, "precipitation_total", **year)
    (rain,) = rows(client, "precipitation", **year)
    assert total == {"time": total["time"], "difference": pytest.approx(13.1, abs=0.06), "count": 264, "flagged": 0}
    assert rain["sum"] == pytest.approx(total["difference"])
    assert rain["count"] == 262
    assert sum(row["sum"] for row in rows(client, "precipitation", **(year | {"every": "PT1H"}))) == pytest.approx(
        rain["sum"]
    )
    singles = rows(client, "precipitation", **TODAY)
    assert {row["device"] for row in singles} == {"a", "b"}
    assert all(row["value"] == pytest.approx(0.1) for row in singles)


@pytest.mark.parametrize("channel", ["precipitation_total", "precipitation"])
def test_what_gathered_during_a_long_silence_is_there_when_the_day_is_asked_alone(
    client: TestClient, store: Store, channel: str
) -> None:
    store.write([point(60 * 24 * 30, precipitation_total=10.0), point(15, precipitation_total=25.0)])
    name = "sum" if channel == "precipitation" else "difference"
    alone = rows(client, channel, every="P1D", **TODAY)
    whole = rows(client, channel, every="P1D", **{"from": "2026-10-01", "to": "2026-11-23"})
    assert alone == whole[-1:]
    assert alone[0][name] == 15.0
    assert [row.get("value") for row in rows(client, "precipitation", **TODAY)] == [15.0]


def test_a_failed_reading_before_the_range_is_passed_over(client: TestClient, store: Store) -> None:
    store.write([point(60 * 24 * 3, energy_total=10.0), point(60 * 24 * 2, quality="X range", energy_total=9e9)])
    store.write([point(15, energy_total=12.0)])
    (row,) = rows(client, "energy_total", every="P1D", **TODAY)
    assert row["difference"] == 2.0
    (row,) = rows(client, "energy_total", every="P1D", include="all", **TODAY)
    assert row["difference"] == 12.0  # seen from 9e9, a meter that began anew


def test_the_first_reading_ever_tells_no_difference(client: TestClient, store: Store) -> None:
    store.write([point(0, energy_total=10.0)])
    (row,) = rows(client, "energy_total", every="P1D", **TODAY)
    assert (row["difference"], row["count"]) == (None, 1)


def test_rain_goes_on_when_a_gauge_of_increments_gives_way_to_one_of_totals(client: TestClient, store: Store) -> None:
    store.write([point(15 * n, device="old", precipitation=0.1) for n in range(20, 30)])
    store.write([point(15 * n, device="new", precipitation_total=50.0 - 0.2 * n) for n in range(20)])
    answer = client.get(f"{BASE}/precipitation", params={"every": "P1D", **TODAY}).json()
    assert [(row["sum"], row["count"]) for row in answer["rows"]] == [(pytest.approx(1.0 + 19 * 0.2), 29)]
    assert answer["derived_from"] == "precipitation_total"
    assert answer["complete_until"] == "2026-11-21T22:59:59Z"
    singles = rows(client, "precipitation", **TODAY)
    assert [(row["device"], row["value"]) for row in singles] == [("old", 0.1)] * 10 + [("new", 0.2)] * 19
    assert [row["sum"] for row in rows(client, "precipitation", every="PT1H", **TODAY)][-1] == pytest.approx(0.8)
    assert client.get(f"{BASE}/precipitation@hof").status_code == 404


def test_what_a_device_says_both_ways_is_told_once(client: TestClient, store: Store) -> None:
    store.write([point(15 * n, precipitation_total=50.0 - 0.2 * n, precipitation=0.2) for n in range(1, 10)])
    (row,) = rows(client, "precipitation", every="P1D", **TODAY)
    assert (row["sum"], row["count"]) == (pytest.approx(1.8), 9)
    assert len(rows(client, "precipitation", **TODAY)) == 9


def test_a_station_lists_the_rain_that_it_answers_for(client: TestClient, store: Store) -> None:
    store.write([point(0)._replace(values={"precipitation_total@hof": 1.0, "co2": 400.0}, quality={})])
    listed = client.get("/v1/stations/marktplatz").json()["properties"]["channels"]
    assert listed == ["co2", "precipitation@hof", "precipitation_total@hof"]
    for channel in listed:
        assert client.get(f"{BASE}/{channel}").status_code == 200
    assert "precipitation@hof" in client.get(f"{BASE}/precipitation").json()["detail"]


_sent = st.lists(
    st.tuples(st.integers(0, 5 * 24 * 4), st.sampled_from("ab"), st.floats(0, 50), st.sampled_from("SSX")),
    max_size=20,
    unique_by=lambda one: one[:2],
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(total=_sent, direct=_sent, day=st.integers(17, 22))
def test_a_day_asked_alone_is_the_day_in_the_whole(
    client: TestClient,
    store: Store,
    total: list[tuple[int, str, float, str]],
    direct: list[tuple[int, str, float, str]],
    day: int,
) -> None:
    points = [point(15 * n, device=d, quality=q, precipitation_total=round(v, 3)) for n, d, v, q in total]
    points += [point(15 * n, device=d, quality=q, precipitation=round(v, 3)) for n, d, v, q in direct]
    store.write(points)
    try:
        for channel in {channel for one in points for channel in one.values} | ({"precipitation"} if points else set()):
            name = "sum" if channel == "precipitation" else "difference"
            asked = {"every": "P1D", "from": f"2026-11-{day}", "to": f"2026-11-{day + 1}"}
            alone = rows(client, channel, **asked)
            whole = rows(client, channel, **(asked | {"from": "2026-11-01", "to": "2026-11-24"}))
            hours = rows(client, channel, **(asked | {"every": "PT1H"}))
            start = f"2026-11-{day - 1}T23:00:00Z"
            assert alone == [row for row in whole if row["time"] == start]
            assert sum(row[name] or 0 for row in hours) == pytest.approx(sum(row[name] or 0 for row in alone))
    finally:
        store.delete([PointKey("marktplatz", one.device, one.time_ms) for one in points])


def test_a_range_in_the_middle_reads_what_lies_around_it(client: TestClient, store: Store) -> None:
    """The other gauge's readings stand before and after the hour asked for, and still share its rain."""
    at = NOW_MS - NOW_MS % HOUR - 5 * HOUR
    store.write(
        [Point("marktplatz", "a", at + n * 20 * MINUTE, {"precipitation_total": n * 1.0}, {}) for n in range(6)]
    )
    store.write([Point("marktplatz", "b", at + t * MINUTE, {"precipitation_total": 9.0}, {}) for t in (-10, 130)])
    asked = {"from": "2026-11-22T06:00:00Z", "to": "2026-11-22T07:00:00Z", "every": "PT1H"}
    (row,) = rows(client, "precipitation_total", **asked)
    assert row["difference"] == pytest.approx(1.5)  # three of a, half each
