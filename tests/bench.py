"""`make bench`: our figures beside another tool's or the raw engine's, in one run. Ratios are what counts.

What needs Node, Mosquitto or InfluxDB says so and is left out where they are missing.
"""

import json
import os
import random
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from cloud.ingest.message import Message
from cloud.store import open_store
from cloud.store.model import Point, Store
from edge.lorawan import frames, security, server
from edge.lorawan.session import Session
from gateway.lorawan.aes import aes
from schemas.wire import WireReading, encode
from tests.cloud import ingest_parts

FRAMES = 20_000
READINGS = 20_000
STEP_MS = 900_000


def rate(count: int, work: Callable[[], object]) -> float:
    """How many a second."""
    began = time.perf_counter()
    work()
    return count / (time.perf_counter() - began)


def row(what: str, ours: float, peer: str, theirs: float | None, unit: str) -> None:
    ratio = f"{ours / theirs:5.2f} ×" if theirs else "      "
    beside = f"{theirs:>12,.0f} {unit}  {peer}" if theirs else f"{'—':>12} {peer}"
    print(f"{what:44} {ours:>12,.0f} {unit}   {ratio}  {beside}")


def lorawan() -> None:
    """Verify and decrypt uplinks, one core."""
    chance = random.Random(1)
    nwk, app = chance.randbytes(16), chance.randbytes(16)
    phys = [_uplink(nwk, app, fcnt, chance.randbytes(24)) for fcnt in range(FRAMES)]
    session = Session(0x49BE7DF1, nwk, app)

    def open_all() -> None:
        now = session
        for phy in phys:
            now = server.open_uplink(aes, now, frames.parse(phy)).session

    ours = rate(FRAMES, open_all)
    row("LoRaWAN: verify and decrypt", ours, "lora-packet (npm)", _lora_packet(phys[:5000], nwk, app), "frames/s")


def _uplink(nwk: bytes, app: bytes, fcnt: int, payload: bytes) -> bytes:
    body = frames.build_data(
        frames.UNCONFIRMED_UP, 0x49BE7DF1, fcnt & 0xFFFF, b"", 1,
        security.crypt_payload(aes(app), security.UP, 0x49BE7DF1, fcnt, payload),
    )  # fmt: skip
    return bytes(body + security.data_mic(aes(nwk), security.UP, 0x49BE7DF1, fcnt, body))


def _lora_packet(phys: list[bytes], nwk: bytes, app: bytes) -> float | None:
    if shutil.which("npm") is None:
        return None
    from tests import oracles

    script = Path(__file__).parent / "oracles" / "lora-packet" / "bench.js"
    body = "".join(f"{phy.hex()}\n" for phy in phys)
    done = subprocess.run(
        ["node", str(script), nwk.hex(), app.hex()],
        cwd=oracles._install_lora_packet(), input=body, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return float(done.stdout)


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


def main() -> None:
    print(f"{'':44} {'klimanetz':>12}")
    lorawan()
    wire()
    ingest("SQLite", "", None)
    binary = os.environ.get("INFLUXD") or shutil.which("influxd")
    if binary is None:
        print("ingest into InfluxDB: left out, no influxd on PATH and none in $INFLUXD")
        return
    from tests.servers import start_influxd

    with tempfile.TemporaryDirectory() as folder:
        server_ = start_influxd(binary, Path(folder))
        try:
            urls = [server_.store_url(server_.new_bucket()) for _ in range(2)]
            ingest("InfluxDB", urls[0], server_.token, urls[1])
        finally:
            server_.stop()


if __name__ == "__main__":
    main()
