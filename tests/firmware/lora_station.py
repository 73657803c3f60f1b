"""A station with nothing but the LoRaWAN carrier, for one run of the simulated chip: real NVS, real littlefs, UDP air.

Runs under MicroPython. `kept` and the outbox of a deep sleep stand in RTC memory.
"""

import json
import os

import esp32
import lora
import machine

from firmware.device import lora as carrier_module
from firmware.device.lora import Carrier
from simulators.board import timeline
from tests.firmware.lora_world import CONFIG, OTAA, Chance, Desk

carrier_module.random = Chance(timeline.true_us // 1000000).below


class Nvs:
    def __init__(self):
        self._nvs = esp32.NVS("kn")

    def get(self, key):
        buffer = bytearray(64)
        try:
            return self._nvs.get_i32(key)
        except OSError:
            pass
        try:
            return bytes(buffer[: self._nvs.get_blob(key, buffer)])
        except OSError:
            return None

    def set(self, key, value):
        if isinstance(value, int):
            self._nvs.set_i32(key, value)
        else:
            self._nvs.set_blob(key, value)
        self._nvs.commit()


class Files:
    def read(self, name):
        with open("/flash/" + name, "rb") as file:
            return file.read()

    def write(self, name, data):
        with open("/flash/new", "wb") as file:
            file.write(data)
        os.rename("/flash/new", "/flash/" + name)


class Board:
    rtc_ppm = 1000

    def __init__(self, modem=lora.SX1262):
        self.nvs, self.files = Nvs(), Files()
        self._modem = modem(None, None, None)

    def modem(self):
        return self._modem

    def battery_v(self):
        return 3.9


class Told(Desk):
    """A desk whose readings carry the true time, so that the cloud's side can be compared."""

    def __init__(self, start_ms=0):
        super().__init__(start_ms)
        self.times = {}

    def measure(self, seq):
        super().measure(seq)
        self.times[seq] = timeline.true_us // 1000000

    def _reading(self, seq):
        reading = list(super()._reading(seq))
        reading[2] = self.times[seq]
        return type(super()._reading(seq))(*reading)


def awake(cycles, identity=OTAA, settings=CONFIG, ms=900000, each=None):
    """So many cycles in one run; the desk at the end."""
    desk, carrier = Told(), Carrier(Board(), identity, settings, {})
    for n in range(1, cycles + 1):
        desk.measure(n)
        if each:
            each(n, desk, carrier)
        carrier.exchange(desk)
        machine.lightsleep(ms)
    return desk, carrier


def one_cycle(identity=OTAA, settings=CONFIG, ms=900000):
    """Wake, measure, exchange, deep sleep."""
    kept = machine.RTC().memory()
    state = json.loads(kept) if kept else {"seq": 0, "ms": 0, "carrier": {}, "times": {}}
    stored = json.loads(Files().read("outbox")) if "outbox" in os.listdir("/flash") else {"seq": 0, "times": {}}
    desk = Told(state["ms"])
    desk.allow_backlog = False  # it forgets what it has sent
    desk.times = {int(seq): time_s for seq, time_s in stored["times"].items()}
    desk.waiting = sorted(desk.times)[-8:]
    seq = stored["seq"] + 1
    desk.measure(seq)
    Files().write("outbox", json.dumps({"seq": seq, "times": desk.times}).encode())
    carrier = Carrier(Board(), identity, settings, state["carrier"])
    carrier.exchange(desk)
    state = {"seq": seq, "ms": desk.now_ms() + ms, "carrier": carrier.to_dict()}
    machine.RTC().memory(json.dumps(state).encode())
    print(json.dumps([desk.faults, desk.syncs, carrier.to_dict().get("up")]))
    machine.deepsleep(ms)
