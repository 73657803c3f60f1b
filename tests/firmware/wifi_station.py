# ruff: noqa: E402, C419
"""A station for the tests of Wi-Fi and MQTT: carrier and broker are real, the desk keeps its outbox in a list.

Runs under MicroPython on the simulated chip. What it is to do stands in `chip["plan"]`, what it holds in `station.json`
beside it; it prints one JSON object a session.
"""

import gc

gc.threshold(4096)  # importing leaves garbage between what stays; without this no 2 KiB in one piece are left

import json
import os

from machine import RTC, WDT, deepsleep

from firmware.device.mqtt import Carrier
from schemas.wire import WireReading
from schemas.wire_down import DownCommand
from simulators.board import timeline

WATCHDOG_MS = 15000  # a name server that does not answer blocks for 10 s
plan = timeline.chip["plan"]
PATH = timeline.folder + "/station.json"


def load():
    try:
        with open(PATH) as file:
            return json.load(file)
    except OSError:
        return {"next": 0, "waiting": []}


def save():
    with open(PATH + ".new", "w") as file:
        json.dump(held, file)
    os.rename(PATH + ".new", PATH)


class Files:
    def read(self, name):
        with open(timeline.folder + "/" + name, "rb") as file:
            return file.read()


class Board:
    rtc_ppm = plan.get("rtc_ppm", 20)
    files = Files()
    dog = WDT(timeout=WATCHDOG_MS)

    def feed(self):
        self.dog.feed()


class Status:
    firmware, config, uptime_s, boots, reset = "0.1.0", 4711, 60, 1, "power"
    waiting, forgotten, free_heap, battery = 3, 0, 90000, 3.9
    faults = [("air", "crc")]
    answer = None


class Ranges:
    """Whole numbers as [[first, last], …], rising; a list of them all would fill the heap."""

    def __init__(self, ranges):
        self.ranges = ranges

    def __len__(self):
        return sum([last - first + 1 for first, last in self.ranges])

    def newest(self):
        for first, last in reversed(self.ranges):
            while last >= first:
                yield last
                last -= 1

    def has(self, n):
        return any([first <= n <= last for first, last in self.ranges])

    def add(self, first, last):
        for n in range(first, last + 1):
            if not self.has(n):
                self.take(n, n)
                self.ranges.append([n, n])
        self.ranges.sort()
        i = 1
        while i < len(self.ranges):
            if self.ranges[i - 1][1] + 1 == self.ranges[i][0]:
                self.ranges[i - 1][1] = self.ranges.pop(i)[1]
            else:
                i += 1

    def take(self, low, high):
        left = []
        for first, last in self.ranges:
            if first < low:
                left.append([first, min(last, low - 1)])
            if last > high:
                left.append([max(first, high + 1), last])
        self.ranges[:] = left


class Desk:
    """Newest first; what was captured is not offered again in this session, what is stored never."""

    def __init__(self):
        self.told = {"faults": [], "commands": [], "synced": []}
        self.status_due = plan.get("status", False)
        self.captured = Ranges([])

    def now_ms(self):
        return timeline.true_us // 1000 - plan["start_ms"]

    def newest(self, limit):
        return self._readings(limit, False)

    def backlog(self, limit):
        return self._readings(limit, True)

    def _readings(self, limit, again):
        found = []
        for seq in waiting.newest():
            if len(found) == limit:
                break
            if not (again and self.captured.has(seq)):
                found.append(reading(seq))
        return found

    def sent(self, readings):
        for one in readings:
            self.captured.add(one.seq, one.seq)

    def acked(self, ranges):
        for generation, first, last in ranges:
            assert generation == 1
            waiting.take(first, last)

    def command(self, command):
        assert isinstance(command, DownCommand)
        self.told["commands"].append(list(command))
        self.status_due = True
        Status.answer = (command.reference, True, "done")

    def synced(self, utc_ms, source, uncertainty_s, at_ms):
        self.told["synced"].append([source, utc_ms - (at_ms + plan["start_ms"]), uncertainty_s])
        return plan.get("says", "agrees")

    def status(self):
        return Status if self.status_due else None

    def status_sent(self):
        self.status_due = False
        self.told["status_sent"] = True

    def fault(self, code, detail):
        self.told["faults"].append([code, detail])


def reading(seq):
    values = {
        "air_temperature": (seq * 37 % 400 - 100) / 10,
        "relative_humidity": 50 + seq % 40,
        "air_pressure": 1000 + seq % 30 / 10,
        "pm2_5": seq % 25 / 10,
        "battery": 3.9,
    }
    if seq in plan.get("rotten", ()):
        values = {"air_temperature": float("nan")}
    return WireReading(1, seq, 1767225600 + seq * 60, None, "ntp", 0.5, values, 0)


def measure(n):
    if n:
        waiting.add(held["next"], held["next"])
        waiting.ranges[-1][1] += n - 1
        held["next"] += n


def session(carrier):
    desk = Desk()
    gc.collect()
    before, start_ms = gc.mem_free(), desk.now_ms()
    reached = carrier.exchange(desk)
    took_ms = desk.now_ms() - start_ms
    captured = len(desk.captured)
    told = desk.told
    told.update({"reached": reached, "captured": captured, "took_ms": took_ms, "waiting": len(waiting)})
    desk = None
    gc.collect()
    told["free"] = gc.mem_free()
    told["grown"] = before - told["free"]
    save()
    print(json.dumps(told))


def main():
    kept = json.loads(RTC().memory() or b"{}")
    carrier = Carrier(Board(), plan["identity"], plan["config"], kept)
    measure(plan.get("backlog", 0) if not held["next"] else 0)
    for _ in range(plan.get("sessions", 1)):
        measure(plan.get("measure", 1))
        session(carrier)
        if not plan.get("deep"):
            timeline.advance(plan.get("pause_ms", 900000) * 1000, True)
    RTC().memory(json.dumps(carrier.to_dict()).encode())
    carrier.close()
    deepsleep(plan.get("pause_ms", 900000))


held = load()
waiting = Ranges(held["waiting"])
gc.collect()
main()
