"""Stations, newest values, devices, operation: what they answer, and how they refuse."""

import logging
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from fastapi.testclient import TestClient

from cloud.api.app import create_app
from cloud.store import Latest, Store, StoreRefused, StoreUnavailable
from tests.cloud.api.conftest import NOW_MS, Registry, point
from tests.cloud.api.serving import serving


def test_stations_are_geojson(client: TestClient) -> None:
    answer = client.get("/v1/stations")
    assert answer.headers["content-type"] == "application/geo+json"
    features = {one["id"]: one for one in answer.json()["features"]}
    assert features["marktplatz"]["geometry"] == {"type": "Point", "coordinates": [11.96972, 51.4825]}
    assert features["marktplatz"]["properties"]["district"] == "Altstadt"
    assert features["garten"]["geometry"]["coordinates"] == [11.97, 51.48]
    assert features["garten"]["properties"]["coarse_location"] is True


@pytest.mark.parametrize("url", ["/v1/stations", "/v1/stations/garten", "/v1/latest", "/", "/station/garten"])
def test_a_private_place_is_nowhere_told_exactly(client: TestClient, store: Store, url: str) -> None:
    store.write([point(0, station="garten", co2=400.0)])
    registry = Registry()
    registry.listed = [one for one in registry.listed if one.private]
    text = TestClient(create_app(store, registry)).get(url).text
    assert "garten" in text
    assert "51.4825" not in text
    assert "11.9697" not in text


def test_one_station_names_its_channels(client: TestClient, store: Store) -> None:
    store.write([point(0, co2=400.0, battery=3.9)])
    assert client.get("/v1/stations/marktplatz").json()["properties"]["channels"] == ["battery", "co2"]
    assert client.get("/v1/stations/nowhere").status_code == 404


def test_latest(client: TestClient, store: Store) -> None:
    store.write([point(15, co2=400.0, battery=3.9), point(0, quality="X range", co2=99999.0)])
    store.write([point(0, station="not-in-the-registry", co2=1.0)])
    answer = client.get("/v1/latest")
    assert answer.headers["content-type"] == "application/geo+json"
    features = {one["id"]: one for one in answer.json()["features"]}
    assert set(features) == {"marktplatz", "garten", "delhi"}
    assert features["garten"]["properties"]["values"] == {}
    assert features["marktplatz"]["properties"]["values"] == {
        "co2": {
            "value": 99999.0,
            "unit": "ppm",
            "time": "2026-11-22T10:45:00Z",
            "quality": "X",
            "quality_reasons": ["range"],
            "device": "kn-1",
        },
        "battery": {
            "value": 3.9,
            "unit": "V",
            "time": "2026-11-22T10:30:00Z",
            "quality": "S",
            "quality_reasons": [],
            "device": "kn-1",
        },
    }
    some = client.get("/v1/latest", params={"station": "marktplatz,delhi"}).json()["features"]
    assert [one["id"] for one in some] == ["marktplatz", "delhi"]
    assert client.get("/v1/latest", params={"station": "marktplatz,nowhere"}).status_code == 404


def test_delivery(client: TestClient, store: Store) -> None:
    assert client.get("/v1/devices/kn-1/delivery").json()["received"] == 3
    assert client.get("/v1/devices/kn-2/delivery").status_code == 404
    without = TestClient(create_app(store, Registry()))
    assert without.get("/v1/devices/kn-1/delivery").status_code == 404


@pytest.mark.parametrize("url", ["/v1/dead-letters", "/v1/unknown"])
def test_operators_need_a_key(client: TestClient, url: str) -> None:
    for headers in (
        {},
        {"Authorization": "Bearer wrong"},
        {"Authorization": "Basic cjpy"},
        {"Authorization": "Bearer"},
    ):
        answer = client.get(url, headers=headers)
        assert (answer.status_code, answer.headers["content-type"]) == (401, "application/problem+json")
        assert answer.headers["www-authenticate"].startswith("Bearer")
    for key in "rwa":
        assert client.get(url, headers={"Authorization": f"Bearer {key}"}).status_code == 200


def test_dead_letters_are_limited(client: TestClient) -> None:
    key = {"Authorization": "Bearer r"}
    assert len(client.get("/v1/dead-letters", params={"limit": 2}, headers=key).json()["dead_letters"]) == 2
    answer = client.get("/v1/dead-letters", params={"limit": 0}, headers=key)
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")
    assert "limit" in answer.json()["detail"]


def test_health(client: TestClient, store: Store) -> None:
    assert client.get("/health/live").json() == {"status": "ok"}
    assert client.get("/health/ready").json() == {"status": "ready"}
    store.close()
    assert client.get("/health/live").status_code == 200
    answer = client.get("/health/ready")
    assert (answer.status_code, answer.headers["content-type"]) == (503, "application/problem+json")


def test_a_store_that_hangs_is_told_of_and_delays_no_probe(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    go_on, asked = threading.Event(), []
    monkeypatch.setattr(store, "ping", lambda: asked.append(1) or go_on.wait(60))
    monkeypatch.setattr("cloud.api.readiness.Readiness.__init__.__defaults__", (0.05,))
    client = TestClient(create_app(store, Registry()))
    for _ in range(60):  # more than there are threads
        answer = client.get("/health/ready")
        assert (answer.status_code, answer.json()["parts"]) == (503, {"store of readings": "silent", "registry": "ok"})
        assert "store of readings has not answered" in answer.json()["detail"]
        assert client.get("/health/live").status_code == 200
    assert len(asked) == 1
    go_on.set()
    until = time.monotonic() + 20
    while client.get("/health/ready").status_code != 200:
        assert time.monotonic() < until


def test_health_is_told_while_every_thread_waits_for_the_store(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    go_on, waiting = threading.Event(), threading.Semaphore(0)

    def hang(*_: object) -> list[Latest]:
        waiting.release()
        go_on.wait(60)
        return []

    monkeypatch.setattr(store, "latest", hang)
    with serving(create_app(store, Registry())) as url, ThreadPoolExecutor(60) as clients:
        asked = [clients.submit(httpx.get, f"{url}/v1/latest", timeout=60) for _ in range(60)]
        for _ in range(40):
            assert waiting.acquire(timeout=20)
        assert httpx.get(f"{url}/health/live", timeout=5).status_code == 200
        assert httpx.get(f"{url}/health/ready", timeout=5).status_code == 200
        go_on.set()
        assert {one.result().status_code for one in asked} == {200}


def test_a_registry_that_is_away_is_told_of(store: Store) -> None:
    class Away(Registry):
        def revision(self) -> int:
            raise RuntimeError("postgresql://secret@host")

    answer = TestClient(create_app(store, Away())).get("/health/ready", headers={"Accept-Language": "de"})
    assert (answer.status_code, answer.json()["parts"]) == (503, {"store of readings": "ok", "registry": "away"})
    assert answer.headers["content-language"] == "de"
    assert "secret" not in answer.text


def test_what_troubles_an_ingest_is_told_of(store: Store) -> None:
    class Ingests:
        def troubles(self, now_s: float) -> dict[str, tuple[str, ...]]:
            return {"ingest-1": (), "ingest-2": ("disk", "store")}

    client = TestClient(create_app(store, Registry(), ingests=Ingests()))
    answer = client.get("/health/ready")
    assert answer.status_code == 503
    assert "'ingest-2' cannot write to its disk" in answer.json()["detail"]
    assert answer.json()["parts"]["ingest ingest-1"] == "ok"
    assert answer.json()["parts"]["ingest ingest-2"] == "disk, store"
    german = client.get("/health/ready", headers={"Accept-Language": "de"})
    assert "kann nicht auf seine Platte schreiben" in german.json()["detail"]
    assert client.get("/health/ready?of=api").json() == {"status": "ready"}, "citizens are answered all the same"


def test_metrics_count_by_route_and_each_application_for_itself(client: TestClient, store: Store) -> None:
    store.write([point(0, co2=400.0)])
    for path in ("/v1/stations/marktplatz", "/v1/stations/nowhere", "/v1/stations/delhi", "/wp-login.php"):
        client.get(path)
    text = client.get("/metrics").text
    assert 'klimanetz_http_requests_total{method="GET",route="/v1/stations/{station}",status="200"} 2.0' in text
    assert 'klimanetz_http_requests_total{method="GET",route="/v1/stations/{station}",status="404"} 1.0' in text
    assert "wp-login" not in text
    client.request("BREW", "/v1/stations")
    text = client.get("/metrics").text
    assert 'method="other"' in text
    assert "BREW" not in text
    assert "klimanetz_store_up 1.0" in text
    assert f"klimanetz_newest_reading_timestamp_seconds {NOW_MS / 1000:.9e}".split("e")[0] in text
    assert "klimanetz_http_requests_total{" not in TestClient(create_app(store, Registry())).get("/metrics").text
    store.close()
    assert "klimanetz_store_up 0.0" in client.get("/metrics").text


@pytest.mark.parametrize(
    ("method", "url", "status"),
    [
        ("GET", "/nothing", 404),
        ("GET", "/v1/", 404),
        ("GET", "/v1/stations/", 404),
        ("GET", "/v1/latest/", 404),
        ("GET", "/docs/", 404),
        ("GET", "/v1/stations/marktplatz/series/co2/", 404),
        ("DELETE", "/v1/stations", 405),
        ("POST", "/v1/latest", 405),
        ("GET", "/docs/assets/../../app.py", 404),
        ("GET", "/docs/assets/other.js", 404),
        ("GET", "/station/nowhere", 404),
    ],
)
def test_every_error_is_a_problem(client: TestClient, method: str, url: str, status: int) -> None:
    answer = client.request(method, url)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    body = answer.json()
    assert body["status"] == status
    assert body["detail"].endswith(".")
    if status == 405:
        assert answer.headers["allow"] == "GET"


class Broken:
    """A store of which every question goes wrong in one way."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def __getattr__(self, name: str) -> Callable[..., list[Latest]]:
        def fail(*_: object) -> list[Latest]:
            raise self._error

        return fail


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (StoreUnavailable("InfluxDB at http://10.1.2.3 is down"), 503),
        (StoreRefused("InfluxDB at http://10.1.2.3 refuses secret-token"), 503),
        (RuntimeError("secret-token"), 500),
    ],
)
def test_what_fails_inside_stays_inside(error: Exception, status: int, caplog: pytest.LogCaptureFixture) -> None:
    client = TestClient(create_app(Broken(error), Registry()), raise_server_exceptions=False)  # type: ignore[arg-type]
    with caplog.at_level(logging.ERROR):
        answer = client.get("/v1/latest")
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    for secret in ("10.1.2.3", "secret-token", "Traceback"):
        assert secret not in answer.text
    assert str(error) in caplog.text
    if status == 500:
        assert answer.json()["instance"].removeprefix("urn:uuid:") in caplog.text
    else:
        assert answer.headers["retry-after"] == "5"


def test_a_body_too_large_is_refused(client: TestClient) -> None:
    answer = client.post("/v1/latest", content=b"x" * 10_000_001)
    assert (answer.status_code, answer.headers["content-type"]) == (413, "application/problem+json")
    assert client.post("/v1/latest", content=b"x" * 10_000_000).status_code == 405
    assert client.get("/v1/stations", headers={"Content-Length": "many"}).status_code == 413


def test_a_body_that_grows_too_large_on_the_way_is_refused(store: Store) -> None:
    app = create_app(store, Registry())

    @app.put("/taken")
    async def taken(body: dict[str, int]) -> None:
        pytest.fail("this body should not arrive")

    answer = TestClient(app).put("/taken", content=(b"x" * 1_000_000 for _ in range(11)))
    assert (answer.status_code, answer.headers["content-type"]) == (413, "application/problem+json")
    bad = TestClient(app).put("/taken", json={"a": "b"})
    assert (bad.status_code, bad.headers["content-type"]) == (422, "application/problem+json")
    assert bad.json()["errors"][0]["where"] == "body.a"


def test_head_is_get_without_the_body(client: TestClient) -> None:
    for url in ("/", "/v1/stations", "/health/live"):
        head, get = client.head(url), client.get(url)
        assert (head.status_code, head.content) == (get.status_code, b"")
        assert head.headers["content-length"] == get.headers["content-length"]


def test_other_sites_may_read(client: TestClient) -> None:
    answer = client.get("/v1/latest", headers={"Origin": "https://twin.example"})
    assert answer.headers["access-control-allow-origin"] == "*"
    asked = {"Origin": "https://twin.example", "Access-Control-Request-Method": "GET"}
    assert client.options("/v1/latest", headers=asked).status_code == 200


def test_a_refused_preflight_is_a_problem_that_the_browser_can_read(client: TestClient) -> None:
    for url in ("/v1/latest", "/v1/stations/marktplatz", "/nothing"):
        asked = {"Origin": "https://twin.example", "Access-Control-Request-Method": "PUT"}
        answer = client.options(url, headers=asked)
        assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")
        assert answer.json()["detail"] == "Pages of other sites may only read here: use GET or HEAD."
        assert answer.headers["access-control-allow-methods"] == "GET, HEAD"
        assert int(answer.headers["content-length"]) == len(answer.content)


def test_nobody_is_sent_to_an_address_that_somebody_else_wrote(client: TestClient) -> None:
    answer = client.get("/v1/stations/", headers={"Host": "evil.example"}, follow_redirects=False)
    assert (answer.status_code, "location" in answer.headers) == (404, False)
    assert "evil" not in answer.text


def test_openapi_tells_problems_and_no_pages(client: TestClient) -> None:
    document = client.get("/openapi.json").json()
    assert {"/v1/stations", "/v1/latest", "/v1/stations/{station}/series/{channel}", "/health/ready"} <= set(
        document["paths"]
    )
    assert "/" not in document["paths"]
    names = set()
    for path in document["paths"].values():
        for method, operation in path.items():
            assert "application/problem+json" in operation["responses"]["default"]["content"]
            assert ("422" in operation["responses"]) == (method != "get")
            names.add(operation["operationId"])
    asked = document["paths"]["/v1/stations/{station}/series/{channel}"]["get"]["parameters"]
    assert {one["name"] for one in asked} >= {"from", "to", "every", "agg", "tz", "include", "format", "profile"}
    secured = document["paths"]["/v1/dead-letters"]["get"]["security"]
    assert secured == [{"HTTPBearer": []}]


def test_docs_need_nobody_else(client: TestClient) -> None:
    page = client.get("/docs")
    assert "://" not in page.text
    policy = page.headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "http" not in policy
    for name in ("swagger-ui.css", "swagger-ui-bundle.js", "favicon-32x32.png", "start.js"):
        asset = client.get(f"/docs/assets/{name}")
        assert asset.status_code == 200
        assert f"docs/assets/{name}" in page.text


def test_the_api_imports_neither_gateway_nor_simulators() -> None:
    program = (
        "import sys, cloud.api.app; print([m for m in sys.modules if m.split('.')[0] in ('gateway', 'simulators')])"
    )
    assert subprocess.check_output([sys.executable, "-c", program], text=True).strip() == "[]"
