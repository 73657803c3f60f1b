"""Content codings: what Accept-Encoding weighs, what others' decoders make of it, and a stream stays a stream."""

import gzip
import shutil
import subprocess
import threading
import tracemalloc
import zlib
from collections.abc import Iterator

import httpx
import pytest
import zstandard
from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from fastapi.testclient import TestClient

from cloud.api.app import create_app
from cloud.api.compression import Compressed, chosen
from cloud.store import Store
from tests.cloud.api.conftest import Registry, point
from tests.cloud.api.serving import serving
from tests.conftest import absent

SERIES = "/v1/stations/marktplatz/series/co2?from=2026-11-22T00:00:00Z"


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        ("", "identity"),
        ("gzip", "gzip"),
        ("gzip, deflate, br, zstd", "zstd"),
        ("gzip;q=1.0, zstd;q=0.5", "gzip"),
        ("zstd;q=0.5,gzip;q=0.500", "zstd"),
        ("br", "identity"),
        ("*", "zstd"),
        ("*;q=0.1", "zstd"),
        ("zstd;q=0, *", "gzip"),
        ("identity", "identity"),
        ("identity;q=1, gzip;q=0.5", "identity"),
        ("identity;q=0.5, gzip", "gzip"),
        ("gzip;q=0", "identity"),
        ("GZIP", "gzip"),
        ("x-gzip", "gzip"),
        ("gzip;q=nonsense", "identity"),
        ("gzip ; Q=0.4 , , identity ; q=0.3", "gzip"),
        ("identity;q=0, gzip", "gzip"),
        ("identity;q=0", None),
        ("*;q=0", None),
        ("*;q=0, identity;q=0.1", "identity"),
        ("br, identity;q=0", None),
    ],
)
def test_the_clients_weights_decide(accepted: str, coding: str | None) -> None:
    assert chosen(accepted)[0] == coding


@pytest.fixture
def filled(client: TestClient, store: Store) -> TestClient:
    store.write([point(n, co2=400.0 + n % 7) for n in range(300)])
    return client


def raw(client: TestClient, url: str, accepted: str) -> httpx.Response:
    with client.stream("GET", url, headers={"Accept-Encoding": accepted}) as answer:
        answer._content = b"".join(answer.iter_raw())  # as it came over the wire
        return answer


@pytest.mark.parametrize("url", [SERIES, SERIES + "&format=csv", "/v1/stations", "/openapi.json", "/"])
def test_what_comes_out_is_what_went_in(filled: TestClient, url: str) -> None:
    plain = raw(filled, url, "identity")
    assert "content-encoding" not in plain.headers
    for coding, decode in (
        ("gzip", gzip.decompress),
        ("zstd", zstandard.ZstdDecompressor().decompressobj().decompress),
    ):
        coded = raw(filled, url, coding)
        assert coded.headers["content-encoding"] == coding
        assert int(coded.headers["content-length"]) == len(coded.content) < len(plain.content)
        assert decode(coded.content) == plain.content
    for answer in (plain, coded):
        assert "accept-encoding" in answer.headers["vary"].lower()


def test_a_tiny_body_is_left_as_it_is_unless_it_may_not(client: TestClient) -> None:
    assert "content-encoding" not in raw(client, "/health/live", "gzip").headers
    forced = raw(client, "/health/live", "gzip, identity;q=0")
    assert gzip.decompress(forced.content) == b'{"status":"ok"}'


def test_who_takes_no_coding_at_all_is_told(client: TestClient) -> None:
    answer = raw(client, "/v1/stations", "identity;q=0, br")
    assert (answer.status_code, answer.headers["content-type"]) == (406, "application/problem+json")


def test_head_says_what_get_would(filled: TestClient) -> None:
    for url in (SERIES, "/v1/stations", "/v1/latest"):
        for coding in ("gzip", "zstd", "identity"):
            head = filled.head(url, headers={"Accept-Encoding": coding})
            got = raw(filled, url, coding)
            assert head.content == b""
            names = {"content-encoding", "content-length", "content-type", "vary", "etag", "cache-control"}
            assert {n: head.headers.get(n) for n in names} == {n: got.headers.get(n) for n in names}


# -- streams


def streaming(pieces: Iterator[bytes], media_type: str = "text/csv") -> FastAPI:
    app = FastAPI()
    app.add_middleware(Compressed)

    @app.get("/")
    def answer() -> StreamingResponse:
        return StreamingResponse(pieces, media_type=media_type)

    return app


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
def test_each_piece_arrives_before_the_next_is_made(coding: str) -> None:
    go_on = [threading.Event() for _ in range(5)]

    def pieces() -> Iterator[bytes]:
        for n, event in enumerate(go_on):
            yield b"%d," % n * 4000
            assert event.wait(20)

    decoder = zlib.decompressobj(31) if coding == "gzip" else zstandard.ZstdDecompressor().decompressobj()
    with serving(streaming(pieces())) as url, httpx.stream("GET", url, headers={"Accept-Encoding": coding}) as answer:
        assert answer.headers["content-encoding"] == coding
        got, n = b"", 0
        for chunk in answer.iter_raw():
            got += decoder.decompress(chunk)
            if len(got) == (n + 1) * 8000:  # all of this piece, and the next was not begun
                go_on[n].set()
                n += 1
    assert n == 5


def test_events_are_never_held_back() -> None:
    app = streaming(iter([b"data: 1\n\n" * 1000]), "text/event-stream")
    assert "content-encoding" not in raw(TestClient(app), "/", "gzip, zstd").headers


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
def test_a_long_answer_needs_no_more_memory_than_a_short_one(coding: str) -> None:
    def most(count: int) -> int:
        def pieces() -> Iterator[bytes]:
            for n in range(count):
                yield (b"2026-11-22T10:00:00Z,%d,C,,kn-1\r\n" % n) * 1500

        with serving(streaming(pieces())) as url:
            tracemalloc.start()
            with httpx.stream("GET", url, headers={"Accept-Encoding": coding}) as answer:
                for _ in answer.iter_raw():
                    pass
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
        return peak

    assert most(400) < most(20) + 1_000_000  # of 20 MB


# -- other people's decoders


def test_curl_and_the_zstd_tool_read_it(store: Store) -> None:
    curl, zstd = shutil.which("curl"), shutil.which("zstd")
    if not curl or not zstd:
        absent("curl and zstd", "install them, on Debian: apt-get install curl zstd")
    store.write([point(n, co2=400.0 + n % 7) for n in range(5000)])
    url = SERIES.replace("22T", "15T") + "&to=2026-12-01"
    with serving(create_app(store, Registry())) as base:
        plain = subprocess.run([curl, "-sS", base + url], capture_output=True, check=True).stdout
        assert len(plain) > 300_000
        gzipped = subprocess.run([curl, "-sS", "--compressed", base + url], capture_output=True, check=True).stdout
        header = ["-H", "Accept-Encoding: zstd"]
        packed = subprocess.run([curl, "-sS", *header, base + url], capture_output=True, check=True).stdout
        through_httpx = httpx.get(base + url)
    assert gzipped == plain
    assert len(packed) < len(plain) / 8
    assert subprocess.run([zstd, "-dc"], input=packed, capture_output=True, check=True).stdout == plain
    assert through_httpx.headers["content-encoding"] in ("zstd", "gzip")
    assert through_httpx.content == plain
