"""`make bench ARGS=latency`: how long from publishing a reading until InfluxDB answers with it, at steady rates.

A sender publishes at the rate with QoS 1; a watcher takes the reading just published, asks InfluxDB for its device's
last count until it is there, and takes the next. The same broker, database and questions for Telegraf, whose flush
interval is set to its shortest useful one.
"""

import json
import statistics
import threading
import time

from tests.bench_backlog import DEVICES, Contender, Rig, Row, _client, message, ours, rig, started, telegraf

RATES = (100, 1_000, 5_000)
SECONDS = 10.0
SETTLE_S = 2.0
TICK_S = 0.02
LATE_S = 30.0


class Sender:
    """Publishes at a rate in a thread; `mark` is (number, when) of the last message published."""

    def __init__(self, rig: Rig, rate: int, first: int) -> None:
        self._client = _client("sender", clean=True)
        self._client.max_inflight_messages_set(5000)
        self._client.max_queued_messages_set(0)
        self._client.connect(rig.broker.host, rig.broker.port)
        self._client.loop_start()
        self._rate, self.next = rate, first
        self._began_s = int(time.time()) - 40 * 86_400
        self.mark: tuple[int, float] = (first - 1, 0.0)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        began, first = time.perf_counter(), self.next
        while not self._over.wait(TICK_S):
            due = first + int((time.perf_counter() - began) * self._rate)
            while self.next < due:
                topic, payload = message(self.next, self._began_s)
                at = time.perf_counter()
                self._client.publish(topic, payload, qos=1)
                self.mark = (self.next, at)
                self.next += 1

    def stop(self) -> int:
        """The number of the next message."""
        self._over.set()
        self._thread.join()
        self._client.disconnect()
        self._client.loop_stop()
        return self.next


def _watch(rig: Rig, bucket: str, sender: Sender) -> list[float]:
    """Seconds of one reading after the other."""
    taken: list[float] = []
    ends = time.perf_counter() + SECONDS
    while time.perf_counter() < ends:
        n, at = sender.mark
        while _last(rig, bucket, f"kn-{n % DEVICES:04d}") < n // DEVICES:
            if time.perf_counter() - at > LATE_S:
                raise SystemExit(f"a reading is not there after {LATE_S:.0f} s")
            time.sleep(0.001)
        taken.append(time.perf_counter() - at)
        time.sleep(0.005)  # so that not only the newest of a batch is looked at
    return taken


def _last(rig: Rig, bucket: str, device: str) -> int:
    fields = {"db": bucket, "q": f'SELECT LAST("seq") FROM "reading" WHERE "device" = \'{device}\''}
    headers = {"Authorization": f"Token {rig.influx.token}"}
    answer = json.loads(rig.http.request("GET", f"{rig.influx.url}/query", fields=fields, headers=headers).data)
    found = answer["results"][0].get("series")
    return int(found[0]["values"][0][1]) if found else -1


def _measured(rig: Rig, one: Contender) -> dict[int, tuple[float, float]]:
    """(median, 99th of 100) milliseconds by rate."""
    found = {}
    first = 0
    with started(rig, one):
        for rate in RATES:
            sender = Sender(rig, rate, first)
            time.sleep(SETTLE_S)
            taken = _watch(rig, one.bucket, sender)
            first = (sender.stop() // DEVICES + 1) * DEVICES
            cut = statistics.quantiles(taken, n=100)
            found[rate] = (1000 * statistics.median(taken), 1000 * cut[98])
    return found


def latency(row: Row) -> None:
    """Ours, and Telegraf's where there is one."""
    with rig() as found:
        if found is None:
            return
        mine = _measured(found, ours(found, 1))
        peer = telegraf(found)
        theirs = _measured(found, peer) if peer else {}
        for rate, (median, most) in mine.items():
            beside = theirs.get(rate, (None, None))
            row(f"publish to queryable at {rate:,}/s: p50", median, "Telegraf", beside[0], "ms")
            row(f"                     {'':{len(f'{rate:,}')}}      p99", most, "Telegraf", beside[1], "ms")
