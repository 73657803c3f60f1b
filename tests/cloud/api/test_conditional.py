"""Conditional requests: a 304 means that the very same answer would come again; `/v1/latest` is as the store says."""

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from cloud.api.app import create_app
from cloud.ledger import arrivals
from cloud.ledger.arrivals import Arrivals
from cloud.registry import imports
from cloud.store.model import PointKey, StoreUnavailable
from tests.cloud.ingest_parts import NOW_MS, Parts, make, message, reading
from tests.cloud.test_latest import Life, text

SERIES = "/v1/stations/marktplatz/series/co2"
CLOSED = f"{SERIES}?from=2026-11-20&to=2026-11-21"
HOURS = f"{SERIES}?from=2026-11-20&to=2026-11-23&every=PT1H"
OPEN = f"{SERIES}?from=2026-11-20T00:00:00Z"
DAYS = f"{SERIES}?every=P1D"


class Bench:
    """An API beside an ingest, with a clock that stands until it is moved."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self.now_ms = NOW_MS
        self.client = self.another()

    def another(self) -> TestClient:
        parts, follow = self.parts, Arrivals(self.parts.ledger.engine)
        return TestClient(
            create_app(parts.store, parts.registry, arrivals=follow, now_s=lambda: self.now_ms / 1000),
            raise_server_exceptions=False,
        )

    def send(self, seq: int, time_ms: int, device: str = "kn-1", **more: Any) -> None:
        one = reading(device, generation=1, seq=seq, time=text(time_ms), values={"co2": 400.0 + seq}, **more)
        self.parts.take(message(one, device=device))

    def again(self, url: str, tag: str) -> int:
        return self.client.get(url, headers={"If-None-Match": tag}).status_code


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    parts = make(tmp_path)
    bench = Bench(parts)
    bench.send(1, NOW_MS - 2 * 86_400_000)
    bench.send(2, NOW_MS - 3_600_000)
    bench.send(3, NOW_MS - 3_600_000, device="kn-2")
    yield bench
    parts.store.close()


def tag_of(bench: Bench, url: str) -> str:
    answer = bench.client.get(url)
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-cache"
    return answer.headers["etag"]


@pytest.mark.parametrize(
    "url", ["/v1/latest", "/v1/latest?station=marktplatz", CLOSED, HOURS, OPEN, DAYS, "/v1/stations/marktplatz"]
)
def test_nothing_new_is_304_and_something_new_is_not(bench: Bench, url: str) -> None:
    tag = tag_of(bench, url)
    same = bench.client.get(url, headers={"If-None-Match": f'"other", {tag}'})
    assert (same.status_code, same.content) == (304, b"")
    got = bench.client.get(url)
    for name in ("etag", "cache-control"):
        assert same.headers[name] == got.headers[name]
    assert "accept-encoding" in same.headers["vary"].lower()
    assert "content-type" not in same.headers
    assert bench.again(url, '"other"') == 200
    assert bench.again(url, tag.removeprefix("W/")) == 304
    bench.send(4, NOW_MS - 60_000)
    assert bench.again(url, tag) == 200
    assert tag_of(bench, url) != tag


@pytest.mark.parametrize("url", [CLOSED, OPEN])
def test_another_stations_readings_change_nothing(bench: Bench, url: str) -> None:
    tag = tag_of(bench, url)
    bench.send(9, NOW_MS - 60_000, device="kn-2")
    assert bench.again(url, tag) == 304


def test_every_address_has_a_mark_of_its_own(bench: Bench) -> None:
    urls = ["/v1/latest", "/v1/latest?station=marktplatz", "/v1/latest?station=neustadt", "/v1/stations", CLOSED,
            CLOSED + "&format=csv", CLOSED + "&profile=de", CLOSED + "&include=ok", CLOSED + "&tz=UTC", HOURS,
            HOURS + "&agg=min", HOURS + "&include=all", OPEN, DAYS, HOURS.replace("PT1H", "PT3H"),
            CLOSED.replace("marktplatz", "neustadt")]  # fmt: skip
    bench.send(10, NOW_MS - 2 * 86_400_000, device="kn-2")
    assert len({tag_of(bench, url) for url in urls}) == len(urls)


def test_two_processes_and_a_restart_give_marks_that_stand(bench: Bench) -> None:
    other = bench.another()
    for url in ("/v1/latest", CLOSED):
        assert other.get(url, headers={"If-None-Match": tag_of(bench, url)}).status_code == 304


def test_a_change_of_the_registry_is_a_change(bench: Bench) -> None:
    tags = {url: tag_of(bench, url) for url in ("/v1/latest", "/v1/stations", "/v1/stations/marktplatz", HOURS)}
    row = b"station,name,latitude,longitude,timezone\nmarktplatz,Markt,51.4828,11.9697,Asia/Kolkata\n"
    imports.import_stations(bench.parts.registry, row)
    for url, tag in tags.items():
        assert bench.again(url, tag) == 200, url
    names = [one["properties"]["name"] for one in bench.client.get("/v1/latest").json()["features"]]
    assert "Markt" in names


# -- what changes by itself


def test_a_default_beginning_moves_on_and_has_no_mark(bench: Bench) -> None:
    assert "etag" not in bench.client.get(SERIES).headers
    assert "etag" in bench.client.get(f"{SERIES}?to=2026-11-22T10:00:00Z").headers
    tag = tag_of(bench, DAYS)
    bench.now_ms += 86_400_000
    assert bench.again(DAYS, tag) == 200


def test_a_value_that_waits_in_the_future_is_never_hidden(bench: Bench) -> None:
    bench.send(4, NOW_MS + 300_000)  # a clock that is five minutes ahead
    answer = bench.client.get(OPEN)
    assert "etag" not in answer.headers
    bench.now_ms += 600_000
    assert len(bench.client.get(OPEN).json()["rows"]) == len(answer.json()["rows"]) + 1
    assert bench.again(OPEN, tag_of(bench, OPEN)) == 304


def test_the_end_of_a_window_passes(bench: Bench) -> None:
    """`complete_until` may change when now has passed `to`."""
    tag = tag_of(bench, HOURS)
    bench.now_ms += 86_400_000
    assert bench.again(HOURS, tag) == 200


@pytest.mark.parametrize("seed", range(6))
def test_a_304_is_never_wrong(tmp_path: Path, seed: int) -> None:
    """Whatever happens: where a client is told that nothing has changed, the full answer is what it has."""
    parts = make(tmp_path)
    bench = Bench(parts)
    other = make(tmp_path / "other", store=parts.store, registry_url=str(parts.registry.engine.url))
    life = Life(parts, other, seed)
    life.new()
    chance, had, told = random.Random(seed), {}, 0
    windows = ("from=2026-11-20&to=2026-11-21", "from=2026-11-19T00:00:00Z", "every=P1D", "to=2026-11-22T10:30:00Z",
               "from=2026-11-19&to=2026-11-22T10:30:00Z", "from=2026-11-20&to=2026-11-24&every=PT6H")  # fmt: skip
    series = [f"{station}/series/{channel}" for station in ("marktplatz", "neustadt") for channel in ("co2", "battery")]
    urls = [f"/v1/stations/{one}?{window}" for one in series for window in windows]
    urls += ["/v1/latest", "/v1/latest?station=neustadt", "/v1/stations/marktplatz"]
    for _ in range(250):
        if chance.random() < 0.3:
            life.step()
        if chance.random() < 0.2:
            bench.now_ms += chance.choice((1, 60_000, 3_600_000))
        url = chance.choice(urls)
        body = bench.client.get(url)
        tag, before = had.get(url, (None, None))
        if tag is not None and bench.again(url, tag) == 304:
            told += 1
            assert _timeless(body) == before, url
        if "etag" in body.headers:
            had[url] = body.headers["etag"], _timeless(body)
    assert told > 10
    parts.store.close()


def _timeless(answer: Any) -> Any:
    """An answer but for its `to`, which without one in the address is the moment of asking."""
    body = answer.json()
    if isinstance(body, dict) and "every" in body and body["every"] is None:
        body = {**body, "to": None}
    return body


# -- /v1/latest


def test_latest_from_memory_is_what_the_store_says(bench: Bench) -> None:
    from_store = TestClient(create_app(bench.parts.store, bench.parts.registry))
    for url in ("/v1/latest", "/v1/latest?station=neustadt,marktplatz"):
        assert bench.client.get(url).json() == from_store.get(url).json()
    bench.parts.store.delete([PointKey("marktplatz", "kn-1", NOW_MS - 3_600_000)])
    arrivals.announce(bench.parts.ledger.engine, ["marktplatz"], NOW_MS)
    assert bench.client.get("/v1/latest").json() == from_store.get("/v1/latest").json()
    assert bench.client.get("/v1/latest?station=nowhere").status_code == 404


def test_a_station_that_is_gone_from_the_registry_is_gone(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(bench.client.get("/v1/latest").json()["features"]) == 2
    with bench.parts.registry.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM deployment WHERE station = 'neustadt'")
        connection.exec_driver_sql("DELETE FROM station WHERE station = 'neustadt'")
        connection.exec_driver_sql("UPDATE revision SET number = number + 1")
    assert [one["id"] for one in bench.client.get("/v1/latest").json()["features"]] == ["marktplatz"]


def test_a_private_place_stays_coarse(bench: Bench) -> None:
    header = b"station,name,latitude,longitude,private\n"
    imports.import_stations(bench.parts.registry, header + b"marktplatz,Marktplatz,51.48281,11.96972,yes\n")
    assert "51.48281" not in bench.client.get("/v1/latest").text


def test_a_store_that_is_away_is_a_503_and_then_all_is_well(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(stations: object = None) -> Any:
        raise StoreUnavailable("away")

    with monkeypatch.context() as patched:
        patched.setattr(bench.parts.store, "latest", away)
        assert bench.client.get("/v1/latest").status_code == 503
    assert bench.client.get("/v1/latest").status_code == 200
