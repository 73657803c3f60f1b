"""A device that does nothing but count two contacts by the ULP; started by tests/firmware/test_ulp.py. MicroPython.

`plan` in chip.json: {"gpio": [period_us, closed_us], …} and what to do.
"""

import machine
from square import Square

from firmware.device import ulp
from firmware.device.store import Nvs
from simulators.board import pins, timeline
from simulators.board import ulp as double

plan = timeline.chip["plan"]

for gpio, (period_us, closed_us) in plan["contacts"].items():
    if period_us:
        pins.attach(int(gpio), Square(period_us, closed_us, plan.get("gust", (0, 0))))

nvs = Nvs()
contacts = [
    ("c" + gpio, machine.Pin(int(gpio), machine.Pin.IN, machine.Pin.PULL_UP), int(gpio), plan.get("debounce_ms", 2))
    for gpio in sorted(plan["contacts"])
]
if plan.get("stop"):
    double._run = None
found = ulp.counters(plan["chip"], contacts, nvs)
for name in sorted(found):
    counter = found[name]
    ran = counter.begin()
    print(name, counter.total, ran, *counter.end())
    if plan.get("store", True):
        counter.store()
if plan.get("light_s"):
    machine.lightsleep(plan["light_s"] * 1000)
    for name in sorted(found):
        print(name, found[name].total, 0, *found[name].end())
if plan.get("reset"):
    machine.reset()
machine.deepsleep(plan["sleep_s"] * 1000)
