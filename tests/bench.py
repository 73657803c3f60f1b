"""`make bench`: our figures beside another tool's or the raw engine's, in one run. Ratios are what counts.

What needs Node, Cargo, Mosquitto or InfluxDB says so and is left out where they are missing. Parts may be named:
`make bench ARGS='lorawan gateway'`.
"""

import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from cloud.ingest.message import Message
from cloud.store import open_store
from cloud.store.model import Point, Store
from schemas.wire import WireReading, encode
from tests import bench_backlog, bench_latency, bench_profile, bench_queries, bench_radio
from tests.bench_radio import rate
from tests.cloud import ingest_parts
from tests.servers import influx_for

READINGS = 20_000
STEP_MS = 900_000


def row(what: str, ours: float, peer: str, theirs: float | None, unit: str) -> None:
    ratio = f"{ours / theirs:8.2f} ×" if theirs else f"{'':10}"
    beside = f"{theirs:>12,.0f}  {peer}" if theirs else f"{'':12}  {peer and peer + ': not here'}"
    print(f"{what:44} {ours:>12,.0f} {unit:12} {ratio}  {beside}".rstrip(), flush=True)


def wire() -> None:
    """Encode, and bytes beside Cayenne LPP."""
    values = {"air_temperature": 3.42, "relative_humidity": 81.5, "air_pressure": 1009.8, "battery": 3.91}
    two = [WireReading(1, n, 1_795_342_500 + 900 * n, None, "ntp", 0.5, values, ()) for n in (4711, 4710)]
    size = len(encode(two, 24)[0])
    row("wire: encode a frame of two readings", rate(5000, lambda: [encode(two, 24) for _ in range(5000)]), "", None,
        "frames/s")  # fmt: skip
    lpp = 4 + 3 + 4 + 4  # temperature, humidity, barometer, analogue input: channel and type byte and value each
    print(f"{'wire: bytes of 4 values, identity, time, status':44} {size:>12} bytes, with the whole previous reading")
    print(f"{'      Cayenne LPP: the same 4 values alone':44} {lpp:>12} bytes")


def ingest(name: str, url: str, token: str | None, raw_url: str | None = None) -> None:
    """Captured messages to the store, one thread; beside it the store alone with the same points."""
    with tempfile.TemporaryDirectory() as folder:
        store = open_store(url or f"sqlite:///{folder}/series.db", token)
        parts = ingest_parts.make(Path(folder), store)
        began_ms = ingest_parts.NOW_MS - READINGS * STEP_MS
        messages = [_message(seq, began_ms + seq * STEP_MS) for seq in range(READINGS)]
        batches = [messages[n : n + 2000] for n in range(0, READINGS, 2000)]
        ours = rate(READINGS, lambda: [parts.take(*batch) for batch in batches])
        bare = open_store(raw_url or f"sqlite:///{folder}/bare.db", token)
        row(f"ingest into {name}", ours, f"{name} alone, same points", rate(READINGS, lambda: _write(bare, began_ms)),
            "readings/s")  # fmt: skip


def _message(seq: int, time_ms: int) -> Message:
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time_ms // 1000))
    values = {"air_temperature": 3.42, "relative_humidity": 81.5, "air_pressure": 1009.8}
    body = {"device": "kn-1", "generation": 1, "seq": seq, "time": at, "values": values}
    return Message("klimanetz/v1/up/kn-1", json.dumps(body).encode(), ingest_parts.NOW_MS)


def _write(store: Store, began_ms: int) -> None:
    values = {"air_temperature": 3.42, "relative_humidity": 81.5, "air_pressure": 1009.8}
    quality = dict.fromkeys(values, "C")
    for first in range(0, READINGS, 2000):
        seqs = range(first, first + 2000)
        store.write([Point("marktplatz", "kn-1", began_ms + n * STEP_MS, values, quality, 1, n) for n in seqs])


def influx() -> None:
    with influx_for("ingest into InfluxDB") as server:
        if server is not None:
            urls = [server.store_url(server.new_bucket()) for _ in range(2)]
            ingest("InfluxDB", urls[0], server.token, urls[1])


PARTS: dict[str, Callable[[], None]] = {
    "lorawan": lambda: bench_radio.lorawan(row),
    "gateway": lambda: bench_radio.gateway(row),
    "wire": wire,
    "sqlite": lambda: ingest("SQLite", "", None),
    "influx": influx,
    "backlog": lambda: bench_backlog.backlog(row),
    "profile": lambda: bench_profile.profile(row),
    "latency": lambda: bench_latency.latency(row),
    "queries": lambda: bench_queries.queries(row),
}


def main(wanted: list[str]) -> None:
    """All parts, or those that are named."""
    unknown = sorted(set(wanted) - set(PARTS))
    if unknown:
        sys.exit(f"make bench: there is no part '{unknown[0]}': one of {', '.join(PARTS)}")
    print(f"{'':44} {'klimanetz':>12} {'':12} {'ratio':>10}  {'other':>12}")
    for part in wanted or PARTS:
        PARTS[part]()


if __name__ == "__main__":
    main(sys.argv[1:])
