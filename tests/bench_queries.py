"""The query part of `make bench`: what people ask for, beside the engine that holds it, asked directly.

A real InfluxDB 2.7 with a year of 400 stations, three quantities, a reading every 15 minutes; four stations have a
sensor that fails for three weeks, and elsewhere one value in ten thousand is out of range. The API runs as a process
of its own (uvicorn, loopback). Each question and its raw twin are asked in turn, some rounds, and the best of each is
told: other work on the machine hits both. The twin fetches and parses all that it asks for: InfluxQL's LAST by station;
values and their quality of one station; daily means of every station, in InfluxQL and in Flux. Its means take in what
was flagged, ours leave it out.
"""

import json
import math
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import orjson
import urllib3

from cloud.store import open_store
from cloud.store.model import Point, Store
from tests.servers import InfluxServer, influx_for

STATIONS, DAYS, STEP_MS = 400, 365, 900_000
SQLITE_STATIONS = 40
YEARS = 4  # of one station, for the memory of a long answer
ROUNDS = 5
DAY_MS = 86_400_000
QUANTITIES = ("air_temperature", "relative_humidity", "air_pressure")
Row = Callable[..., None]


class Timed:
    """Seconds of the best round of each of several, taken in turn."""

    def __init__(self, rounds: int, **works: Callable[[], object]) -> None:
        self.best_s = dict.fromkeys(works, math.inf)
        for _ in range(rounds):
            for name, work in works.items():
                began = time.perf_counter()
                work()
                self.best_s[name] = min(self.best_s[name], time.perf_counter() - began)


def name(station: int) -> str:
    return f"s{station:03d}"


def points(station: int, first_ms: int, count: int, seed: int) -> Iterator[Point]:
    """A station's readings; those of the first four stations are out of range for three weeks in summer."""
    rng = random.Random(seed)
    for n in range(count):
        time_ms = first_ms + n * STEP_MS + station * 1000
        failed = rng.random() < 1e-4 or (station < 4 and 200 <= n * STEP_MS / DAY_MS < 221)
        warmth = 150.0 if failed else round(10 + 10 * math.sin(n / 96 * 6.2832) + 3 * rng.random(), 2)
        values = dict(
            zip(QUANTITIES, (warmth, round(40 + 50 * rng.random(), 1), round(990 + 40 * rng.random(), 1)), strict=True)
        )
        quality = FAILED if failed else GOOD
        yield Point(name(station), f"kn-{station:04d}", time_ms, values, quality, 1, n)


GOOD = dict.fromkeys(QUANTITIES, "C")
FAILED = {**GOOD, "air_temperature": "X range"}


def fill(store: Store, stations: int, first_ms: int, days: int) -> None:
    """Week by week, as time goes by."""
    for week in range(0, days, 7):
        count = min(7, days - week) * DAY_MS // STEP_MS
        batch: list[Point] = []
        for station in range(stations):
            batch += points(station, first_ms + week * DAY_MS, count, station * 1000 + week)
            if len(batch) > 20_000:
                store.write(batch)
                batch = []
        store.write(batch)


# -- the raw twin


class Raw:
    """InfluxDB asked without us."""

    def __init__(self, server: InfluxServer) -> None:
        self._server = server
        self._http = urllib3.PoolManager(retries=False)
        self._token = {"Authorization": f"Token {server.token}"}

    def influxql(self, query: str) -> int:
        """Rows fetched and parsed."""
        fields = {"db": self._server.bucket, "q": query, "epoch": "ms"}
        url = f"{self._server.url}/query"
        answer = self._http.request("POST", url, fields=fields, headers=self._token, encode_multipart=False)
        results = orjson.loads(answer.data)["results"]
        assert not any("error" in one for one in results), results
        return sum(len(one["values"]) for result in results for one in result.get("series", []))

    def flux(self, script: str) -> int:
        url = f"{self._server.url}/api/v2/query?org={self._server.org}"
        body = json.dumps({"query": script, "type": "flux", "dialect": {"annotations": [], "header": True}})
        headers = {**self._token, "Content-Type": "application/json"}
        answer = self._http.request("POST", url, body=body.encode(), headers=headers)
        assert answer.status == 200, answer.data
        rows = [line.split(",") for line in answer.data.decode().split("\r\n")]
        return sum(len(row) > 2 for row in rows) - 1


# -- our side


@contextmanager
def serving(store_url: str, token: str, folder: Path, stations: int) -> Iterator[tuple[str, int]]:
    """`klimanetz api` as people run it: (address, pid)."""
    env = {
        **{key: text for key, text in os.environ.items() if not key.startswith("KLIMANETZ_")},
        "KLIMANETZ_STORE": store_url,
        "KLIMANETZ_REGISTRY": f"sqlite:///{folder}/registry.db",
        "KLIMANETZ_HTTP_LISTEN": "127.0.0.1:0",
    }
    klimanetz = [sys.executable, "-m", "klimanetz"]
    if token:
        env["KLIMANETZ_INFLUX_TOKEN"] = token
    listed = "".join(f"{name(n)},Station {n},51.48,11.97\n" for n in range(stations))
    (folder / "stations.csv").write_text("station,name,latitude,longitude\n" + listed)
    subprocess.run(
        [*klimanetz, "stations", "import", str(folder / "stations.csv")], env=env, check=True, capture_output=True
    )
    root = Path(__file__).parent.parent
    process = subprocess.Popen([*klimanetz, "api"], env=env, cwd=root, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        line = process.stderr.readline()
        yield line.split("api: ", 1)[1].strip(), process.pid
    finally:
        process.terminate()
        process.wait(20)


def rss_mb(pid: int) -> float:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


class Client:
    """One client with one connection."""

    def __init__(self, url: str) -> None:
        self._url, self._http = url, urllib3.PoolManager(retries=False)

    def get(self, path: str, parse: bool = True) -> bytes:
        answer = self._http.request("GET", self._url + path)
        assert answer.status == 200, answer.data[:300]
        if parse:
            orjson.loads(answer.data)
        return answer.data

    def first_byte_s(self, path: str) -> float:
        began = time.perf_counter()
        answer = self._http.request("GET", self._url + path, preload_content=False)
        answer.read(1)
        took = time.perf_counter() - began
        answer.drain_conn()
        return took

    def peak_mb(self, path: str, pid: int) -> tuple[float, float, int]:
        """(memory of the server before, most while it streams, bytes)."""
        before, most, size = rss_mb(pid), 0.0, 0
        answer = self._http.request("GET", self._url + path, preload_content=False)
        for piece in answer.stream(1 << 16):
            size += len(piece)
            most = max(most, rss_mb(pid))
        return before, most, size


def settle(pid: int) -> None:
    """Until the database has put its files in order, two minutes at most: that is work of writing, not of asking."""
    for _ in range(60):
        before_s = cpu_s(pid)
        time.sleep(2.0)
        if cpu_s(pid) - before_s < 0.2:
            return


def cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def ms_row(row: Row, what: str, ours_s: float, peer: str, theirs_s: float | None) -> None:
    row(what, ours_s * 1000, peer, theirs_s and theirs_s * 1000, "ms")


def queries(row: Row) -> None:
    """On InfluxDB, then on SQLite."""
    with influx_for("queries") as server, tempfile.TemporaryDirectory() as folder:
        if server is None:
            return
        end_ms = int(time.time() * 1000) // STEP_MS * STEP_MS
        store = open_store(server.store_url(), server.token)
        fill(store, STATIONS, end_ms - DAYS * DAY_MS, DAYS)
        for year in range(1, YEARS):  # one station has a longer past
            past_ms = end_ms - DAYS * DAY_MS * (year + 1)
            store.write(list(points(7, past_ms, DAYS * DAY_MS // STEP_MS, year)))
        settle(server.process.pid)
        print(f"queries: load of this machine {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
        with serving(server.store_url(), server.token, Path(folder), STATIONS) as (url, pid):
            of_influx(row, server, Client(url), pid, end_ms)
    of_sqlite(row)


def of_influx(row: Row, server: InfluxServer, client: Client, pid: int, end_ms: int) -> None:
    raw, start_ms = Raw(server), end_ms - DAYS * DAY_MS
    latest(row, server, client, raw)
    window = f"time >= {start_ms}ms AND time < {end_ms}ms"
    year = f"from={text_of(start_ms)}&to={text_of(end_ms)}"
    one = f"/v1/stations/{name(7)}/series/air_temperature?{year}"
    where = f"\"station\" = '{name(7)}' AND {window}"
    both = ";".join(f'SELECT "air_temperature", "device" FROM "{m}" WHERE {where}' for m in ("reading", "quality"))
    t = Timed(
        ROUNDS,
        json=lambda: client.get(one),
        csv=lambda: [line.split(b",") for line in client.get(one + "&format=csv", False).split(b"\r\n")],
        raw=lambda: raw.influxql(both),
        values=lambda: raw.influxql(both.split(";")[0]),
    ).best_s
    ms_row(row, "series: a station-year, JSON", t["json"], "InfluxQL, values and quality", t["raw"])
    ms_row(row, "series: a station-year, CSV", t["csv"], "InfluxQL, values and quality", t["raw"])
    ms_row(row, "  beside the values alone", t["json"], "InfluxQL, values", t["values"])
    ms_row(row, "  first byte", min(client.first_byte_s(one) for _ in range(ROUNDS)), "", None)
    since = text_of(start_ms - (YEARS - 1) * DAYS * DAY_MS)
    past = f"/v1/stations/{name(7)}/series/air_temperature?from={since}&to={text_of(end_ms)}"
    client.peak_mb(one, pid)
    before, most, size = client.peak_mb(past, pid)
    print(
        f"{f'  memory while {YEARS} years are streamed':44} {most - before:>12.1f} MB more, of {size / 1e6:.0f} MB sent"
    )
    daily(row, server, client, raw, (start_ms, end_ms))


def latest(row: Row, server: InfluxServer, client: Client, raw: Raw) -> None:
    last = ", ".join(f'LAST("{one}")' for one in QUANTITIES)
    asked = f'SELECT {last} FROM "reading" GROUP BY "station"'
    one = 'SELECT LAST("air_temperature") FROM "reading" GROUP BY "station"'
    store = open_store(server.store_url(), server.token)

    def first() -> None:
        open_store(server.store_url(), server.token).latest()

    t = Timed(
        ROUNDS, first=first, next=store.latest, raw=lambda: raw.influxql(asked), one=lambda: raw.influxql(one)
    ).best_s
    ms_row(row, "latest of 400 stations, store, first time", t["first"], "InfluxQL LAST, 3 fields", t["raw"])
    ms_row(row, "  the next times", t["next"], "InfluxQL LAST, 1 field", t["one"])
    took = []
    for _ in range(200):
        began = time.perf_counter()
        client.get("/v1/latest", parse=False)
        took.append(time.perf_counter() - began)
    ms_row(row, "  /v1/latest, p95", sorted(took)[int(len(took) * 0.95)], "", None)


def daily(row: Row, server: InfluxServer, client: Client, raw: Raw, window: tuple[int, int]) -> None:
    """A year of daily means of all stations, by Berlin's days."""
    start, end = window
    influxql = (
        f'SELECT MEAN("air_temperature") FROM "reading" WHERE time >= {start}ms AND time < {end}ms '
        "GROUP BY time(1d), \"station\" fill(none) tz('Europe/Berlin')"
    )
    flux = (
        'import "timezone"\noption location = timezone.location(name: "Europe/Berlin")\n'
        f'from(bucket: "{server.bucket}") |> range(start: time(v: {start}000000), stop: time(v: {end}000000)) '
        '|> filter(fn: (r) => r._measurement == "reading" and r._field == "air_temperature") '
        "|> aggregateWindow(every: 1d, fn: mean, createEmpty: false) "
        '|> keep(columns: ["station", "_time", "_value"])'
    )
    path = f"/v1/series/air_temperature?every=P1D&from={text_of(start)}&to={text_of(end)}"
    t = Timed(
        ROUNDS,
        ours=lambda: client.get(path),
        influxql=lambda: raw.influxql(influxql),
        flux=lambda: raw.flux(flux),
    ).best_s
    ms_row(row, "daily means of 400 stations, a year", t["ours"], "InfluxQL", t["influxql"])
    ms_row(row, "  beside", t["ours"], "Flux", t["flux"])


def of_sqlite(row: Row) -> None:
    """The embedded store beside SQL on the same file."""
    import sqlite3

    with tempfile.TemporaryDirectory() as text:
        folder, end_ms = Path(text), int(time.time() * 1000) // STEP_MS * STEP_MS
        start_ms = end_ms - DAYS * DAY_MS
        store = open_store(f"sqlite:///{folder}/series.db")
        fill(store, SQLITE_STATIONS, start_ms, DAYS)
        db = sqlite3.connect(folder / "series.db")
        one = f"/v1/stations/{name(7)}/series/air_temperature?from={text_of(start_ms)}&to={text_of(end_ms)}"
        many = f"/v1/series/air_temperature?every=P1D&from={text_of(start_ms)}&to={text_of(end_ms)}"
        values = (
            "SELECT v.time_ms, v.value, v.quality, d.name FROM value v JOIN device d ON d.id = v.device "
            "WHERE v.series = (SELECT id FROM series WHERE station = ? AND channel = 'air_temperature') "
            "AND time_ms >= ? AND time_ms < ?"
        )
        means = (
            "SELECT s.station, v.time_ms / 86400000, avg(value), count(*) FROM value v "
            "JOIN series s ON s.id = v.series WHERE s.channel = 'air_temperature' AND time_ms >= ? AND time_ms < ? "
            "AND substr(quality, 1, 1) NOT IN ('X', 'B') GROUP BY 1, 2"
        )
        with serving(f"sqlite:///{folder}/series.db", "", folder, SQLITE_STATIONS) as (url, _):
            client = Client(url)
            t = Timed(
                ROUNDS,
                latest=store.latest,
                year=lambda: client.get(one),
                raw=lambda: db.execute(values, (name(7), start_ms, end_ms)).fetchall(),
                daily=lambda: client.get(many),
                means=lambda: db.execute(means, (start_ms, end_ms)).fetchall(),
            ).best_s
        ms_row(row, f"SQLite: latest of {SQLITE_STATIONS} stations", t["latest"], "", None)
        ms_row(row, "SQLite: a station-year, JSON", t["year"], "SQL, the same rows", t["raw"])
        ms_row(row, f"SQLite: daily means of {SQLITE_STATIONS}, a year", t["daily"], "SQL, UTC days", t["means"])


def text_of(time_ms: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time_ms // 1000))
