"""One round of measuring: the station says what comes next, and it is done with the drivers. MicroPython only.

Loaded for the round and given back after it (loaded.py), so that the radio has the room.
"""

import time

from edge.sensors.fault import SensorFault
from edge.station import Read, Station, Stop, Store, Wait, Warm
from firmware.device.sensors import Sensors

NAP_MS = 20000  # longest wait without feeding the watchdog


def measure(board, config, counters, kept, now_ms, feed):
    """`({channel: value}, what to keep, {sensor: fault})`. `counters`: by sensor; `now_ms()`: uptime."""
    station = Station(config, kept)
    sensors = Sensors(board, config, counters)
    step = station.begin(now_ms())
    while not isinstance(step, Store):
        feed()
        if isinstance(step, Warm):
            step = _sensed(step, sensors.start, station.warmed, station, now_ms)
        elif isinstance(step, Read):
            step = _sensed(step, sensors.read, station.measured, station, now_ms)
        elif isinstance(step, Wait):
            time.sleep_ms(max(0, min(NAP_MS, step.until_ms - now_ms())))
            step = station.waited(now_ms())
        else:
            assert isinstance(step, Stop)
            sensors.stop(step.sensor)
            step = station.stopped(now_ms())
    return step.values, station.to_dict(), station.faults


def _sensed(step, what, answer, station, now_ms):
    try:
        value = what(step.sensor, step.ambient)
    except SensorFault as fault:
        return station.failed(step.sensor, now_ms(), fault.code)
    return answer(step.sensor, now_ms(), value)
