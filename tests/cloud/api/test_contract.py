"""The contract as others take it: its examples work, and whatever is sent, the answer is one of those it describes.

Schemathesis makes up requests from /openapi.json and sends them to a real uvicorn with readings, devices and dead
letters behind it. The seed is fixed and the number bounded: a minute at most.
"""

import re
from collections.abc import Iterator
from typing import Any
from unittest import SkipTest

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis.checks import CHECKS, load_all_checks
from schemathesis.core.failures import Failure, FailureGroup
from schemathesis.generation import GenerationMode

from cloud.api.app import create_app
from cloud.ledger.arrivals import Arrivals
from cloud.ledger.dead_letters import DeadLetters
from cloud.registry import imports
from cloud.registry.changes import RegistryChanges
from cloud.registry.registry import Registry
from cloud.store.model import Point
from klimanetz.seal import Seal
from klimanetz.wiring import Delivery, Letters
from tests.cloud.api.serving import serving
from tests.cloud.ingest_parts import NOW_MS, make, message, reading
from tests.cloud.test_latest import text

KEY = {"Authorization": "Bearer a"}
EXAMPLES = 50  # requests made up for each operation and kind
load_all_checks()
HELD_TO = [
    CHECKS.get_one(name)
    for name in (
        "not_a_server_error", "status_code_conformance", "content_type_conformance", "response_schema_conformance",
        "response_headers_conformance",
    )
]  # fmt: skip


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A city in small: two stations with two days of readings, dead letters, an unknown device."""
    parts = make(tmp_path_factory.mktemp("contract"))
    engine = parts.registry.engine
    writable = Registry(engine, lambda: NOW_MS, 0, Seal("secret"))
    writable.add_key("a", "admin", None)
    imports.import_devices(writable, b"device,station,activation\nkn-0007,marktplatz,mqtt\n")
    values = {"air_temperature": 3.5, "precipitation_total": 1.0, "co2": 420.0}
    parts.store.write([Point("marktplatz", "kn-0007", NOW_MS - n * 900_000, values, {}, 1, n) for n in range(192)])
    for device in ("kn-0007", "kn-0013"):
        parts.take(message(reading(device, generation=1, seq=500, time=text(NOW_MS)), device=device))
    parts.take(*(message({"device": "kn-0007", "values": n}, device="kn-0007") for n in range(20)))
    letters = DeadLetters(engine)
    app = create_app(
        parts.store,
        parts.registry,
        delivery=Delivery(parts.ledger, parts.registry),
        dead_letters=Letters(letters, writable),
        changes=RegistryChanges(writable),
        arrivals=Arrivals(engine),
        now_s=lambda: NOW_MS / 1000,
    )
    with serving(app) as url:
        yield url
    parts.store.close()


@pytest.fixture(scope="module")
def document(url: str) -> dict[str, Any]:
    found: dict[str, Any] = httpx.get(f"{url}/openapi.json").json()
    return found


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield method, path, operation


def example(parameter: dict[str, Any]) -> str:
    return str((parameter.get("examples") or parameter["schema"].get("examples") or [""])[0])


def test_everything_is_described_and_has_an_example(document: dict[str, Any]) -> None:
    for method, path, operation in operations(document):
        assert len(operation["description"]) > 20, (method, path)
        assert operation["summary"]
        for one in operation.get("parameters", ()):
            assert one["description"], (method, path, one["name"])
            assert example(one), (method, path, one["name"])
        if method in ("put", "post") and "requestBody" in operation:
            body = operation["requestBody"]["content"]["application/json"]
            assert "example" in body or "$ref" in body["schema"], (method, path)
        names = {"400", "404", "406", "503", "default"} | ({"401", "403"} if "security" in operation else set())
        names |= {"409", "412", "413", "422"} if method != "get" else {"304"}
        assert names <= operation["responses"].keys(), (method, path)
        for status in names - {"304"}:
            assert set(operation["responses"][status]["content"]) == {"application/problem+json"}


def test_the_examples_work(url: str, document: dict[str, Any]) -> None:
    """Each operation with its examples: none of the optional parameters, then each of them."""
    asked = 0
    letter = str(httpx.get(f"{url}/v1/dead-letters", headers=KEY).json()["dead_letters"][0]["id"])
    with httpx.Client(base_url=url, headers=KEY, timeout=30) as client:
        for method, path, operation in operations(document):
            if method == "post" and "{" in path:
                continue  # done once and gone: test_registry_routes
            parameters = operation.get("parameters", [])
            inside = {one["name"]: example(one) for one in parameters if one["in"] == "path"}
            address = path.format(**inside | ({"number": letter} if "number" in inside else {}))
            needed = {one["name"]: example(one) for one in parameters if one["in"] == "query" and one["required"]}
            body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("example")
            for more in [{}, *({one["name"]: example(one)} for one in parameters if one["in"] == "query")]:
                more |= {"every": "PT1H"} if "agg" in more else {}
                if path == "/v1/stream":
                    with client.stream("GET", address, params=more | {"last_event_id": "0"}) as answer:
                        assert answer.status_code == 200
                    continue
                answer = client.request(method, address, params=needed | more, json=body)
                assert 200 <= answer.status_code < 300, (method, answer.url, answer.text)
                asked += 1
    assert asked > 25


# -- whatever is sent


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["fits", "does not fit"])
def test_whatever_is_sent_the_answer_is_as_described(url: str, mode: GenerationMode) -> None:
    """All but the stream, which does not end: test_stream."""
    schema = schemathesis.openapi.from_url(f"{url}/openapi.json").exclude(path="/v1/stream")
    tried, faults = 0, []
    for found in schema.get_all_operations():
        operation = found.ok()

        @settings(max_examples=EXAMPLES, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
        @given(case=operation.as_strategy(generation_mode=mode))
        def hold(case: Any) -> None:
            case.call_and_validate(headers=KEY, checks=HELD_TO, timeout=20)

        try:
            hold()
            tried += 1
        except (Unsatisfiable, SkipTest):  # nothing can be sent that would not fit
            continue
        except (FailureGroup, Failure) as failure:
            faults.append(f"{operation.label}: {failure}\n{getattr(failure, 'exceptions', '')}")
    assert not faults, "\n\n".join(faults)
    assert tried > 5


AIR = "/v1/stations/marktplatz/series/air_temperature"
HOSTILE = [
    (AIR, {"from": "2026-11-22", "to": "2026-11-21"}, 400),
    (AIR, {"from": "1700-01-01", "to": "2250-01-01"}, 200),
    (
        AIR,
        {"from": "1700-01-01", "to": "2250-01-01", "every": "PT1M"},
        200,
    ),
    (AIR, {"from": "0001-01-01", "to": "9999-12-31"}, 400),
    (AIR, {"every": "PT7M"}, 400),
    (AIR, {"every": "PT1H", "agg": "sum"}, 400),
    (AIR, {"tz": "Europe/Berlin\0"}, 400),
    (AIR, {"tz": "../../etc/passwd"}, 400),
    (AIR, {"tz": "x" * 20_000}, 400),
    (AIR, {"from": "2026-11-21T10:00:00 01:00"}, 200),  # a lost +
    (AIR, {"from": "2026-11-21T10:00:00%2B01:00"}, 400),
    (AIR, {"from": "2026-11-21T24:00:01Z"}, 400),
    (AIR, {"tz": "Etc/GMT 1"}, 400),  # a lost + here is no zone
    ("/v1/stations/marktplatz/series/%00", {}, 404),
    ("/v1/stations/%00/series/co2", {}, 404),
    ("/v1/stations/" + "x" * 20_000, {}, 404),
    ("/v1/stations/%ff%fe", {}, 404),
    ("/v1/stations/..%2f..%2fetc", {}, 404),
    ("/v1/latest", {"station": "\0"}, 404),
    ("/v1/latest", {"station": ","}, 404),
    ("/v1/devices/%00/delivery", {}, 404),
]


@pytest.mark.parametrize(("path", "params", "status"), HOSTILE, ids=range(len(HOSTILE)))
def test_what_people_and_others_send(url: str, path: str, params: dict[str, str], status: int) -> None:
    answer = httpx.get(url + path, params=params, timeout=20)
    assert answer.status_code == status, answer.text[:300]
    if status >= 400:
        assert answer.headers["content-type"] == "application/problem+json"
        assert len(answer.content) < 2000
        assert re.search(r"[.?]$", answer.json()["detail"])


def test_a_parameter_that_comes_twice_is_refused(url: str) -> None:
    for path in ("/v1/latest?station=marktplatz&station=neustadt", "/v1/stream?channel=co2&channel=no2"):
        assert httpx.get(url + path).status_code == 400
