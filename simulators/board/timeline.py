"""What time it truly is on the simulated chip, and what its clocks say. Runs under MicroPython only.

The rule: time passes only here, in `advance`, and in the few microseconds that every look at a clock costs, so that
a loop which polls until a time-out comes to its end. A clock of the chip runs off by its own ppm. What is
due on the way (loss of power, a jump of the RTC, whatever else registers) happens at its moment. With "real_time" in
`chip.json` true time is the host's: `advance` waits, every look follows it, and `end` ends the process at once.
"""

import json
import os

import utime

LOOK_US = 20  # what asking a clock costs
US = 1000000
RTC_EPOCH_US = 946684800 * US  # 2000-01-01: where an ESP32's clock begins when it has lost power
CHIP_FILE = "chip.json"
_SLICE_US = 50000  # of waiting in real time

folder = os.getenv("KLIMANETZ_BOARD") or ""
chip = {}  # what the host keeps of the chip; see host.py
true_us = 0  # since 1970
ticks_us = 0  # of the chip, since this start
sleeping = False  # while what is due happens
real = False  # true time is the host's
_rtc_us = 0
_due = []  # [true_us, what happens], the next one last
_dead = False
sleeping = False
ending = []  # called with the cause of the reset before the chip stops


def load():
    """Take up where the host left the chip."""
    global true_us, real, ticks_us, _rtc_us
    if folder:
        with open(folder + "/" + CHIP_FILE) as file:
            chip.update(json.load(file))
    real = chip.get("real_time", False)
    true_us = _host_us() if real else chip.get("true_us", 1767225600 * US)
    if real:
        ticks_us = utime.ticks_us()  # asyncio's queue, in C, counts these
    _rtc_us = chip.get("rtc_us", RTC_EPOCH_US)
    for at_us, away_us in chip.get("power_cuts", ()):
        if at_us > true_us:
            at(at_us, lambda away_us=away_us: lose_power(away_us))
    for at_us, by_us in chip.get("rtc_jumps", ()):
        if at_us > true_us:
            at(at_us, lambda by_us=by_us: set_rtc(_rtc_us + by_us))


def at(moment_us, what):
    """Call `what` when it is `moment_us`, before anything later."""
    _due.append((moment_us, what))
    _due.sort(key=lambda one: -one[0])


def advance(us, asleep=False):
    """Let true time pass. `asleep`: only the RTC's slow clock runs, and ticks stand."""
    if _dead:
        lose_power()
    if not real:
        _pass_until(true_us + us, asleep)
        return
    now = _host_us()
    goal = now + us
    _pass_until(now, asleep)
    while now < goal:
        next_us = min(goal, _due[-1][0]) if _due else goal
        utime.sleep_us(min(max(next_us - now, 1), _SLICE_US))
        now = _host_us()
        _pass_until(now, asleep)


def _host_us():
    return utime.time_ns() // 1000


def _pass_until(goal, asleep):
    global sleeping
    sleeping = asleep
    while _due and _due[-1][0] <= goal:
        moment_us, what = _due.pop()
        if moment_us > true_us:
            _pass(moment_us - true_us, asleep)
        sleeping = asleep
        what()
        sleeping = False
    if goal > true_us:  # what happened may have taken longer, such as an interrupt that looks at a clock
        _pass(goal - true_us, asleep)


def _pass(us, asleep):
    global true_us, ticks_us, _rtc_us
    true_us += us
    ppm = chip.get("sleep_ppm" if asleep else "awake_ppm", 0)
    _rtc_us += us + us * ppm // US
    if not asleep:
        ticks_us += us + us * ppm // US


def advance_ticks(us):
    """Let as much time pass as the chip's own clock takes to count `us`."""
    advance(us - us * chip.get("awake_ppm", 0) // US)


def look():
    """What every look at a clock costs."""
    advance(0 if real else LOOK_US)


def rtc_us():
    """What the real-time clock says, microseconds since 1970."""
    return _rtc_us


def set_rtc(us):
    """Somebody or something sets the real-time clock."""
    global _rtc_us
    _rtc_us = us


def end(reset, **more):
    """The chip stops; the host starts it again with this cause of reset. Does not return."""
    global _dead
    _dead = True
    for what in ending:
        what(reset)
    chip.update({"true_us": true_us, "rtc_us": _rtc_us, "reset": reset, "ended": True})
    chip.update(more)
    if folder:
        with open(folder + "/" + CHIP_FILE, "w") as file:
            json.dump(chip, file)
    if real:  # nothing that the program does after this, in a `finally` or an `except:`, is of the chip
        os.system("kill -9 $PPID")
    raise SystemExit(0)


def lose_power(away_us=0):
    """The battery is out: RTC and its memory are gone, and so is whatever a file system still wants to write."""
    end("power", true_us=true_us + away_us, rtc_us=RTC_EPOCH_US, rtc_memory="", ulp=None)


def fail_power():
    """As `lose_power`, for whoever may not raise: nothing more is written, and the next look at a clock ends it."""
    global _dead
    _dead = True


def durable_write():
    """Before each write to flash or NVS; True where the power fails in the middle of this one."""
    chip["writes"] = chip.get("writes", 0) + 1
    return chip["writes"] == chip.get("cut_at_write")


def is_dead():
    """Whether the chip has stopped; the interpreter still unwinds."""
    return _dead


load()
