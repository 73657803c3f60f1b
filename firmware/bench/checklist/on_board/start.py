"""One start of the firmware's own cycle: it measures and stores, or its radio works. Then it stops instead of sleeping.

What it says on the way (firmware/device/telling.py) are the facts. Everything that must not be used twice is in NVS
before it is used, as in any other start: this is one. Sent with BOARD, VERSION, ROOT before it.
"""

import gc
import json

gc.threshold(24576)

from firmware.device.store import Nvs
from firmware.device.unit import Unit

QUIET = 32  # edge.lorawan.silence: a device that has heard nothing for so long asks whether it is heard


class Turned(Exception):
    pass


def go_on(phase):
    unit._phase = phase
    unit.keep(0)
    raise Turned


def stay(until_ms):
    pass


nvs = Nvs()
nvs.set("trials", 0)  # whoever stops a device at its cable does so for no fault of its configuration
unit = Unit(BOARD, VERSION, ROOT)
unit._go_on, unit._sleep_until = go_on, stay
if unit._carrier.get("unheard", QUIET) < QUIET:
    unit._carrier["unheard"] = QUIET
phase = unit._phase
try:
    unit.run()
except Turned:
    pass
if phase == "measure":
    nvs.set("trials", 0)  # a try of a new configuration is a whole cycle
gc.collect()
now = unit.now_ms()
facts = {
    "kn": "turned",
    "phase": phase,
    "session": unit._carrier.get("of") is not None,
    "battery": unit.battery,
    "clock": unit.clock.stamp(now),
    "waiting": unit.outbox.waiting(),
    "damaged": unit.outbox.damaged,
    "forgotten": unit.outbox.forgotten,
    "unstored": unit.unstored,
    "free_heap": gc.mem_free(),
}
print(json.dumps(facts))
