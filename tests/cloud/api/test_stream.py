"""`/v1/stream` behind a real uvicorn, heard by a real client of server-sent events."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from httpx_sse import EventSource, ServerSentEvent, connect_sse
from sqlalchemy.exc import OperationalError

from cloud.api.app import create_app
from cloud.api.tail import RING
from cloud.ledger import arrivals
from cloud.ledger.arrivals import Arrivals
from cloud.ledger.ledger import Ledger
from tests.cloud.api.serving import serving
from tests.cloud.arrival_checks import batch
from tests.cloud.ingest_parts import NOW_MS, Parts, make, message, reading
from tests.cloud.test_latest import text


class Bench:
    """An ingest, and an API that streams."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self.follow = Arrivals(parts.ledger.engine)
        self.app = create_app(parts.store, parts.registry, arrivals=self.follow)
        self.url = ""
        self.client = httpx.Client(timeout=20)

    def send(self, seq: int, device: str = "kn-1", **more: Any) -> None:
        at = more.pop("time", text(NOW_MS - 10_000_000 + seq * 1000))
        values = more.pop("values", {"air_temperature": 3.5, "co2": 400.0 + seq})
        self.parts.take(message(reading(device, generation=1, seq=seq, time=at, values=values, **more), device=device))

    def flood(self, count: int, each: int = 1000) -> None:
        """Many readings, as batches of the ledger."""
        ledger = Ledger(self.parts.ledger.engine)
        for number in range(count // each):
            assert ledger.apply(batch(number + 1, *["marktplatz"] * each, log=f"flood-{time.monotonic_ns()}"))

    @contextmanager
    def listen(self, last: int | None = None, **params: str) -> Iterator[EventSource]:
        headers = {} if last is None else {"Last-Event-ID": str(last)}
        with connect_sse(self.client, "GET", f"{self.url}/v1/stream", params=params, headers=headers) as source:
            yield source


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    parts = make(tmp_path)
    bench = Bench(parts)
    with serving(bench.app) as bench.url:
        yield bench
        bench.client.close()
    parts.store.close()


def take(events: Iterator[ServerSentEvent], count: int) -> list[ServerSentEvent]:
    """So many events, without those that are only an empty line."""
    found: list[ServerSentEvent] = []
    while len(found) < count:
        one = next(events)
        found += [one] if one.data else []
    return found


def test_a_reading_is_an_event(bench: Bench) -> None:
    with bench.listen() as source:
        assert source.response.headers["content-type"].startswith("text/event-stream")
        events = source.iter_sse()
        (start,) = take(events, 1)
        assert (start.event, start.id, start.json()) == ("start", "0", {"newest": 0, "oldest": 0})
        bench.send(1)
        (one,) = take(events, 1)
    assert (one.event, one.id) == ("message", "1")
    assert one.json() == {
        "arrival": 1, "station": "marktplatz", "device": "kn-1", "time": text(NOW_MS - 9_999_000),
        "generation": 1, "seq": 1, "values": {
            "air_temperature": {"value": 3.5, "unit": "°C", "quality": "C", "quality_reasons": []},
            "co2": {"value": 401.0, "unit": "ppm", "quality": "C", "quality_reasons": []},
        },
    }  # fmt: skip


def test_who_comes_back_misses_nothing_late_readings_and_corrections_included(bench: Bench) -> None:
    bench.send(1)
    with bench.listen() as source:
        (start,) = take(source.iter_sse(), 1)
    bench.send(3)
    bench.send(2)  # late
    bench.send(4, time=text(NOW_MS - 5000), time_source="receiver")
    bench.send(4, time=text(NOW_MS - 9000), time_source="ntp")
    with bench.listen(int(start.id)) as source:
        found = [one.json() for one in take(source.iter_sse(), 4)]
    assert [(one["arrival"], one["seq"]) for one in found] == [(2, 3), (3, 2), (4, 4), (5, 4)]
    assert found[3]["replaces"] == {"station": "marktplatz", "time": text(NOW_MS - 5000)}
    assert "replaces" not in found[2]
    for last in range(1, 5):  # inside, and by the parameter
        with bench.listen(last_event_id=str(last)) as source:
            assert take(source.iter_sse(), 1)[0].json() == found[last - 1]


def test_the_header_goes_before_the_parameter(bench: Bench) -> None:
    """A browser that comes back keeps the address and sends a newer header."""
    for seq in range(1, 5):
        bench.send(seq)
    with bench.listen(3, last_event_id="1") as source:
        assert take(source.iter_sse(), 1)[0].id == "4"


def test_filters(bench: Bench) -> None:
    with bench.listen(0, station="neustadt, marktplatz", channel="co2,battery") as source:
        events = source.iter_sse()
        bench.send(1, values={"air_temperature": 1.0})
        bench.send(2)
        assert list(take(events, 1)[0].json()["values"]) == ["co2"]
    with bench.listen(0, station="neustadt") as source:
        events = source.iter_sse()
        bench.send(1, device="kn-2")
        assert take(events, 1)[0].json()["station"] == "neustadt"


def test_what_is_of_no_registered_station_is_not_told(bench: Bench) -> None:
    Ledger(bench.parts.ledger.engine).apply(batch(1, "elsewhere", "marktplatz", "elsewhere"))
    bench.send(9)
    with bench.listen(0) as source:
        assert [one.id for one in take(source.iter_sse(), 2)] == ["2", "4"]


def test_changes_from_elsewhere_are_told(bench: Bench) -> None:
    with bench.listen(0) as everything, bench.listen(0, station="neustadt") as other:
        arrivals.announce(bench.parts.ledger.engine, ["marktplatz"], NOW_MS)
        arrivals.announce(bench.parts.ledger.engine, ["neustadt", "marktplatz"], NOW_MS)
        first, second = take(everything.iter_sse(), 2)
        (only,) = take(other.iter_sse(), 1)
    assert (first.event, first.id, first.json()) == ("changed", "1", {"stations": ["marktplatz"]})
    assert second.json() == {"stations": ["marktplatz", "neustadt"]}
    assert (only.id, only.json()) == ("2", {"stations": ["neustadt"]})


def test_what_is_not_kept_any_more_is_named(bench: Bench) -> None:
    for seq in range(1, 6):
        bench.send(seq)
    bench.parts.ledger.prune(2**62)
    with bench.listen(2) as source:
        gap, one = take(source.iter_sse(), 2)
    assert (gap.event, gap.json()) == ("gap", {"after": 2, "first": 5, "missed": 2})
    assert (gap.id, one.id) == ("4", "5")
    with bench.listen(4) as source:
        assert take(source.iter_sse(), 1)[0].id == "5"


def test_a_number_that_was_never_given_is_named(bench: Bench) -> None:
    bench.send(1)
    with bench.listen(77) as source:
        events = source.iter_sse()
        (gap,) = take(events, 1)
        assert (gap.event, gap.id, gap.json()) == ("gap", "1", {"after": 77, "first": 2, "missed": None})
        bench.send(2)
        assert take(events, 1)[0].id == "2"


@pytest.mark.parametrize("last", ["abc", "-1", "1.5", "1e3", "٣", "9" * 30, "1 2"])
def test_nonsense_is_refused(bench: Bench, last: str) -> None:
    answers = [bench.client.get(f"{bench.url}/v1/stream", params={"last_event_id": last})]
    if last.isascii():
        answers.append(bench.client.get(f"{bench.url}/v1/stream", headers={"Last-Event-ID": last}))
    for answer in answers:
        assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")
        assert "Last-Event-ID" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("params", "status"), [({"station": "nowhere"}, 404), ({"channel": "heat"}, 404), ({"x": "1"}, 400)]
)
def test_unknown_filters_are_refused(bench: Bench, params: dict[str, str], status: int) -> None:
    assert bench.client.get(f"{bench.url}/v1/stream", params=params).status_code == status


def test_head_ends_at_once(bench: Bench) -> None:
    answer = bench.client.head(f"{bench.url}/v1/stream")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")


def test_a_heartbeat_is_a_comment(bench: Bench) -> None:
    bench.app.state.streams.alive_s = 0.05
    with bench.client.stream("GET", f"{bench.url}/v1/stream") as answer:
        lines = answer.iter_lines()
        assert next(lines) == "retry: 3000"
        while next(lines) != ": alive":
            pass


def test_a_resume_over_many_pages_and_through_the_ring_has_no_hole(bench: Bench) -> None:
    bench.flood(RING + 3000)
    with bench.listen() as live, bench.listen(0) as source:
        events = live.iter_sse()
        take(events, 1)
        bench.flood(2000)
        found = [int(one.id) for one in take(source.iter_sse(), RING + 5000)]
        assert found == list(range(1, RING + 5001))
        assert [int(one.id) for one in take(events, 2000)] == list(range(RING + 3001, RING + 5001))


def test_those_who_come_back_together_read_the_books_once(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.flood(4000)
    after, read = bench.follow.after, []
    monkeypatch.setattr(bench.follow, "after", lambda n, *a, **more: read.append(n) or after(n, *a, **more))

    def come_back(_: int) -> list[int]:
        with (
            httpx.Client(timeout=20) as client,
            connect_sse(client, "GET", f"{bench.url}/v1/stream", headers={"Last-Event-ID": "0"}) as source,
        ):
            return [int(one.id) for one in take(source.iter_sse(), 4000)]

    with ThreadPoolExecutor(12) as clients:
        for found in clients.map(come_back, range(12)):
            assert found == list(range(1, 4001))
    assert len([number for number in read if number < 4000]) < 24  # eight pages; some are read again after five seconds


def test_books_that_are_away_for_a_while_cost_nothing(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    away, asked, after = threading.Event(), threading.Event(), bench.follow.after

    def sometimes(*args: Any, **more: Any) -> Any:
        if away.is_set():
            asked.set()
            raise OperationalError("", {}, Exception("the database is away"))
        return after(*args, **more)

    monkeypatch.setattr(bench.follow, "after", sometimes)
    with bench.listen() as source:
        events = source.iter_sse()
        take(events, 1)
        bench.send(1)
        assert take(events, 1)[0].id == "1"
        away.set()
        bench.send(2)
        assert asked.wait(10)
        away.clear()
        assert take(events, 1)[0].id == "2"


# -- clients that do harm


def dumb(url: str, last: int) -> socket.socket:
    """Asks, and never reads."""
    host, port = url.removeprefix("http://").split(":")
    one = socket.socket()
    one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    one.connect((host, int(port)))
    one.sendall(f"GET /v1/stream HTTP/1.1\r\nHost: x\r\nLast-Event-ID: {last}\r\n\r\n".encode())
    return one


def until(what: Callable[[], bool], patience_s: float = 20) -> None:
    deadline = time.monotonic() + patience_s
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_hundred_who_never_read_harm_nobody(bench: Bench) -> None:
    streams = bench.app.state.streams
    bench.flood(20_000, 2000)
    sleepers = [dumb(bench.url, 0) for _ in range(100)]
    until(lambda: streams.tail.listeners == 100)
    with bench.listen(20_000) as source:
        events = source.iter_sse()
        for seq in range(5):
            began = time.monotonic()
            bench.send(seq)
            assert take(events, 1)[0].json()["seq"] == seq
            assert time.monotonic() - began < 5
            assert bench.client.get(f"{bench.url}/v1/latest").status_code == 200
        assert streams.tail.listeners == 101
    for one in sleepers:
        one.close()
    until(lambda: streams.tail.listeners == 0)


def test_who_does_not_read_is_let_go(bench: Bench) -> None:
    streams = bench.app.state.streams
    streams.send_s = 0.2
    bench.flood(20_000, 2000)
    with dumb(bench.url, 0) as sleeper:
        until(lambda: streams.tail.listeners == 1)
        until(lambda: streams.tail.listeners == 0)
        assert sleeper.fileno() >= 0  # it is still there, and nobody waits for it


def test_who_goes_away_is_forgotten_at_once(bench: Bench) -> None:
    tail = bench.app.state.streams.tail
    with bench.listen() as source:
        events = source.iter_sse()
        take(events, 1)
        assert tail.listeners == 1
    until(lambda: tail.listeners == 0)


def test_the_server_ends_while_somebody_listens(tmp_path: Path) -> None:
    parts = make(tmp_path)
    bench = Bench(parts)
    with bench.client:
        with serving(bench.app) as bench.url:
            began = bench.listen(0)
            source = began.__enter__()
        # the server is down, and in order: the answer has an end
        assert [one for one in source.iter_sse() if one.data] == []
        began.__exit__(None, None, None)
    parts.store.close()


def test_no_more_than_a_process_can_bear(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cloud.api.stream_routes.LISTENERS_MAX", 1)
    with bench.listen() as source:
        events = source.iter_sse()
        take(events, 1)
        answer = bench.client.get(f"{bench.url}/v1/stream")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert "1 listen already" in answer.json()["detail"]


def test_an_event_is_one_line_of_json(bench: Bench) -> None:
    bench.send(1)
    with bench.client.stream("GET", f"{bench.url}/v1/stream", headers={"Last-Event-ID": "0"}) as answer:
        lines = answer.iter_lines()
        found = [next(lines) for _ in range(4)]
    assert found[:3] == ["retry: 3000", "", "id: 1"]
    assert json.loads(found[3].removeprefix("data: "))["seq"] == 1
