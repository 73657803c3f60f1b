"""The station with the real drivers on the simulated board, under MicroPython: `cycles` runs it, without radio and flash."""

import time

from edge.config import checked
from edge.sensors.chips import CHIPS
from edge.sensors.fault import SensorFault
from edge.station import Read, Station, Stop, Store, Wait, Warm
from firmware.device.sensors import Sensors
from tests.firmware.driver_bench import board


def cycles(sensors, count, every_s=900):
    """[(values, faults)] of so many cycles."""
    config = checked({"radio": "lorawan", "sensors": sensors}, CHIPS)
    station, drivers = Station(config), Sensors(board(), config, {})
    out = []
    for _ in range(count):
        out.append(_cycle(station, drivers))
        time.sleep(every_s)
    return out


def _cycle(station, drivers):
    step = station.begin(time.ticks_ms())
    while not isinstance(step, Store):
        if isinstance(step, Wait):
            time.sleep_ms(step.until_ms - time.ticks_ms())
            step = station.waited(time.ticks_ms())
        elif isinstance(step, Stop):
            drivers.stop(step.sensor)
            step = station.stopped(time.ticks_ms())
        else:
            step = _sensed(station, drivers, step)
    return dict(step.values), dict(station.faults)


def _sensed(station, drivers, step):
    what, answer = (drivers.start, station.warmed) if isinstance(step, Warm) else (drivers.read, station.measured)
    assert isinstance(step, (Warm, Read))
    try:
        value = what(step.sensor, step.ambient)
    except SensorFault as fault:
        return station.failed(step.sensor, time.ticks_ms(), fault.code)
    return answer(step.sensor, time.ticks_ms(), value)
