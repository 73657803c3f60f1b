"""`make bench ARGS=backlog`: `klimanetz ingest` beside Telegraf, with the same messages, broker and database.

Every contender has a persistent session on one real Mosquitto before the messages are published, once, with QoS 1; so
each finds the same backlog. One after the other is started as the process that people run. The clock runs from the
broker's CONNACK, so that no program is charged for its start, until the InfluxDB that all share has every reading in
the contender's own bucket; the count is asked of InfluxDB in the same way for all.
"""

import json
import os
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

import paho.mqtt.client as paho
import urllib3

from tests.brokers import Broker
from tests.servers import InfluxServer

MESSAGES, DEVICES = 60_000, 400
STEP_S = 900
GIVE_UP_S = 120.0
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
    values = {
        "air_temperature": round(10 + (n * 37 % 1500) / 100, 2),
        "relative_humidity": round(40 + (n * 13 % 500) / 10, 1),
        "air_pressure": round(1000 + (n * 7 % 300) / 10, 1),
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


def race(rig: Rig, name: str, command: list[str], env: dict[str, str], bucket: str, ids: list[str], want: int) -> float:
    """Readings a second of one contender, from the first CONNECT to the last reading stored."""
    log = rig.folder / "mosquitto.log"
    skip = log.stat().st_size
    out = (rig.folder / f"{name}.log").open("wb")
    process = subprocess.Popen(command, env=env, cwd=rig.folder, stdout=out, stderr=out)
    try:
        began, idle, deadline = 0.0, {}, time.monotonic() + GIVE_UP_S
        while not began and time.monotonic() < deadline:
            with log.open("rb") as file:
                file.seek(skip)
                text = file.read()
            if any(f"Sending CONNACK to {one} ".encode() in text for one in ids):
                began, idle = time.perf_counter(), family(process.pid)
            time.sleep(0.005)
        while not rig.has(bucket, want):
            if time.monotonic() > deadline or process.poll() is not None:
                raise SystemExit(f"{name}: {rig.stored(bucket)} of {want} stored; see {rig.folder}")
            time.sleep(0.02)
        took = time.perf_counter() - began
        print(
            "   cpu of processes, us per message:",
            {k: round(1e6 * (v - idle.get(k, 0)) / want, 1) for k, v in family(process.pid).items()},
        )
        return want / took
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)


def family(pid: int) -> dict[int, float]:
    """CPU seconds of a process and its children."""
    found = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rsplit(") ", 1)[1].split()
        except OSError:
            continue
        one = int(stat.parent.name)
        if one == pid or int(fields[1]) == pid:
            found[one] = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return found


def telegraf_binary() -> str | None:
    return os.environ.get("TELEGRAF") or shutil.which("telegraf")
