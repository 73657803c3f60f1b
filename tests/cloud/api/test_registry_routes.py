"""The registry over HTTP: what a file is refused for is refused here in the same words; keys come out on one route."""

from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import pytest
from fastapi.testclient import TestClient

from cloud.api.app import create_app
from cloud.ledger.arrivals import Arrivals
from cloud.ledger.dead_letters import DeadLetters
from cloud.registry import imports
from cloud.registry.changes import RegistryChanges
from cloud.registry.files import FileRefused
from cloud.registry.registry import Registry
from klimanetz.seal import Seal
from klimanetz.wiring import Letters
from tests.cloud.ingest_parts import NOW_MS, Parts, make, message, reading

KEY = "0123456789abcdef0123456789abcdef"
PLACE = {"name": "Zoo", "latitude": 51.5, "longitude": 11.9}
OTAA = {"dev_eui": "70B3D57ED0001234", "join_eui": "0000000000000001", "app_key": KEY}


class Bench:
    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        now_ms = count(NOW_MS, 1000)
        self.registry = Registry(parts.registry.engine, lambda: next(now_ms), 0, Seal("secret"))
        for key, scope in (("r", "read"), ("w", "write"), ("a", "admin")):
            self.registry.add_key(key, scope, None)
        app = create_app(
            parts.store,
            parts.registry,
            dead_letters=Letters(DeadLetters(parts.registry.engine), self.registry),
            arrivals=Arrivals(parts.registry.engine),
            changes=RegistryChanges(self.registry),
        )
        self.client = TestClient(app, raise_server_exceptions=False)

    def ask(self, method: str, url: str, body: Any = None, key: str = "w", **headers: str) -> httpx.Response:
        return self.client.request(method, url, json=body, headers={"Authorization": f"Bearer {key}", **headers})


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    parts = make(tmp_path)
    yield Bench(parts)
    parts.store.close()


WRITING = [
    ("PUT", "/v1/stations/zoo", PLACE),
    ("PUT", "/v1/devices/kn-7", {}),
    ("POST", "/v1/deployments", {}),
    ("POST", "/v1/dead-letters/1/replay", None),
    ("POST", "/v1/unknown/kn-9/adopt", {"station": "zoo"}),
]
READING = [("GET", "/v1/devices/kn-1"), ("GET", "/v1/deployments?device=kn-1"), ("GET", "/v1/dead-letters/1")]


@pytest.mark.parametrize(("method", "url", "body"), WRITING)
def test_writing_needs_a_key_that_may(bench: Bench, method: str, url: str, body: Any) -> None:
    assert bench.client.request(method, url, json=body).status_code == 401
    refused = bench.ask(method, url, body, key="r")
    assert (refused.status_code, refused.json()["type"]) == (403, "urn:klimanetz:problem:key-too-weak")
    assert bench.ask(method, url, body, key="a").status_code not in (401, 403)


@pytest.mark.parametrize(("method", "url"), READING)
def test_reading_needs_a_key(bench: Bench, method: str, url: str) -> None:
    assert bench.client.request(method, url).status_code == 401
    assert bench.ask(method, url, key="r").status_code in (200, 404)


def test_a_station(bench: Bench) -> None:
    first = bench.ask("PUT", "/v1/stations/zoo", {**PLACE, "private": True, "height_m": 3, "lcz": 2})
    assert (first.status_code, first.headers["location"]) == (201, "/v1/stations/zoo")
    assert first.json()["change"] == "added"
    again = bench.ask("PUT", "/v1/stations/zoo", {**PLACE, "private": True, "height_m": 3, "lcz": 2})
    assert (again.status_code, again.json()["change"], "location" in again.headers) == (200, "unchanged", False)
    assert again.headers["etag"] == first.headers["etag"]
    changed = bench.ask("PUT", "/v1/stations/zoo", {**PLACE, "station": "zoo", "height_m": None})
    assert (changed.status_code, changed.json()["change"]) == (200, "changed")
    found = bench.client.get("/v1/stations/zoo").json()["properties"]
    assert (found["height_m"], found["coarse_location"], found["lcz"]) == (None, True, "2")
    assert "zoo" in {one["id"] for one in bench.client.get("/v1/latest").json()["features"]}


def test_a_device_and_its_keys(bench: Bench) -> None:
    first = bench.ask("PUT", "/v1/devices/kn-7", {**OTAA, "station": "marktplatz"})
    assert (first.status_code, first.headers["location"]) == (201, "/v1/devices/kn-7")
    assert first.json()["row"]["station"] == "marktplatz"
    again = bench.ask("PUT", "/v1/devices/kn-7", {**OTAA, "station": "marktplatz"})
    assert (again.status_code, again.json()["change"]) == (200, "unchanged")
    shown = bench.ask("GET", "/v1/devices/kn-7", key="r")
    for answer in (first, again, shown):
        assert KEY not in answer.text
        assert "app_key" not in answer.text
    known = bench.registry.by_name("kn-7")
    assert known is not None
    assert known.app_key == KEY
    assert "sealed1:" in _column(bench, "SELECT app_key FROM device WHERE device = 'kn-7'")
    moved = bench.ask("PUT", "/v1/devices/kn-7", {"station": "neustadt"})
    assert (moved.status_code, moved.json()["change"], moved.json()["row"]["station"]) == (200, "changed", "neustadt")
    stays = bench.ask("GET", "/v1/deployments?device=kn-7", key="r").json()["deployments"]
    assert [one["station"] for one in stays] == ["marktplatz", "neustadt"]


def test_keys_come_out_to_an_admin_only(bench: Bench) -> None:
    bench.ask("PUT", "/v1/devices/kn-7", {**OTAA, "station": "marktplatz"})
    assert bench.client.get("/v1/registry").status_code == 401
    for key in ("r", "w"):
        refused = bench.ask("GET", "/v1/registry", key=key)
        assert (refused.status_code, KEY in refused.text) == (403, False)
    answer = bench.ask("GET", "/v1/registry", key="a")
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    whole = answer.json()
    devices = {row["device"]: row for row in whole["devices"]}
    assert (devices["kn-7"]["app_key"], devices["kn-7"]["station"]) == (KEY, "marktplatz")
    assert {row["station"] for row in whole["stations"]} == {"marktplatz", "neustadt"}
    assert {row["device"] for row in whole["deployments"]} == {"kn-1", "kn-2", "kn-7"}
    some = bench.ask("GET", "/v1/registry?device=kn-7,kn-99", key="a").json()
    assert ([row["device"] for row in some["devices"]], len(some["deployments"])) == (["kn-7"], 1)
    document = bench.client.get("/openapi.json").json()
    described = document["paths"]["/v1/registry"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    jsonschema.Draft202012Validator({**described, "components": document["components"]}).validate(whole)


def test_what_came_out_goes_in_and_changes_nothing(bench: Bench) -> None:
    bench.ask("PUT", "/v1/stations/zoo", {**PLACE, "private": True, "height_m": 3, "lcz": 2})
    bench.ask("PUT", "/v1/devices/kn-7", {**OTAA, "station": "zoo"})
    answer = bench.ask("GET", "/v1/registry", key="a")
    for row in answer.json()["stations"]:
        assert bench.ask("PUT", f"/v1/stations/{row['station']}", row).json()["change"] == "unchanged"
    for row in answer.json()["devices"]:
        assert bench.ask("PUT", f"/v1/devices/{row['device']}", row).json()["change"] == "unchanged"
    for row in answer.json()["deployments"]:
        assert bench.ask("POST", "/v1/deployments", row).json()["change"] == "unchanged"
    assert bench.ask("GET", "/v1/registry", key="a").headers["etag"] == answer.headers["etag"]


def _column(bench: Bench, query: str) -> str:
    with bench.registry.engine.connect() as connection:
        return str(connection.exec_driver_sql(query).scalar())


def test_a_wrong_key_is_not_repeated(bench: Bench) -> None:
    answer = bench.ask("PUT", "/v1/devices/kn-7", {**OTAA, "app_key": KEY + "ff"})
    assert answer.status_code == 422
    assert KEY not in answer.text
    assert "pp_key is '…'; it has 32 hexadecimal digits" in answer.json()["detail"]


def test_a_deployment(bench: Bench) -> None:
    row = {"station": "neustadt", "device": "kn-1", "from": "2025-01-01", "to": "2025-02-01", "height_m": 2.5}
    first = bench.ask("POST", "/v1/deployments", row)
    assert (first.status_code, first.headers["location"]) == (201, "/v1/deployments?device=kn-1")
    assert len(first.json()["gave_way"]) == 1
    again = bench.ask("POST", "/v1/deployments", row)
    assert (again.status_code, again.json()["change"]) == (200, "unchanged")
    assert len(bench.ask("GET", first.headers["location"], key="r").json()["deployments"]) == 2


@pytest.mark.parametrize(
    ("url", "body", "row"),
    [
        ("stations", {"latitude": 51.5, "longitude": 11.9}, None),
        ("stations", {**PLACE, "latitude": 91}, b"zoo,Zoo,91,11.9"),
        ("stations", {**PLACE, "latitude": "north"}, b"zoo,Zoo,north,11.9"),
        ("stations", {**PLACE, "latitude": "1,234"}, b'zoo,Zoo,"1,234",11.9'),
        ("stations", {**PLACE, "name": ""}, b"zoo,,51.5,11.9"),
        ("stations", {**PLACE, "name": "x" * 201}, b"zoo," + b"x" * 201 + b",51.5,11.9"),
        ("stations", {**PLACE, "name": "a\0b"}, b"zoo,a\0b,51.5,11.9"),
        ("devices", {"station": "nowhere"}, None),
        ("devices", {"activation": "magic"}, None),
        ("devices", {"codec": "abacus"}, None),
        ("devices", {"dev_eui": "12"}, None),
    ],
)
def test_what_a_file_is_refused_for_is_refused_here(bench: Bench, url: str, body: Any, row: bytes | None) -> None:
    answer = bench.ask("PUT", f"/v1/{url}/zoo", body)
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    assert answer.json()["type"] == "urn:klimanetz:problem:refused"
    if row is not None:
        with pytest.raises(FileRefused) as refused:
            imports.import_stations(bench.registry, b"station,name,latitude,longitude\n" + row + b"\n")
        words = refused.value.rows[0].reason
        assert answer.json()["detail"].lower().rstrip(".") == words.lower().rstrip(".")
    assert bench.client.get("/v1/stations/zoo").status_code == 404
    assert bench.ask("GET", "/v1/devices/zoo", key="r").status_code == 404


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"[]", b"1", b'{"name": "\\ud800"}', b'{"name": {"a": 1}}', b'{"name": true}', b'{"latitude": NaN}',
        b'{"station": "other"}', b'{"surprise": 1}', b'{"a\\nb": "c"}', b'{"private": 3}',
    ],
)  # fmt: skip
def test_a_body_that_is_no_row(bench: Bench, body: bytes) -> None:
    answer = bench.client.put("/v1/stations/zoo", content=body, headers={"Authorization": "Bearer w"})
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    assert answer.json()["detail"].endswith(".")


@pytest.mark.parametrize("name", ["%20zoo", "zoo%20", "%09", "z%C3%B6o", "-zoo", "z" * 65, "a%2Fb"])
def test_an_address_is_the_very_name(bench: Bench, name: str) -> None:
    for kind, body in (("stations", PLACE), ("devices", {})):
        answer = bench.ask("PUT", f"/v1/{kind}/{name}", body)
        assert answer.status_code in (404, 422), answer.text
        assert answer.headers["content-type"] == "application/problem+json"


def test_members_are_written_as_the_columns_are(bench: Bench) -> None:
    assert (
        bench.ask("POST", "/v1/deployments", {"station": "neustadt", "DEVICE": "kn-1", "from": None}).status_code == 422
    )
    padded = {"station": " neustadt ", "device": " kn-1 ", "from": "2025-01-01", "to": "2025-02-01"}
    answer = bench.ask("POST", "/v1/deployments", padded)
    assert (answer.status_code, answer.headers["location"]) == (201, "/v1/deployments?device=kn-1")


def test_if_match_takes_a_change_only_where_nobody_was_quicker(bench: Bench) -> None:
    tag = bench.ask("PUT", "/v1/stations/zoo", PLACE).headers["etag"]
    changed = bench.ask("PUT", "/v1/stations/zoo", {**PLACE, "name": "Bergzoo"}, **{"If-Match": tag})
    assert changed.status_code == 200
    late = bench.ask("PUT", "/v1/stations/zoo", {**PLACE, "name": "Zoo"}, **{"If-Match": tag})
    assert (late.status_code, late.json()["type"]) == (412, "urn:klimanetz:problem:changed-meanwhile")
    assert bench.client.get("/v1/stations/zoo").json()["properties"]["name"] == "Bergzoo"
    assert bench.ask("PUT", "/v1/stations/zoo", PLACE, **{"If-Match": "*"}).status_code == 200
    assert bench.ask("PUT", "/v1/stations/zoo", PLACE, **{"If-Match": "nonsense"}).status_code == 400
    device = bench.ask("GET", "/v1/devices/kn-1").headers["etag"]
    assert bench.ask("PUT", "/v1/devices/kn-1", {"codec": "senml"}, **{"If-Match": device}).status_code == 200


# -- dead letters and unknown devices


def test_a_letter_is_shown_and_replayed(bench: Bench) -> None:
    bench.parts.take(message(reading("kn-9", generation=1, seq=1), device="kn-9"))
    (one,) = bench.ask("GET", "/v1/dead-letters", key="r").json()["dead_letters"]
    whole = bench.ask("GET", f"/v1/dead-letters/{one['id']}", key="r").json()
    assert whole["reason"] == "unknown-device"
    wanted = bench.ask("POST", f"/v1/dead-letters/{one['id']}/replay")
    assert (wanted.status_code, wanted.json()) == (202, {"id": one["id"], "replay": "wanted"})
    assert [letter["id"] for letter in DeadLetters(bench.registry.engine).wanted(10)] == [one["id"]]
    DeadLetters(bench.registry.engine).mark_replayed([one["id"]], 1)
    assert bench.ask("POST", f"/v1/dead-letters/{one['id']}/replay").status_code == 409
    assert bench.ask("POST", "/v1/dead-letters/999/replay").status_code == 404
    assert bench.ask("GET", "/v1/dead-letters/999").status_code == 404
    for number in ("x", "-1", "9" * 30):
        assert bench.ask("GET", f"/v1/dead-letters/{number}").status_code == 400


def test_an_unknown_device_is_adopted(bench: Bench) -> None:
    bench.parts.take(message(reading("kn-9", generation=1, seq=1), device="kn-9"))
    assert bench.ask("POST", "/v1/unknown/kn-9/adopt", {"station": "nowhere"}).status_code == 422
    assert bench.ask("POST", "/v1/unknown/kn-8/adopt", {"station": "neustadt"}).status_code == 404
    assert bench.ask("POST", "/v1/unknown/kn-9/adopt", {"place": "neustadt"}).status_code == 422
    adopted = bench.ask("POST", "/v1/unknown/kn-9/adopt", {"station": "neustadt"})
    assert (adopted.status_code, adopted.headers["location"]) == (201, "/v1/devices/kn-9")
    assert bench.ask("GET", "/v1/unknown", key="r").json() == {"unknown": []}
    again = bench.ask("POST", "/v1/unknown/kn-9/adopt", {"station": "neustadt"})
    assert (again.status_code, again.json()["type"]) == (409, "urn:klimanetz:problem:conflict")
