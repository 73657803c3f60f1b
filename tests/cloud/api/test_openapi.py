"""/openapi.json describes what is really answered: every route's answer is held to its schema."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from fastapi.testclient import TestClient

from cloud.api.app import create_app
from cloud.ingest.message import Message
from cloud.ledger.dead_letters import DeadLetters
from cloud.store import Store
from klimanetz.wiring import Delivery, Letters
from tests.cloud.api.conftest import Registry, point
from tests.cloud.ingest_parts import Parts, make, message, reading

SERIES = "/v1/stations/{station}/series/{channel}"
RANGE = "from=2026-11-22T09:00:00Z"
ASKED = {
    "/v1/stations": ["/v1/stations"],
    "/v1/stations/{station}": ["/v1/stations/marktplatz", "/v1/stations/delhi", "/v1/stations/garten"],
    "/v1/latest": ["/v1/latest", "/v1/latest?station=delhi"],
    SERIES: [
        f"/v1/stations/marktplatz/series/{rest}"
        for rest in (
            "air_temperature",
            "air_temperature?from=2020-01-01&to=2020-01-02",
            f"air_temperature?{RANGE}&every=PT1H&agg=mean,min,max,first,last",
            f"energy_total?{RANGE}&every=P1D&agg=difference,min",
            f"precipitation?{RANGE}&every=P1M",
            "precipitation?include=ok",
            "air_temperature?format=csv",
            f"air_temperature?{RANGE}&every=PT1H&profile=de",
        )
    ],
    "/v1/series/{channel}": [
        f"/v1/series/{rest}&tz=UTC"
        for rest in (
            f"air_temperature?{RANGE}&every=P1D",
            f"air_temperature?{RANGE}&every=PT1H&agg=mean,min,max,first,last&station=delhi,marktplatz",
            f"precipitation?{RANGE}&every=P1M&include=all",
            f"air_temperature?{RANGE}&every=PT1H&format=csv",
        )
    ],
    "/v1/devices/{device}/delivery": ["/v1/devices/kn-1/delivery", "/v1/devices/kn-2/delivery"],
    "/v1/dead-letters": ["/v1/dead-letters"],
    "/v1/dead-letters/{number}": ["/v1/dead-letters/1"],
    "/v1/unknown": ["/v1/unknown"],
    "/health/live": ["/health/live"],
    "/health/ready": ["/health/ready"],
    "/metrics": ["/metrics"],
}
PROBLEMS = ["/v1/stations/nowhere", "/v1/stations/marktplatz/series/air_temperature?every=soon", "/v1/dead-letters"]
KEY = {"Authorization": "Bearer r"}

formats = jsonschema.FormatChecker(())


@formats.checks("date-time")
def _is_utc(text: object) -> bool:
    return not isinstance(text, str) or bool(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z", text))


def sealed(schema: Any) -> Any:
    """The same, with no keys but those that it names."""
    if isinstance(schema, dict):
        closed = {"additionalProperties": False} if "properties" in schema else {}
        return closed | {key: sealed(value) for key, value in schema.items()}
    return [sealed(one) for one in schema] if isinstance(schema, list) else schema


def hold(document: dict[str, Any], path: str, url: str, client: TestClient, strict: bool = True) -> None:
    answer = client.get(url, headers=KEY)
    assert answer.status_code == 200, (url, answer.text)
    described = document["paths"][path]["get"]["responses"]["200"]["content"]
    media_type = answer.headers["content-type"].split(";")[0]
    assert media_type in described, url
    if media_type.startswith("text/"):
        assert described[media_type]["schema"] == {"type": "string"}
        return
    schema = {**described[media_type]["schema"], "components": document["components"]}
    validator = jsonschema.Draft202012Validator(sealed(schema) if strict else schema, format_checker=formats)
    validator.validate(answer.json())


@pytest.fixture
def document(client: TestClient) -> dict[str, Any]:
    found: dict[str, Any] = client.get("/openapi.json").json()
    return found


@pytest.fixture
def filled(client: TestClient, store: Store) -> TestClient:
    values = {"air_temperature": 3.5, "energy_total": 5.0, "precipitation_total": 1.0}
    store.write([point(30, **values), point(15, **{name: value + 1 for name, value in values.items()})])
    store.write([point(0, quality="X range spike", air_temperature=99.0), point(0, quality="Z", precipitation=0.2)])
    return client


def test_every_route_is_asked(document: dict[str, Any]) -> None:
    assert {path for path, methods in document["paths"].items() if "get" in methods} == set(ASKED)


@pytest.mark.parametrize(
    ("path", "url"), [(path, url) for path, urls in ASKED.items() for url in urls if "kn-2" not in url]
)
def test_an_answer_is_as_described(filled: TestClient, document: dict[str, Any], path: str, url: str) -> None:
    hold(document, path, url, filled)


@pytest.mark.parametrize("url", PROBLEMS)
def test_a_problem_is_as_described(filled: TestClient, document: dict[str, Any], url: str) -> None:
    answer = filled.get(url)
    assert answer.status_code >= 400
    (path,) = (path for path, urls in ASKED.items() if re.fullmatch(re.sub(r"{\w+}", "[^/]+", path), url.split("?")[0]))
    schema = document["paths"][path]["get"]["responses"]["default"]["content"][answer.headers["content-type"]]["schema"]
    jsonschema.Draft202012Validator(sealed({**schema, "components": document["components"]})).validate(answer.json())


def test_the_examples_are_as_described(document: dict[str, Any]) -> None:
    media = document["paths"][SERIES]["get"]["responses"]["200"]["content"]["application/json"]
    schema = sealed({**media["schema"], "components": document["components"]})
    jsonschema.Draft202012Validator(schema, format_checker=formats).validate(media["example"])


@pytest.fixture
def parts(tmp_path: Path) -> Iterator[Parts]:
    parts = make(tmp_path)
    yield parts
    parts.store.close()


def test_what_the_real_ledger_and_letters_say_is_as_described(parts: Parts, document: dict[str, Any]) -> None:
    parts.take(*(message(reading(generation=1, seq=seq)) for seq in (1, 2, 5, 5)))
    parts.take(Message("klimanetz/v1/up/kn-1", b"\xff\xfe", 1_795_342_500_000))
    parts.take(message(reading("kn-9"), device="kn-9"), Message("klimanetz/v1/up/kn-1", b"no JSON", 1_795_342_500_000))
    letters = Letters(DeadLetters(parts.registry.engine))
    client = TestClient(create_app(parts.store, Registry(), Delivery(parts.ledger, parts.registry), letters))
    for path in ("/v1/devices/{device}/delivery", "/v1/dead-letters", "/v1/unknown"):
        for url in ASKED[path]:
            hold(document, path, url, client, strict=False)
    gaps = client.get("/v1/devices/kn-1/delivery").json()["gaps"]
    assert [(gap["first"], gap["last"]) for gap in gaps] == [(3, 4)]
    found = client.get("/v1/dead-letters", headers=KEY).json()["dead_letters"]
    assert {key for one in found for key in one} >= {"payload", "payload_hex"}
    assert len(client.get("/v1/unknown", headers=KEY).json()["unknown"]) == 1


# -- the document itself


def test_every_schema_is_one_and_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1")
    schemas = document["components"]["schemas"]
    for name, schema in schemas.items():
        jsonschema.Draft202012Validator.check_schema(schema)
        assert schema.get("properties"), name
    for found in re.findall(r'"\$ref": ?"([^"]+)"', str(document).replace("'", '"')):
        assert found.removeprefix("#/components/schemas/") in schemas


def test_every_operation_says_what_it_answers(document: dict[str, Any]) -> None:
    seen = set()
    for path, methods in document["paths"].items():
        for operation in methods.values():
            seen.add(operation["operationId"])
            good = [answer for status, answer in operation["responses"].items() if status.startswith("2")]
            assert good
            assert all(media["schema"] for answer in good for media in answer["content"].values()), path
            inside = {one["name"] for one in operation.get("parameters", []) if one["in"] == "path"}
            assert inside == set(re.findall(r"{(\w+)}", path))
    assert len(seen) == sum(map(len, document["paths"].values()))
