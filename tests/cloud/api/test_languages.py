"""Problems in German and English: what is asked for is spoken, whole, and both say the same of the same things."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from string import Formatter
from typing import Any

import pytest
from fastapi.testclient import TestClient

from cloud.api.texts import TEXTS, language, spoken
from tests.cloud.api.conftest import point
from tests.cloud.api.test_registry_routes import OTAA, PLACE, Bench
from tests.cloud.ingest_parts import make

ROOT = Path(__file__).resolve().parents[3]
SERIES = "/v1/stations/marktplatz/series/"


@pytest.mark.parametrize(
    ("accepted", "found"),
    [
        (None, "en"), ("", "en"), ("de", "de"), ("de-AT, en;q=0.5", "de"), ("en, de", "en"), ("*, de;q=0.1", "de"),
        ("fr, de;q=0.3", "de"), ("en;q=0.2, DE;q=0.9", "de"), ("fr", "en"), ("de;q=0", "en"), ("de;q=x", "en"),
        ("*", "en"),
    ],
)  # fmt: skip
def test_which_language(accepted: str | None, found: str) -> None:
    assert language(accepted) == found


def names(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name}


@pytest.mark.parametrize(("english", "german"), TEXTS, ids=[english[:40] for english, _ in TEXTS])
def test_both_languages_carry_the_same(english: str, german: str) -> None:
    assert names(english) == names(german)
    assert english != german
    values = {name: f"<{name}>" for name in names(english)}
    told, said = spoken(english.format_map(values) + ".", "de")
    assert said == "de"
    told_first, expected = told, german.format_map(values) + "."
    assert told_first == expected[:1].upper() + expected[1:]
    assert re.findall(r"`[^`]+`|/v1/[\w/-]+", german) or not re.findall(r"/v1/[\w/-]+", english)


def sentences() -> Iterator[str]:
    """Every text in our code, with {} for what is put between the words."""
    for folder in ("cloud", "schemas", "klimanetz"):
        for path in (ROOT / folder).rglob("*.py"):
            if path.name == "texts.py":
                continue
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, ast.JoinedStr):
                    yield "".join(str(one.value) if isinstance(one, ast.Constant) else "{}" for one in node.values)
                elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                    yield node.value.replace("%s", "{}")


def test_no_text_is_of_something_that_nobody_says() -> None:
    """A sentence that is changed where it is raised would stay English: its words must stand in the code."""
    code = re.sub(r"[^a-z]+", " ", " ".join(sentences()).lower())
    gone = []
    for english, _ in TEXTS:
        pieces = re.split(r"\{\w+\}|[:;,.]|`[^`]*`", english.lower())
        words = [re.sub(r"[^a-z]+", " ", piece).strip() for piece in pieces]
        gone += [english for one in words if not _stands(one.split(), code)]
    of_others = ("input should", "unable to parse", "extra inputs", "JSON decode error", "parsing the body")
    put_together = ("import stations first", "import devices first", "use GET or HEAD")
    assert [one for one in gone if not any(words in one for words in of_others + put_together)] == []


def _stands(words: list[str], code: str) -> bool:
    """Most of what stands side by side here stands side by side there; the rest may be put between the words."""
    threes = [" ".join(words[n : n + 3]) for n in range(len(words) - 2)]
    return 2 * sum(three in code for three in threes) >= len(threes)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    parts = make(tmp_path)
    parts.store.write([point(5, air_temperature=1.0)])
    yield Bench(parts)
    parts.store.close()


ASKED: list[tuple[str, str, Any]] = [
    ("GET", "/nothing", None),
    ("DELETE", "/v1/stations", None),
    ("GET", "/v1/stations/nowhere", None),
    ("GET", SERIES + "heat", None),
    ("GET", SERIES + "co2@!", None),
    ("GET", SERIES + "co2", None),
    ("GET", SERIES + "precipitation", None),
    ("GET", "/v1/stations/neustadt/series/co2", None),
    ("GET", SERIES + "air_temperature?form=2026-01-01", None),
    ("GET", "/v1/stations?x=1", None),
    ("GET", SERIES + "air_temperature?from=2026-01-01&from=2026-01-02", None),
    ("GET", SERIES + "air_temperature?tz=Mars", None),
    ("GET", SERIES + "air_temperature?agg=mean", None),
    ("GET", SERIES + "air_temperature?every=soon", None),
    ("GET", SERIES + "air_temperature?every=PT1H&agg=most", None),
    ("GET", SERIES + "air_temperature?from=2200-01-01", None),
    ("GET", SERIES + "air_temperature?from=2026-01-02&to=2026-01-01", None),
    ("GET", SERIES + "air_temperature?from=0001-01-01", None),
    ("GET", SERIES + "air_temperature?from=yesterday; and so on", None),
    ("GET", SERIES + "air_temperature?profile=de&format=json", None),
    ("GET", SERIES + "air_temperature?format=xml", None),
    ("GET", "/v1/dead-letters?limit=0", None),
    ("GET", "/v1/dead-letters?limit=99999", None),
    ("GET", "/v1/dead-letters?limit=many", None),
    ("GET", "/v1/dead-letters/999", None),
    ("GET", "/v1/dead-letters/99999999999999999999", None),
    ("GET", "/v1/stream?last_event_id=x", None),
    ("GET", "/v1/devices/kn-9", None),
    ("GET", "/v1/deployments", None),
    ("POST", "/v1/dead-letters/999/replay", None),
    ("POST", "/v1/unknown/kn-1/adopt", {"station": "neustadt"}),
    ("POST", "/v1/unknown/kn-9/adopt", {"station": "nowhere"}),
    ("POST", "/v1/unknown/kn-9/adopt", {"station": "neustadt"}),
    ("POST", "/v1/unknown/kn-9/adopt", {"station": 3}),
    ("POST", "/v1/unknown/kn-9/adopt", {"station": "neustadt", "x": 1}),
    ("POST", "/v1/unknown/kn-9/adopt", {}),
    ("POST", "/v1/unknown/kn-9/adopt", []),
    ("PUT", "/v1/stations/zoo", []),
    ("PUT", "/v1/stations/zoo", {"name": ["a"]}),
    ("PUT", "/v1/stations/zoo", {"name": "Zoo"}),
    ("PUT", "/v1/stations/zoo", {**PLACE, "x": 1}),
    ("PUT", "/v1/stations/zoo", {**PLACE, "station": "bar"}),
    ("PUT", "/v1/stations/zoo", {**PLACE, "latitude": 99, "name": "", "timezone": "Mars", "private": "perhaps"}),
    ("PUT", "/v1/stations/zoo", {**PLACE, "latitude": "1,234", "longitude": "x", "district": "x" * 300}),
    ("PUT", "/v1/stations/zoo", {**PLACE, "name": "a\0b"}),
    ("PUT", "/v1/stations/-zoo", PLACE),
    ("PUT", "/v1/devices/kn-7", {**OTAA, "codec": "abacus", "app_key": "12", "activation": "magic"}),
    ("PUT", "/v1/devices/kn-7", {"activation": "otaa"}),
    ("PUT", "/v1/devices/kn-7", {"activation": "abp"}),
    ("PUT", "/v1/devices/kn-7", {"activation": "abp", "dev_addr": "01020304"}),
    ("PUT", "/v1/devices/kn-7", {"station": "nowhere"}),
    ("POST", "/v1/deployments", {"station": "nowhere", "device": "kn-9", "from": "2026-01-01"}),
    ("POST", "/v1/deployments", {"station": "neustadt", "device": "kn-1", "from": "2026-01-02", "to": "2026-01-01"}),
    ("POST", "/v1/deployments", {"station": "neustadt", "device": "kn-1", "from": "soon"}),
]


@pytest.mark.parametrize(("method", "url", "body"), ASKED, ids=[f"{m} {u} {str(b)[:30]}" for m, u, b in ASKED])
def test_who_asks_in_german_is_answered_in_german(bench: Bench, method: str, url: str, body: Any) -> None:
    english = bench.ask(method, url, body)
    german = bench.ask(method, url, body, **{"Accept-Language": "de-DE,de;q=0.9,en;q=0.8"})
    assert english.headers["content-type"] == german.headers["content-type"] == "application/problem+json"
    assert (english.headers["content-language"], german.headers["content-language"]) == ("en", "de"), german.text
    assert "accept-language" in german.headers["vary"].lower()
    for name in ("status", "title", "type"):
        assert english.json()[name] == german.json()[name]
    assert english.json()["detail"] != german.json()["detail"]
    assert german.json()["detail"].endswith(".")


def test_keys_and_bodies_and_codings_too(bench: Bench) -> None:
    said: TestClient = bench.client
    german = {"Accept-Language": "de"}
    preflight = {**german, "Origin": "https://x.example", "Access-Control-Request-Method": "PUT"}
    for answer in (
        said.get("/v1/unknown", headers=german),
        bench.ask("PUT", "/v1/stations/zoo", PLACE, key="r", **german),
        said.put("/v1/stations/zoo", content=b"{", headers={**german, "Authorization": "Bearer w"}),
        said.put("/v1/stations/zoo", content=b"x" * 10_000_001, headers=german),
        said.get("/v1/stations", headers={**german, "Accept-Encoding": "identity;q=0"}),
        said.options("/v1/stations", headers=preflight),
        bench.ask("PUT", "/v1/stations/zoo", PLACE, **german, **{"If-Match": "x"}),
        bench.ask("PUT", "/v1/stations/zoo", PLACE, **german, **{"If-Match": '"r0"'}),
    ):  # fmt: skip
        assert answer.status_code >= 400
        assert answer.headers["content-language"] == "de", answer.text


def test_what_is_not_known_stays_whole() -> None:
    assert spoken("Latitude is empty; and now for something else.", "de") == (
        "Latitude is empty; and now for something else.",
        "en",
    )
    assert spoken("latitude is empty; name is empty", "de") == ("Latitude ist leer; name ist leer", "de")
