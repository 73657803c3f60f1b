"""What only a server can do: be down, be full, refuse the token, refuse some of the data."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import urllib3

from cloud.calendar import Run
from cloud.store import PointKey, PointsRejected, Store, StoreRefused, StoreUnavailable, influx_http, open_store
from cloud.store.model import Summed
from klimanetz import settings, wiring
from tests.cloud.store.conftest import T0, point
from tests.servers import InfluxServer, start_influxd

pytestmark = pytest.mark.influxdb
END = T0 + 10**9
CALLS: list[Callable[[Store], object]] = [
    lambda store: store.write([point(0)]),
    lambda store: store.delete([PointKey("markt", "kn-1", T0)]),
    lambda store: store.latest(),
    lambda store: list(store.series("markt", "air_temperature", T0, END)),
    lambda store: store.before("markt", "air_temperature", END),
    lambda store: list(store.summed(["markt"], "air_temperature", [Run(T0, END, END - T0)], ("sum",), "XB")),
    lambda store: store.channels("markt"),
    lambda store: list(store.identities("kn-1")),
    lambda store: store.count(),
    lambda store: store.ping(),
]


def _raw(server: InfluxServer, bucket: str, text: str) -> None:
    url = f"{server.url}/api/v2/write?org={server.org}&bucket={bucket}&precision=ms"
    headers = {"Authorization": f"Token {server.token}"}
    assert urllib3.request("POST", url, body=text.encode(), headers=headers).status == 204


def test_one_conflict_of_type_costs_one_point(influx_server: InfluxServer) -> None:
    bucket = influx_server.new_bucket()
    _raw(influx_server, bucket, f"reading,station=x,device=y co2=3i {T0}")
    store = open_store(influx_server.store_url(bucket), influx_server.token)
    bad = point(7, co2=400.0)
    with pytest.raises(PointsRejected, match="type conflict") as caught:
        store.write([*(point(n) for n in range(7)), bad, *(point(n) for n in range(8, 20))])
    assert caught.value.points == (bad,)
    assert [row.value for row in store.series("markt", "air_temperature", T0, END)] == [
        20.0 + n for n in range(20) if n != 7
    ]


def test_a_batch_at_fault_as_a_whole_is_not_halved(
    influx_server: InfluxServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = influx_server.new_bucket()
    _raw(influx_server, bucket, f"reading,station=x,device=y co2=3i {T0}")
    store = open_store(influx_server.store_url(bucket), influx_server.token)
    sent = []
    write = influx_http.InfluxConnection.write
    monkeypatch.setattr(influx_http.InfluxConnection, "write", lambda self, text: (sent.append(1), write(self, text)))
    bad = [point(n, co2=400.0) for n in range(500)]
    with pytest.raises(PointsRejected) as caught:
        store.write(bad)
    assert list(caught.value.points) == bad
    assert len(sent) == 1


def test_points_older_than_the_retention_are_named(influx_server: InfluxServer) -> None:
    store = open_store(influx_server.store_url(influx_server.new_bucket(retention_s=86_400)), influx_server.token)
    old = [point(0)._replace(time_ms=1000), point(1)._replace(time_ms=2000)]
    with pytest.raises(PointsRejected, match="retention") as caught:
        store.write(old)
    assert list(caught.value.points) == old


def test_a_field_of_another_make_in_the_bucket_does_no_harm(influx_server: InfluxServer) -> None:
    bucket = influx_server.new_bucket()
    store = open_store(influx_server.store_url(bucket), influx_server.token)
    store.write([point(0)])
    _raw(influx_server, bucket, f'reading,station=markt,device=kn-1 Tempo\\ 30=1,note="hello" {T0 + 1}\nother x=1 {T0}')
    assert store.channels("markt") == ["air_temperature"]
    assert [one.channel for one in store.latest()] == ["air_temperature"]


def test_a_value_does_not_take_the_quality_of_another_time(influx_server: InfluxServer) -> None:
    bucket = influx_server.new_bucket()
    lines = [f'quality,station=markt,device=kn-1 co2="G" {T0}', f"reading,station=markt,device=kn-1 co2=400 {T0 + 1}"]
    _raw(influx_server, bucket, "\n".join(lines))
    store = open_store(influx_server.store_url(bucket), influx_server.token)
    assert [row.quality for row in store.series("markt", "co2", T0, END)] == ["Z"]
    assert [one.quality for one in store.latest()] == [one.quality for one in store.latest(["markt"])] == ["Z"]


def test_a_wrong_token_needs_a_person(influx_server: InfluxServer) -> None:
    store = open_store(influx_server.store_url(), "wrong")
    for call in CALLS:
        with pytest.raises(StoreRefused, match="KLIMANETZ_INFLUX_TOKEN"):
            call(store)


def test_a_token_that_was_rotated_is_read_again(influx_server: InfluxServer) -> None:
    bucket = influx_server.new_bucket()
    tokens = [influx_server.new_token(bucket, "read", "write") for _ in range(2)]
    read: list[str] = []

    def token() -> str:
        read.append(tokens[0])
        return tokens[0]

    store = open_store(influx_server.store_url(bucket), token)
    store.write([point(0)])
    assert len(read) == 1
    for call in CALLS:
        influx_server.revoke(tokens.pop(0))
        tokens.append(influx_server.new_token(bucket, "read", "write"))
        call(store)
    assert 0 <= len(read) - 1 - len(CALLS) <= 2, "only when refused; a series and sums ask twice at once"
    influx_server.revoke(tokens[0])
    with pytest.raises(StoreRefused, match="KLIMANETZ_INFLUX_TOKEN"):
        store.write([point(1)])


def test_services_read_a_rotated_token_from_its_file(influx_server: InfluxServer, tmp_path: Path) -> None:
    bucket, path = influx_server.new_bucket(), tmp_path / "token"
    old = influx_server.new_token(bucket, "read", "write")
    path.write_text(old)
    given = {"KLIMANETZ_STORE": influx_server.store_url(bucket), "KLIMANETZ_INFLUX_TOKEN_FILE": str(path)}
    store = wiring.store(settings.load(given, tmp_path))
    store.write([point(0)])
    path.write_text(influx_server.new_token(bucket, "read", "write") + "\n")
    influx_server.revoke(old)
    assert [row.value for row in store.series("markt", "air_temperature", T0, END)] == [20.0]


@pytest.mark.parametrize("where", ["/halle/nowhere", "/nobody/klima"])
def test_a_missing_bucket_or_organisation_needs_a_person(influx_server: InfluxServer, where: str) -> None:
    store = open_store(influx_server.url.replace("http", "influxdb") + where, influx_server.token)
    with pytest.raises(StoreRefused, match="create organisation"):
        store.write([point(0)])
    if where == "/halle/nowhere":
        for call in CALLS[2:]:
            with pytest.raises(StoreRefused, match="create it"):
                call(store)


def test_a_token_that_may_only_read_or_only_write(influx_server: InfluxServer) -> None:
    bucket = influx_server.new_bucket()
    reader = open_store(influx_server.store_url(bucket), influx_server.new_token(bucket, "read"))
    writer = open_store(influx_server.store_url(bucket), influx_server.new_token(bucket, "write"))
    writer.write([point(0)])
    assert len(reader.latest()) == 1
    with pytest.raises(StoreRefused, match="read and write"):
        reader.write([point(0)])
    with pytest.raises(StoreRefused, match="may read"):
        writer.ping()


def test_nobody_at_the_port(unused_port: int) -> None:
    store = open_store(f"influxdb://127.0.0.1:{unused_port}/halle/klima", "token")
    for call in CALLS:
        with pytest.raises(StoreUnavailable, match="does not answer"):
            call(store)


def test_a_restarted_server_is_found_again_and_has_everything(influxd: str, tmp_path: Path) -> None:
    server = start_influxd(influxd, tmp_path)
    store = open_store(server.store_url(), server.token)
    store.write([point(0)])
    port = int(server.url.rsplit(":", 1)[1])
    server.process.kill()
    server.process.wait()
    with pytest.raises(StoreUnavailable):
        store.write([point(1)])
    again = start_influxd(influxd, tmp_path, port)
    try:
        store.write([point(1)])
        assert [row.value for row in store.series("markt", "air_temperature", T0, END)] == [20.0, 21.0]
    finally:
        again.stop()


@contextmanager
def answering(status: int, body: bytes, headers: dict[str, str] | None = None) -> Iterator[str]:
    """A server that says the same to everything."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(status)
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"influxdb://127.0.0.1:{server.server_port}/halle/klima"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize(("status", "after"), [(503, "7"), (429, "30"), (500, None), (502, "soon")])
def test_busy_servers_are_tried_again(status: int, after: str | None) -> None:
    headers = {"Retry-After": after} if after else {}
    with answering(status, b'{"message": "later"}', headers) as url:
        store = open_store(url, "token")
        for call in CALLS:
            with pytest.raises(StoreUnavailable, match="later") as caught:
                call(store)
            assert caught.value.retry_after_s == (float(after) if after and after.isdigit() else None)


@pytest.mark.parametrize(("status", "body"), [(301, b""), (200, b"<html>"), (405, b"no"), (404, b"<html>")])
def test_something_that_is_no_influxdb_needs_a_person(status: int, body: bytes) -> None:
    with answering(status, body) as url:
        store = open_store(url, "token")
        for call in CALLS[2:]:
            with pytest.raises(StoreRefused):
                call(store)
        with pytest.raises(StoreRefused):
            store.write([point(0)])


def test_an_answer_that_breaks_off_is_not_taken_for_the_end() -> None:
    row = b'{"results":[{"series":[{"name":"reading","columns":["time","x","device"],"values":[[1,2.0,"d"]]}]}]}\n'
    with answering(200, row, {"Content-Length": str(len(row) + 100)}) as url:
        store = open_store(url, "token")
        with pytest.raises(StoreUnavailable, match="broke off"):
            list(store.identities("kn-1"))


def test_a_server_that_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    import socket

    monkeypatch.setattr(influx_http, "READ_TIMEOUT_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        store = open_store(f"influxdb://127.0.0.1:{listener.getsockname()[1]}/halle/klima", "token")
        with pytest.raises(StoreUnavailable, match="does not answer"):
            store.write([point(0)])


@pytest.fixture
def unused_port() -> int:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


def test_sums_and_the_newest_without_flux_are_the_same(
    influx_server: InfluxServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with InfluxDB 3, which answers 404 there."""
    bucket = influx_server.new_bucket()
    store = open_store(influx_server.store_url(bucket), influx_server.token)
    store.write([point(n, air_temperature=float(n)) for n in range(10)])
    store.write([point(3, air_temperature=99.0)._replace(quality={"air_temperature": "X range"})])
    runs = [Run(T0, T0 + 600_000, 300_000)]
    with_flux = list(store.summed(["markt"], "air_temperature", runs, ("sum",), "XB"))
    newest = store.latest()
    assert [one.values is None for one in with_flux] == [False, True]

    def first(found: list[Summed]) -> list[tuple[int, float, bool]]:
        return [(one.time_ms, one.value, one.quality[0] == "X") for one in found[0].values or ()]

    store._influx._flux_url = f"{influx_server.url}/api/v3/nothing"  # type: ignore[attr-defined]
    without = list(store.summed(["markt"], "air_temperature", runs, ("sum",), "XB"))
    assert first(without) == first(with_flux)
    assert sum(value.value for value in without[1].values or ()) == with_flux[1].figures[0] == 35.0
    assert store.latest(["markt"]) == newest
    store._latest.forget()  # type: ignore[attr-defined]
    assert store.latest() == newest


def test_a_note_without_a_value_does_no_harm_to_sums(influx_server: InfluxServer) -> None:
    bucket = influx_server.new_bucket()
    store = open_store(influx_server.store_url(bucket), influx_server.token)
    store.write([point(n, air_temperature=float(n)) for n in range(5)])
    _raw(influx_server, bucket, f'quality,station=markt,device=kn-1 air_temperature="X" {T0 + 1}')
    (row,) = store.summed(["markt"], "air_temperature", [Run(T0, T0 + 300_000, 300_000)], ("sum",), "XB")
    assert row.values is not None
    assert [one.quality for one in row.values] == ["Z"] * 5


def test_latest_lays_what_is_recent_over_the_scan(influx_server: InfluxServer) -> None:
    bucket = influx_server.new_bucket()
    ours, other = (open_store(influx_server.store_url(bucket), influx_server.token) for _ in range(2))
    now_ms = int(time.time() * 1000)
    other.write([point(0, co2=400.0)._replace(time_ms=now_ms - 7_200_000), point(1)._replace(time_ms=now_ms - 600_000)])
    assert {one.channel: one.value for one in ours.latest()} == {"co2": 400.0, "air_temperature": 21.0}
    ours._latest._took_s = 1e9  # type: ignore[attr-defined]
    new = point(2, battery=3.9)._replace(time_ms=now_ms, quality={"battery": "X range"})
    other.write([new])
    other.delete([PointKey("markt", "kn-1", now_ms - 600_000)])
    assert {one.channel: (one.value, one.quality) for one in ours.latest()} == {
        "co2": (400.0, "S"),
        "battery": (3.9, "X range"),
    }


def test_latest_scans_again_beside_the_answers(influx_server: InfluxServer) -> None:
    bucket = influx_server.new_bucket()
    ours, other = (open_store(influx_server.store_url(bucket), influx_server.token) for _ in range(2))
    other.write([point(0)])
    assert len(ours.latest()) == 1
    other.write([point(0, station="late", co2=400.0)])  # long ago: only a scan can tell
    ours._latest._scanned_s, ours._latest._took_s = time.monotonic() - 10, 0.2  # type: ignore[attr-defined]
    assert {one.station for one in ours.latest()} == {"markt"}, "a slow scan keeps nobody waiting"
    ours._pool.submit(int).result()  # type: ignore[attr-defined]
    scan = ours._latest._scan  # type: ignore[attr-defined]
    if scan is not None:
        scan.result()
    assert {one.station for one in ours.latest()} == {"markt", "late"}


@pytest.mark.parametrize(("age_s", "took_s"), [(1, 0.001), (1800, 600)])
def test_latest_waits_for_a_quick_scan_and_for_one_when_the_last_is_old(
    influx_server: InfluxServer, age_s: float, took_s: float
) -> None:
    bucket = influx_server.new_bucket()
    ours, other = (open_store(influx_server.store_url(bucket), influx_server.token) for _ in range(2))
    other.write([point(0)])
    assert len(ours.latest()) == 1
    other.write([point(0, station="late", co2=400.0)])
    ours._latest._scanned_s, ours._latest._took_s = time.monotonic() - age_s, took_s  # type: ignore[attr-defined]
    assert {one.station for one in ours.latest()} == {"markt", "late"}
