"""A start that is none: the chip was woken by a contact in the middle of its deep sleep. Count it and sleep on.

The rule: as little as possible is loaded, for this happens at every tip of a rain gauge. MicroPython only.
"""

import time

import machine

from firmware.device.pulses import arm, by_pin, closed_now, until_open
from firmware.device.store import RtcMemory


def nap(board):
    """True where the chip should start as usual; else it does not return. `board`: makes the pins."""
    if machine.reset_cause() != machine.DEEPSLEEP_RESET or not by_pin():
        return True
    memory = RtcMemory()
    kept = memory.load()
    uptime = kept.get("uptime")
    pulses = kept.get("pulse_pins")
    if not uptime or not pulses:
        return True
    pins = {name: board.bus(bus) for name, bus in pulses.items()}
    for name in closed_now(pins):
        kept["pulses"][name] = kept["pulses"].get(name, 0) + 1
    memory.save(kept)
    until_open(pins)  # one that is stuck wakes the chip no more, until it is looked at after the next reading
    slept = time.time_ns() // 1000000 - uptime["rtc"]
    left = min(uptime["planned"], uptime["planned"] - slept)  # an RTC that was set back
    if left < 100:
        return True
    arm(pins, board.chip)
    board.before_sleep()
    machine.deepsleep(left)
    return True
