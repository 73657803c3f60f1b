"""`make bench ARGS=backlog`: `klimanetz ingest` beside Telegraf, with the same messages, broker and database.

Every contender has a persistent session on one real Mosquitto before the messages are published, once, with QoS 1; so
each finds the same backlog. One after the other is started as the process that people run. The clock runs from the
broker's CONNACK, so that no program is charged for its start, until the InfluxDB that all share has every reading in
the contender's own bucket; the count is asked of InfluxDB in the same way for all.
"""

import json
import math
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import paho.mqtt.client as paho
import urllib3

from cloud.ingest.service import SUBSCRIBED
from cloud.registry import imports
from cloud.registry.registry import Registry, open_registry
from tests.brokers import Broker, start_mosquitto
from tests.servers import InfluxServer, find_influxd, start_influxd

MESSAGES, DEVICES = 60_000, 400
STEP_S = 900
GIVE_UP_S = 120.0
ROUNDS = 2
Row = Callable[..., None]
TOPICS = "klimanetz/v1/up/+"
BROKER_CONFIG = "max_inflight_messages 2000\nmax_queued_bytes 4294967296\nlog_type all\nlog_timestamp false\n"
TELEGRAF = """
[agent]
  interval = "1s"
  flush_interval = "200ms"
  flush_jitter = "0s"
  metric_batch_size = 5000
  metric_buffer_limit = 200000
  omit_hostname = true
[[inputs.mqtt_consumer]]
  servers = ["tcp://127.0.0.1:{port}"]
  topics = ["klimanetz/v1/up/+"]
  topic_tag = ""
  qos = 1
  client_id = "telegraf"
  persistent_session = true
  max_undelivered_messages = 20000
  data_format = "json_v2"
  [[inputs.mqtt_consumer.json_v2]]
    measurement_name = "reading"
    timestamp_path = "time"
    timestamp_format = "2006-01-02T15:04:05Z07:00"
    [[inputs.mqtt_consumer.json_v2.tag]]
      path = "device"
    [[inputs.mqtt_consumer.json_v2.field]]
      path = "generation"
      type = "int"
    [[inputs.mqtt_consumer.json_v2.field]]
      path = "seq"
      type = "int"
    [[inputs.mqtt_consumer.json_v2.object]]
      path = "values"
      disable_prepend_keys = true
[[outputs.influxdb_v2]]
  urls = ["{url}"]
  token = "{token}"
  organization = "{org}"
  bucket = "{bucket}"
"""


@dataclass
class Rig:
    """One broker, one database, one backlog for each contender."""

    folder: Path
    broker: Broker
    influx: InfluxServer
    http: urllib3.PoolManager = field(default_factory=urllib3.PoolManager)

    def reserve(self, client_id: str, topics: list[str]) -> None:
        """A session that collects what is published from now on."""
        client = _client(client_id, clean=False)
        client.connect(self.broker.host, self.broker.port)
        heard: list[int] = []
        client.on_subscribe = lambda *_: heard.append(1)
        for topic in topics:
            client.subscribe(topic, qos=1)
        while len(heard) < len(topics):
            client.loop(1.0)
        client.disconnect()

    def stored(self, bucket: str, device: str | None = None) -> int:
        """Readings in a bucket, of one device or of all, which is dearer."""
        where = f" WHERE \"device\" = '{device}'" if device else ""
        fields = {"db": bucket, "q": f'SELECT COUNT("air_temperature") FROM "reading"{where}'}
        answer = self.http.request(
            "GET", f"{self.influx.url}/query", fields=fields, headers={"Authorization": f"Token {self.influx.token}"}
        )
        found = json.loads(answer.data)["results"][0].get("series")
        return int(found[0]["values"][0][1]) if found else 0

    def has(self, bucket: str, want: int) -> bool:
        """Whether all are stored; the last device's are asked for first, so that asking costs the contenders little."""
        last = f"kn-{(want - 1) % DEVICES:04d}"
        return self.stored(bucket, last) >= want // DEVICES and self.stored(bucket) >= want


def _client(client_id: str, clean: bool) -> paho.Client:
    return paho.Client(paho.CallbackAPIVersion.VERSION2, client_id, clean_session=clean)


def message(n: int, began_s: int) -> tuple[str, bytes]:
    """The n-th of the backlog: topic and payload."""
    device, seq = f"kn-{n % DEVICES:04d}", n // DEVICES
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(began_s + seq * STEP_S))
    day = math.sin(math.tau * seq * STEP_S / 86_400)  # a day's course, and each station a little apart
    values = {
        "air_temperature": round(12 + 6 * day + n * 37 % 150 / 100, 2),
        "relative_humidity": round(65 - 20 * day + n * 13 % 50 / 10, 1),
        "air_pressure": round(1000 + 3 * day + n * 7 % 30 / 10, 1),
    }
    body = {"device": device, "generation": 1, "seq": seq, "time": at, "time_source": "ntp", "values": values}
    return f"klimanetz/v1/up/{device}", json.dumps(body).encode()


def publish(rig: Rig, messages: int) -> float:
    """Messages a second that the broker took with QoS 1."""
    client = _client("publisher", clean=True)
    client.max_inflight_messages_set(1000)
    client.max_queued_messages_set(0)
    client.connect(rig.broker.host, rig.broker.port)
    client.loop_start()
    began, began_s = time.perf_counter(), int(time.time()) - (messages // DEVICES + 1) * STEP_S
    last = None
    for n in range(messages):
        last = client.publish(*message(n, began_s), qos=1)
    assert last is not None
    while not last.is_published():
        last.wait_for_publish(1.0)
    rate = messages / (time.perf_counter() - began)
    client.disconnect()
    client.loop_stop()
    return rate


@dataclass(frozen=True)
class Contender:
    """A command, its environment, and the client id whose CONNACK starts the clock."""

    name: str
    client_id: str
    command: list[str]
    env: dict[str, str]
    bucket: str


@dataclass(frozen=True)
class Outcome:
    """Readings a second, and the CPU microseconds that one cost: the contender's, broker's and database's."""

    rate: float
    own_us: float
    broker_us: float
    database_us: float


def race(rig: Rig, one: Contender, want: int) -> Outcome:
    """From the CONNACK to the last reading stored."""
    log = rig.folder / "mosquitto.log"
    skip = log.stat().st_size
    with started(rig, one) as process:
        deadline = time.monotonic() + GIVE_UP_S
        mark = f"Sending CONNACK to {one.client_id} ".encode()
        while mark not in _behind(log, skip):
            if time.monotonic() > deadline or process.poll() is not None:
                raise SystemExit(f"{one.name} did not connect; see {rig.folder}")
            time.sleep(0.002)
        began = time.perf_counter()
        used = _used(rig, process.pid)
        while not rig.has(one.bucket, want):
            if time.monotonic() > deadline or process.poll() is not None:
                raise SystemExit(f"{one.name}: {rig.stored(one.bucket)} of {want} stored; see {rig.folder}")
            time.sleep(0.02)
        took = time.perf_counter() - began
        costs = [1e6 * (after - before) / want for before, after in zip(used, _used(rig, process.pid), strict=True)]
        return Outcome(want / took, *costs)


@contextmanager
def started(rig: Rig, one: Contender) -> Iterator[subprocess.Popen[bytes]]:
    """The contender as a process, ended in the end."""
    with (rig.folder / f"{one.name.replace(' ', '-')}.log").open("wb") as out:
        process = subprocess.Popen(one.command, env=one.env, cwd=rig.folder, stdout=out, stderr=out)
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _behind(log: Path, skip: int) -> bytes:
    with log.open("rb") as file:
        file.seek(skip)
        return file.read()


def _used(rig: Rig, pid: int) -> tuple[float, float, float]:
    broker = rig.broker.pid
    return _cpu_s(pid), _cpu_s(broker), _cpu_s(rig.influx.process.pid)


def _cpu_s(pid: int) -> float:
    """CPU seconds of a process and its children; 0 where there is no /proc."""
    ticks = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rsplit(") ", 1)[1].split()
        except OSError:
            continue
        if pid in (int(stat.parent.name), int(fields[1])):
            ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def telegraf(rig: Rig) -> Contender | None:
    binary = os.environ.get("TELEGRAF") or shutil.which("telegraf")
    if binary is None:
        return None
    bucket, conf = rig.influx.new_bucket(), rig.folder / "telegraf.conf"
    names = {"url": rig.influx.url, "token": rig.influx.token, "org": rig.influx.org, "bucket": bucket}
    conf.write_text(TELEGRAF.format(port=rig.broker.port, **names))
    rig.reserve("telegraf", [TOPICS])
    return Contender("Telegraf", "telegraf", [binary, "--config", str(conf)], dict(os.environ), bucket)


def ours(rig: Rig, workers: int) -> Contender:
    """`klimanetz ingest` with a registry of all devices."""
    instance, bucket = f"ingest-{workers}", rig.influx.new_bucket()
    folder = rig.folder / instance
    folder.mkdir()
    env = {
        **os.environ, "KLIMANETZ_MQTT_URL": f"mqtt://127.0.0.1:{rig.broker.port}", "KLIMANETZ_SPOOL": str(folder),
        "KLIMANETZ_STORE": rig.influx.store_url(bucket), "KLIMANETZ_INFLUX_TOKEN": rig.influx.token,
        "KLIMANETZ_REGISTRY": f"sqlite:///{folder}/registry.db", "KLIMANETZ_INSTANCE": instance,
    }  # fmt: skip
    register(open_registry(env["KLIMANETZ_REGISTRY"], lambda: 0))
    rig.reserve(instance, list(SUBSCRIBED))
    command = [sys.executable, "-m", "klimanetz", "ingest", "--workers", str(workers)]
    return Contender(f"ingest, {workers} worker{'s' * (workers > 1)}", instance, command, env, bucket)


def register(registry: Registry) -> None:
    names = range(DEVICES)
    stations = "station,name,latitude,longitude\n" + "".join(f"s-{n:04d},S,51.48,11.97\n" for n in names)
    devices = "device,station,activation\n" + "".join(f"kn-{n:04d},s-{n:04d},mqtt\n" for n in names)
    imports.import_stations(registry, stations.encode())
    imports.import_devices(registry, devices.encode())


@contextmanager
def rig() -> Iterator[Rig | None]:
    """None, and said, where the parts are missing."""
    influxd = find_influxd()
    mosquitto = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if influxd is None or mosquitto is None:
        print("backlog: left out, it needs mosquitto and influxd on PATH (or $INFLUXD)")
        yield None
        return
    with tempfile.TemporaryDirectory() as folder:
        broker = start_mosquitto(mosquitto, Path(folder), BROKER_CONFIG)
        influx = start_influxd(influxd, Path(folder))
        try:
            yield Rig(Path(folder), broker, influx)
        finally:
            broker.stop()
            influx.stop()


def backlog(row: Row) -> None:
    """One after the other, twice, each time with a backlog of its own; the better of each is told."""
    with rig() as found:
        if found is None:
            return
        best: dict[str, Outcome] = {}
        for _ in range(ROUNDS):
            contenders = [one for one in (telegraf(found), ours(found, 1), ours(found, 2)) if one is not None]
            publish(found, MESSAGES)
            for one in contenders:
                came_to = race(found, one, MESSAGES)
                if one.name not in best or came_to.rate > best[one.name].rate:
                    best[one.name] = came_to
            for part in ("ingest-1", "ingest-2"):
                shutil.rmtree(found.folder / part)
        peer = best.get("Telegraf")
        for name, came_to in best.items():
            if name != "Telegraf":
                row(f"a backlog of {MESSAGES:,}: {name}", came_to.rate, "Telegraf", peer and peer.rate, "readings/s")
        for name, came_to in best.items():
            print(
                f"      CPU of a reading, µs: {name:18} {came_to.own_us:5.1f}   Mosquitto {came_to.broker_us:4.1f}   "
                f"InfluxDB {came_to.database_us:5.1f}"
            )
