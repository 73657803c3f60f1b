"""Every sensor of the configuration, ROUNDS times (0: until it is stopped), and what answers on the I2C buses.

Nothing of it is stored or sent, and no reading is counted. A start for this is no try of a new configuration. Sent
with BOARD, VERSION, ROOT, ROUNDS, PAUSE_MS before it; a round that takes longer than SLOW_MS is done twice.
"""

import gc
import json
import time

gc.threshold(24576)

from firmware.device.store import Nvs
from firmware.device.unit import Unit

SLOW_MS = 10000


def say(what, **facts):
    facts["kn"] = what
    print(json.dumps(facts))


def answering(board):
    found = {}
    for name in board.buses():
        if name.startswith("i2c"):
            try:
                found[name] = board.bus(name).scan()
            except OSError:
                found[name] = None
    return found


def rounds(unit, config):
    from edge.station import Station
    from firmware.device.measuring import _round
    from firmware.device.sensors import Sensors

    unit.board.sensor_power(True)
    say("buses", found=answering(unit.board))
    sensors = Sensors(unit.board, config, unit.contacts.counters)
    n = 0
    while not ROUNDS or n < ROUNDS:
        station = Station(config)
        began = unit.now_ms()
        values = _round(unit, station, sensors)
        ms = unit.now_ms() - began
        n += 1
        say("measured", ms=ms, values=values, faults=station.faults)
        if ROUNDS and n > 1 and ms > SLOW_MS:
            break
        time.sleep_ms(PAUSE_MS)
        unit.watchdog.feed()


nvs = Nvs()
nvs.set("trials", 0)  # whoever stops a device at its cable does so for no fault of its configuration
unit = Unit(BOARD, VERSION, ROOT)
nvs.set("trials", 0)
config = unit.settings.config
ready = bool(config and "sensors" in config)
say("settings", ready=ready, phase=unit._phase, trouble=unit.settings.trouble, sum=unit.settings.sum)
try:
    if ready:
        rounds(unit, config)
finally:
    unit.board.sensor_power(False)
    unit._phase = "measure"
    unit.keep(0)
