"""A start that is none: the chip was woken by a contact in the middle of its deep sleep. Count it and sleep on.

The rule: as little as possible is loaded, for this happens at every tip of a rain gauge. MicroPython only.
"""

import time

import machine

from firmware.device.pulses import count_wake
from firmware.device.store import RtcMemory

STUCK_MS = 60000  # a contact that stays closed may wake the chip again after this


def nap(board):
    """True where the chip should start as usual; else it does not return. `board`: makes the pins."""
    if machine.reset_cause() != machine.DEEPSLEEP_RESET or machine.wake_reason() != machine.EXT1_WAKE:
        return True
    memory = RtcMemory()
    kept = memory.load()
    uptime = kept.get("uptime")
    pulses = kept.get("pulse_pins")
    if not uptime or not pulses:
        return True
    pins = {name: board.bus(bus) for name, bus in pulses.items()}
    closed = count_wake(pins, kept["pulses"])
    slept = time.time_ns() // 1000000 - uptime["rtc"]
    left = uptime["planned"] - slept
    memory.save(kept)
    if left < 100:
        return True
    wakers = [pin for name, pin in pins.items() if name not in closed]
    import esp32

    esp32.wake_on_ext1(tuple(wakers) or None, esp32.WAKEUP_ALL_LOW)
    board.before_sleep()
    machine.deepsleep(min(left, STUCK_MS) if closed else left)
    return True
