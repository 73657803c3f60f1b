"""Drivers measure on the simulated board, under MicroPython: a line of JSON for each measurement.

`measure` is what a station does to one sensor: start, wait, read, stop. Only a SensorFault may come out of it; anything
else ends the script, and so the test.
"""

import json
import time

from edge.sensors.fault import FAULTS, SensorFault
from simulators.board import buses, timeline, truth, uart

MADE = {}


def board(name="esp32_devkit"):
    from firmware.device.board import Board

    if name not in MADE:
        MADE[name] = Board(name)
    return MADE[name]


def driver(chip, bus, address=None, **options):
    module = __import__("firmware.device.drivers." + chip, None, None, ("Driver",))
    return module.Driver(bus, address, **options)


def _timed(what):
    begun = timeline.true_us
    out = what()
    return out, (timeline.true_us - begun) // 1000


def measured(one, ambient=None):
    """{"values", "fault", "detail", "ms": [blocked in start, in read, in stop], "wait_ms", "true_us"}."""
    ambient = ambient or {}
    out = {"values": None, "fault": None, "ms": [0, 0, 0], "wait_ms": None}
    begun = timeline.true_us
    try:
        out["wait_ms"], out["ms"][0] = _timed(lambda: one.start(ambient))
        time.sleep_ms(out["wait_ms"])
        begun = timeline.true_us
        out["values"], out["ms"][1] = _timed(lambda: one.read(ambient))
    except SensorFault as fault:
        out["fault"], out["detail"] = fault.code, fault.detail
        out["ms"][0 if out["wait_ms"] is None else 1] = (timeline.true_us - begun) // 1000
    _, out["ms"][2] = _timed(one.stop)
    assert out["fault"] is None or out["fault"] in FAULTS, out
    out["true_us"] = timeline.true_us
    return out


def part(bus, address=None):
    """The double on a bus, to look into it or to break it."""
    if bus.startswith("uart"):
        return uart._parts[int(bus[4:]) + 1]
    return next(one for at, one in buses.attached(bus) if address is None or at == address)


def measure(one, ambient=None, place=""):
    """Prints it, with what is true then. The station knows the air pressure, unless it is told otherwise."""
    if ambient is None:
        ambient = {"air_pressure": truth.truth("air_pressure", "", timeline.true_us, 1)}
    out = measured(one, ambient)
    if out["values"]:
        out["truth"] = {q: truth.truth(q, place, timeline.true_us, 1) for q in out["values"] if q in truth._QUANTITIES}
    print(json.dumps(out))
    return out
