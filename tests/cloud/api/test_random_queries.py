"""A thousand random questions, asked as users ask, against `tests.cloud.recomputed`: for each store.

The data is written once: every kind of quantity, devices that follow and overlap each other, a counter that rolls over
and one that begins anew, gaps, flagged values, readings that come late, twice, or again with another value; dense
around the clock changes of the zones that are asked for. Times, count and flagged must be equal; values up to what
rounding to nine decimals and sums of binary floats allow (`noise`).
"""

import random
from collections.abc import Iterator
from functools import cache
from zoneinfo import ZoneInfo

import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cloud.api.app import create_app
from cloud.api.times import utc_text
from cloud.store import Point, Store, open_store
from tests.cloud.api.conftest import Registry
from tests.cloud.recomputed import Raw, Told, recompute
from tests.servers import influx_server

__all__ = ["influx_server"]

HOUR = 3_600_000
DAY = 24 * HOUR
# Middles of what is dense: the changes of clocks in Berlin, New York and on Lord Howe, the turn of a year.
CHANGES = [1_774_746_000_000, 1_792_890_000_000, 1_772_953_200_000, 1_793_512_800_000, 1_775_314_800_000,
           1_791_041_400_000, 1_798_758_000_000]  # fmt: skip
BEGIN, END = 1_764_547_200_000, 1_801_440_000_000  # December 2025 to January 2027
ZONES = ["Europe/Berlin", "UTC", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu",
         "America/Havana"]  # where midnight comes twice, and is skipped  # fmt: skip
LENGTHS = {"PT1M": 60_000, "PT5M": 300_000, "PT10M": 600_000, "PT15M": 900_000, "PT30M": 1_800_000, "PT1H": HOUR,
           "PT3H": 3 * HOUR, "PT6H": 6 * HOUR, "PT12H": 12 * HOUR, "P1D": DAY, "P1W": 7 * DAY, "P1M": 30 * DAY,
           "P1Y": 366 * DAY}  # fmt: skip
MEASURED = ["mean", "min", "max", "first", "last"]
AGGREGATES = {
    "air_temperature": MEASURED,
    "wind_gust": MEASURED,
    "sound_level": MEASURED,
    "wind_direction": ["mean", "first", "last"],
    "precipitation": ["sum", *MEASURED],
    "precipitation_total": ["difference", "min", "max", "first", "last"],
    "energy_total": ["difference", "min", "max", "first", "last"],
}
DEFAULT = {
    "wind_gust": "max",
    "precipitation": "sum",
    "precipitation_total": "difference",
    "energy_total": "difference",
}


# -- what is written


def times(rng: random.Random, device: int, since_ms: int, until_ms: int) -> list[int]:
    """Every 20 to 90 minutes around the changes, with gaps; now and then in between."""
    found = set()
    for middle in CHANGES:
        at = middle - 36 * HOUR + rng.randrange(HOUR)
        while at < middle + 36 * HOUR:
            found.add(at // 60_000 * 60_000 if rng.random() < 0.8 else at)
            at += rng.choice([20, 30, 45, 60, 90]) * 60_000 if rng.random() < 0.95 else 5 * HOUR
    found |= {rng.randrange(BEGIN, END) for _ in range(60)}
    found |= {BEGIN + (2 + device) * DAY, CHANGES[0], CHANGES[1]}
    return sorted(one for one in found if since_ms <= one < until_ms)


def level(rng: random.Random, quantity: str, last: float) -> float:
    if quantity == "precipitation_total":
        last = last + rng.choice([0.0, 0.2, 0.4, 37.2, 411.0, 9000.0])
        return round(last - 260_000, 3) if last > 260_000 else round(last, 3)
    if quantity == "energy_total":
        kind = rng.random()
        return round(
            last * 0.1 if kind < 0.01 else last - 0.5 if kind < 0.02 and last > 1 else last + rng.random() * 9, 3
        )
    if quantity == "precipitation":
        return rng.choice([0.0, 0.2, 0.4, 1.7])
    low, high = {"wind_direction": (0, 360), "sound_level": (20, 110), "wind_gust": (0, 40)}.get(quantity, (-30, 40))
    return round(rng.uniform(low, high), 1)


@cache
def history(quantity: str) -> tuple[Raw, ...]:
    """Of three devices: `c` before and `a` after the swap of 2026-07, `b` beside both for a while."""
    rng = random.Random(quantity)
    found: dict[tuple[int, str], Raw] = {}
    swap = 1_783_000_000_000
    for n, (device, since, until) in enumerate(
        [("c", BEGIN, swap), ("a", swap + HOUR, END), ("b", 1_774_700_000_000, 1_792_900_000_000)]
    ):
        value = 250_000.0 if quantity == "precipitation_total" else 0.0
        for time_ms in times(rng, n, since, until):
            value = level(rng, quantity, value)
            quality = rng.choices(["S", "C", "Z", "Q step", "G", "X range", "B"], [60, 10, 5, 5, 5, 6, 3])[0]
            shown = 1e6 if quality == "X range" and quantity not in ("wind_direction", "sound_level") else value
            found[time_ms, device] = Raw(time_ms, shown, quality, device)
    return tuple(found[key] for key in sorted(found))


def fill(store: Store) -> None:
    """Late, doubled, and some first with another value, which the right one then replaces."""
    rng = random.Random(1)
    for quantity in ("air_temperature", "wind_gust"):
        store.write(
            [
                Point("second", "s2", one.time_ms + 420_000, {quantity: one.value / 2}, {quantity: "C"}, 1, n)
                for n, one in enumerate(history(quantity))
                if one.device == "a" and one.quality[0] != "X"
            ]
        )
    for quantity in AGGREGATES:
        points = [
            Point(quantity, one.device, one.time_ms, {quantity: one.value}, {quantity: one.quality}, 1, n)
            for n, one in enumerate(history(quantity))
        ]
        rng.shuffle(points)
        wrong = [one._replace(values={quantity: 7.7}, quality={quantity: "X"}) for one in points[::9]]
        store.write(wrong)
        for first in range(0, len(points), 400):
            store.write(points[first : first + 400])
        store.write(rng.sample(points, 300))


@pytest.fixture(scope="module", params=["sqlite", pytest.param("influxdb", marks=pytest.mark.influxdb)])
def asked(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """The application on a store with all of it."""
    if request.param == "sqlite":
        store = open_store(f"sqlite:///{tmp_path_factory.mktemp('series')}/series.db")
    else:
        server = request.getfixturevalue("influx_server")
        store = open_store(server.store_url(server.new_bucket()), server.token)
    fill(store)
    (town, *_) = Registry().stations()
    registry = Registry([town.model_copy(update={"station": name}) for name in (*AGGREGATES, "second")])
    with TestClient(create_app(store, registry, now_s=lambda: END / 1000)) as client:
        yield client
    store.close()


# -- what is asked


Question = tuple[str, str, str | None, list[str], str | None, int, int]


@st.composite
def questions(draw: st.DrawFn) -> Question:
    quantity = draw(st.sampled_from(sorted(AGGREGATES)))
    every = draw(st.sampled_from(list(LENGTHS)))
    zone = draw(st.sampled_from([None, "Europe/Berlin", *ZONES]))
    names = draw(st.lists(st.sampled_from(AGGREGATES[quantity]), unique=True, max_size=4))
    include = draw(st.sampled_from([None, "ok", "all"]))
    middle = draw(st.one_of(st.sampled_from(CHANGES[:2]), st.sampled_from(CHANGES), st.integers(BEGIN, END - DAY)))
    longest = min(LENGTHS[every] * 60, 3 * 366 * DAY) if LENGTHS[every] > HOUR else 2 * DAY
    start = middle - draw(st.integers(0, max(longest // 2, DAY)))
    if draw(st.booleans()):
        start = start // 900_000 * 900_000
    end = start + draw(st.one_of(st.integers(1, longest), st.just(LENGTHS[every])))
    return quantity, every, zone, names, include, start, end


def parameters(question: Question) -> dict[str, str]:
    _, every, zone, names, include, start, end = question
    params = {"from": utc_text(start), "to": utc_text(end), "every": every}
    params |= {"tz": zone} if zone else {}
    params |= {"include": include} if include else {}
    return params | ({"agg": ",".join(names)} if names else {})


def noise(told: Told, name: str, quantity: str, size: float) -> float:
    """Half a step of the ninth decimal, and for each value summed one rounding of the largest sum on the way."""
    ulp = 2.0**-52
    if name in ("min", "max", "first", "last"):
        return 0.6e-9
    of_sums = (told.count + 3) * ulp * size
    if name == "mean" and quantity == "wind_direction":
        return 1.1e-9 + 60 * (told.count + 3) * ulp / 1e-4  # radians to degrees, of vectors that nearly cancel out
    if name == "mean" and quantity == "sound_level":
        return 0.6e-9 + 4.4 * (told.count + 3) * ulp + size * ulp * 8
    return 0.6e-9 + of_sums * (told.count if name != "mean" else 1)


def agree(ours: dict[str, float | None], told: Told, quantity: str, size: float) -> bool:
    for name, right in told.aggregates.items():
        one = ours[name]
        if (one is None) != (right is None):
            return False
        if one is None or right is None:
            continue
        apart = abs(one - right)
        if quantity == "wind_direction" and name == "mean":
            apart = min(apart, 360 - apart)
        if apart > noise(told, name, quantity, size):
            return False
    return True


@pytest.mark.timeout(600)
@settings(max_examples=1000, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(question=questions(), of_many=st.booleans())
def test_a_thousand_random_queries(asked: TestClient, question: Question, of_many: bool) -> None:
    """Asked of one station, or of many, where the store sums up what it can."""
    quantity, every, zone, names, include, start, end = question
    params = parameters(question)
    if of_many:
        answer = asked.get(f"/v1/series/{quantity}", params={**params, "station": quantity})
    else:
        answer = asked.get(f"/v1/stations/{quantity}/series/{quantity}", params=params)
    assert answer.status_code == 200, answer.text
    names = names or [DEFAULT.get(quantity, "mean")]
    written = history(quantity)
    told = recompute(written, quantity, every, ZoneInfo(zone or "Europe/Berlin"), names, include == "all", (start, end))
    rows = answer.json()["series"][0]["rows"] if of_many else answer.json()["rows"]
    assert [(r["time"], r["count"], r["flagged"]) for r in rows] == [
        (utc_text(t.time_ms), t.count, t.flagged) for t in told
    ]
    size = max(abs(one.value) for one in written if include == "all" or one.quality[0] not in "XB")
    for row, right in zip(rows, told, strict=True):
        assert agree(row, right, quantity, size), (row, right)


@pytest.mark.timeout(600)
@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(question=questions())
def test_many_stations_have_the_rows_of_each_alone(asked: TestClient, question: Question) -> None:
    quantity = question[0]
    stations = ["second", quantity, "sound_level"]
    params = parameters(question)
    answer = asked.get(f"/v1/series/{quantity}", params={**params, "station": ",".join(stations)})
    assert answer.status_code == 200, answer.text
    assert [one["station"] for one in answer.json()["series"]] == list(dict.fromkeys(stations))
    for one in answer.json()["series"]:
        alone = asked.get(f"/v1/stations/{one['station']}/series/{quantity}", params=params)
        if alone.status_code == 404:
            assert (one["rows"], one["complete_until"]) == ([], None)
            continue
        assert one["complete_until"] == alone.json()["complete_until"]
        assert len(one["rows"]) == len(alone.json()["rows"])
        for row, same in zip(one["rows"], alone.json()["rows"], strict=True):
            assert row.keys() == same.keys()
            for key, told in same.items():
                is_figure = isinstance(told, float) and isinstance(row[key], float)
                assert row[key] == (pytest.approx(told, rel=1e-12, abs=1.1e-9) if is_figure else told)
