"""One round of measuring: the station says what comes next, it is done with the drivers, and the reading is stored.

Loaded for a start that measures; the radio gets a start of its own (unit.py). MicroPython only.
"""

import time

from edge.sensors.fault import SensorFault
from edge.station import Read, Station, Stop, Store, Wait, Warm
from firmware.device.sensors import Sensors
from firmware.device.telling import tell
from schemas.wire import WireReading, status_bits

NAP_MS = 20000  # longest wait without feeding the watchdog


def measure(unit):
    """A whole round for a firmware.device.unit.Unit: its sensors are read, its reading is on flash."""
    unit.watchdog.feed()
    unit.board.sensor_power(True)
    station = Station(unit.settings.config, unit.station)
    values = _round(unit, station, Sensors(unit.board, unit.settings.config, unit.contacts.counters))
    unit.station, unit.faults = station.to_dict(), station.faults
    unit.board.sensor_power(False)
    _store(unit, dict(values))


def _round(unit, station, sensors):
    now_ms = unit.now_ms
    step = station.begin(now_ms())
    while not isinstance(step, Store):
        unit.watchdog.feed()
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
    return step.values


def _sensed(step, what, answer, station, now_ms):
    try:
        value = what(step.sensor, step.ambient)
    except SensorFault as fault:
        return station.failed(step.sensor, now_ms(), fault.code)
    return answer(step.sensor, now_ms(), value)


def _store(unit, values):
    try:
        unit.battery = unit.board.battery_v()
    except (OSError, ValueError):
        unit.battery = None
    if "battery" not in values and unit.battery is not None:
        values["battery"] = round(unit.battery, 2)
    if not values:
        tell("reading", values=values, faults=unit.faults)
        return
    now = unit.now_ms()
    when = unit.clock.stamp(now)
    time_s, source, unc_s = None, "none", None
    if when is not None:
        time_s, source, unc_s = (when[0] + 500) // 1000, when[1], (when[2] + 500) / 1000
    reading = WireReading(0, 0, time_s, None, source, unc_s, values, status_bits(_flags(unit, when)))
    nvs, outbox = unit.nvs, unit.outbox
    if nvs.get("generation") != outbox.generation:
        nvs.set("generation", outbox.generation)
        nvs.set("segment", 0)
        nvs.set("unstored", 0)
    put, stored = outbox.put(reading, unit.boot, now // 1000)
    tell(
        "reading", generation=put.generation, seq=put.seq, time=time_s, source=source, values=values,
        faults=unit.faults, stored=stored,
    )  # fmt: skip
    if not stored and not unit.unstored:
        unit.unstored = True
        nvs.set("unstored", 1)
    if stored and nvs.get("segment", 0) != outbox.newest_segment:
        nvs.set("segment", outbox.newest_segment)
    unit.clock.seen(unit.boot, now)
    unit.first = False


def _flags(unit, when):
    """schemas.wire.STATUS_FLAGS that hold."""
    flags = []
    if unit.first:
        flags.append("reboot")
    if unit.reset == "watchdog" and unit.first:
        flags.append("watchdog")
    if unit.faults:
        flags.append("sensor_fault")
    if unit.battery is not None and unit.battery * 1000 < unit.settings.config["low_battery_mv"]:
        flags.append("low_battery")
    if unit.outbox.forgotten or unit.unstored:
        flags.append("outbox_full")
    if when is None:
        flags.append("clock_unset")
    if unit.settings.trouble:
        flags.append("config_rejected")
    return flags
