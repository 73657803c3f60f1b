"""One device: everything put together at a start, one cycle after the other, and what is kept across sleep.

The rule: what must survive a loss of power is on flash or in NVS before anything is made of it; what must survive only a
sleep is in the RTC's memory, and its loss costs bytes and time and no reading. MicroPython only.
"""

import gc
import json
import time

import machine

from edge.clock import Clock
from edge.desk import Desk
from edge.outbox.generation import generation
from edge.outbox.outbox import Outbox
from edge.schedule import left_ms
from edge.uptime import Uptime
from firmware.device.board import Board
from firmware.device.contacts import Contacts
from firmware.device.loaded import Loaded
from firmware.device.nap import nap
from firmware.device.settings import Settings
from firmware.device.store import Files, Nvs, RtcMemory
from schemas.status import Status
from schemas.wire import WireReading, status_bits

_RESETS = {
    machine.PWRON_RESET: "power", machine.HARD_RESET: "software", machine.WDT_RESET: "watchdog",
    machine.DEEPSLEEP_RESET: "sleep", machine.SOFT_RESET: "software",
}  # fmt: skip
_WATCHDOG_MS = 120000
_CLOCK = "clock.json"
_NAP_MS = 20000  # longest wait without feeding the watchdog
RETRY_S = 900  # for a device that has nothing to go by yet


class Unit:
    """`root`: where flash is mounted, "" on a chip."""

    def __init__(self, board, version, root=""):
        self._watchdog = machine.WDT(timeout=_WATCHDOG_MS)
        self.version = version
        self.files = Files(root or "/")
        self.nvs = Nvs()
        self.board = Board(board, self.nvs, self.files)
        nap(self.board)
        self.board.feed = self._watchdog.feed
        self.memory = RtcMemory()
        kept = self.memory.load()
        self.reset = _RESETS.get(machine.reset_cause(), "other")
        self.settings = Settings(self.files, self.nvs, self.board.buses())
        self._start_clocks(kept)
        self._start_outbox(root, kept)
        config = self.settings.config
        self.contacts = Contacts(self.board, self.nvs, config, kept.get("pulses", {}))
        self._station, self._carrier = kept.get("station"), kept.get("carrier", {})
        self.faults = dict((self._station or {}).get("faults", {}))
        every_ms = (config or {}).get("status_every_s", 86400) * 1000
        self.desk = Desk(
            self.outbox, self.clock, self.boot, self.now_ms, self.settings.change, self._about, kept.get("desk"), every_ms
        )  # fmt: skip
        self._first = self.reset != "sleep"
        self._battery = None
        self._unstored = False

    def _start_clocks(self, kept):
        timer = machine.reset_cause() == machine.DEEPSLEEP_RESET and machine.wake_reason() == machine.TIMER_WAKE
        self._uptime = Uptime(
            kept.get("uptime", {}), time.ticks_ms(), _rtc_ms(), timer, self.board.rtc_ppm, time.ticks_diff
        )  # fmt: skip
        self.boot = self.nvs.get("boots", 0)
        if not self._uptime.continues or self.boot == 0:
            self.boot += 1
            self.nvs.set("boots", self.boot)
        boots = ()
        try:
            boots = json.loads(self.files.read(_CLOCK))
        except (OSError, ValueError):
            pass
        self.clock = Clock(self.boot, self.board.rtc_ppm, boots, kept.get("clock"))
        self.clock.doubt(self._uptime.doubt_ms)

    def _start_outbox(self, root, kept):
        nvs = self.nvs
        self.outbox = outbox = Outbox(Files(root + "/outbox"))
        certain = outbox.certain and not nvs.get("unstored", 0) and outbox.newest_segment >= nvs.get("segment", 0)
        provisioned = self.settings.identity.get("generation", 1)
        number, goes_on = generation(outbox.held_generation, nvs.get("generation"), provisioned, certain)
        if kept and kept.get("seq", (0, 0))[0] == number and kept["seq"][1] >= outbox.next_seq:
            outbox.next_seq = kept["seq"][1]  # after a sleep, also what flash did not take is counted
        outbox.begin(number, goes_on)
        if outbox.newest is not None:
            if self.clock.boots[-1].number != outbox.newest.boot:
                self.clock.seen(outbox.newest.boot, outbox.newest.uptime_s * 1000)
        self._save_clock()

    def now_ms(self):
        """Uptime."""
        return self._uptime.now_ms(time.ticks_ms())

    def cycle(self):
        """One round: measure, store, send; until when (uptime) to sleep then."""
        began = self.now_ms()
        self._watchdog.feed()
        config = self.settings.config
        if config is not None:
            self.board.sensor_power(True)
            with Loaded("firmware.device.measuring") as measuring:
                values, self._station, self.faults = measuring.measure(
                    self.board, config, self.contacts.counters, self._station, self.now_ms, self._watchdog.feed
                )
                del measuring
            self.board.sensor_power(False)
            self._store(values)
        self._exchange()
        self.settings.works()
        when = self.clock.stamp(self.now_ms())
        interval_s = config["interval_s"] if config else RETRY_S
        return self.now_ms() + left_ms(interval_s, began, self.now_ms(), when and when[0])

    def _store(self, values):
        values = dict(values)
        self._battery = self._measure_battery()
        if "battery" not in values and self._battery is not None:
            values["battery"] = round(self._battery, 2)
        if not values:
            return
        now = self.now_ms()
        when = self.clock.stamp(now)
        time_s, source, unc_s = None, "none", None
        if when is not None:
            time_s, source, unc_s = (when[0] + 500) // 1000, when[1], (when[2] + 500) / 1000
        reading = WireReading(0, 0, time_s, None, source, unc_s, values, status_bits(self._flags(when)))
        if self.nvs.get("generation") != self.outbox.generation:
            self.nvs.set("generation", self.outbox.generation)
            self.nvs.set("segment", 0)
            self.nvs.set("unstored", 0)
        _, stored = self.outbox.put(reading, self.boot, now // 1000)
        if not stored and not self._unstored:
            self._unstored = True
            self.nvs.set("unstored", 1)
        if stored and self.nvs.get("segment", 0) != self.outbox.newest_segment:
            self.nvs.set("segment", self.outbox.newest_segment)
        self.clock.seen(self.boot, now)
        self._first = False

    def _measure_battery(self):
        try:
            return self.board.battery_v()
        except (OSError, ValueError):
            return None

    def _flags(self, when):
        flags = []
        if self._first:
            flags.append("reboot")
        if self.reset == "watchdog" and self._first:
            flags.append("watchdog")
        if self.faults:
            flags.append("sensor_fault")
        if self._battery is not None and self._battery * 1000 < self.settings.config["low_battery_mv"]:
            flags.append("low_battery")
        if self.outbox.forgotten or self._unstored:
            flags.append("outbox_full")
        if when is None:
            flags.append("clock_unset")
        if self.settings.trouble:
            flags.append("config_rejected")
        return flags

    def _exchange(self):
        self._watchdog.feed()
        config, identity = self.settings.config, self.settings.identity
        if not config or not identity:
            return
        before = self.clock.boot.zero
        try:
            with Loaded("firmware.device." + ("lora" if config["radio"] == "lorawan" else "mqtt")) as module:
                carrier = module.Carrier(self.board, identity, config, self._carrier)
                try:
                    carrier.exchange(self.desk)
                finally:
                    self._carrier = carrier.to_dict()
                    carrier.close()
                    del module, carrier
        except Exception as error:  # whatever is wrong with the radio, the station goes on measuring
            self.desk.fault("other", repr(error))
        if self.clock.boot.zero != before:
            self._save_clock()
        self._watchdog.feed()

    def _about(self):
        """What the status says of the device, without faults of the radio and the answer."""
        faults = list(self.faults.items())
        if self.settings.trouble:
            faults.append(("config", "config"))
        if self.outbox.damaged:
            faults.append(("outbox", "crc"))
        if self._unstored:
            faults.append(("outbox", "full"))
        if self._uptime.jumped:
            faults.append(("rtc", "clock"))
        gc.collect()
        return Status(
            self.version[:16], self.settings.sum, self.now_ms() // 1000, self.boot, self.reset, self.outbox.waiting(),
            self.outbox.forgotten, gc.mem_free(), self._battery, faults, None,
        )  # fmt: skip

    def _save_clock(self):
        try:
            self.files.write(_CLOCK, json.dumps(self.clock.boots_list()).encode())
        except OSError:
            pass  # a full flash: the times of this boot are told as bounds after the next loss of power

    def keep(self, planned_ms):
        """Into the RTC's memory: before a sleep, and after each cycle of a device that stays awake."""
        kept = {
            "uptime": self._uptime.to_dict(time.ticks_ms(), _rtc_ms(), planned_ms),
            "clock": self.clock.to_dict(),
            "station": self._station,
            "desk": self.desk.to_dict(),
            "carrier": self._carrier,
            "seq": (self.outbox.generation, self.outbox.next_seq),
            "pulses": self.contacts.totals(),
            "pulse_pins": self.contacts.wakers,
        }
        try:
            self.memory.save(kept)
        except ValueError:
            kept["carrier"], kept["desk"] = {}, {}
            self.memory.save(kept)

    def sleep_until(self, until_ms):
        """By the configuration: deep (does not return), light, or awake."""
        mode = (self.settings.config or {}).get("sleep", "deep")
        left = max(1, until_ms - self.now_ms())
        if mode == "deep":
            self.board.before_sleep()
            self.contacts.may_wake(True)
            self.keep(left)
            machine.deepsleep(left)
        self.keep(0)
        if self.settings.changed:
            machine.reset()
        while True:
            left = until_ms - self.now_ms()
            self._watchdog.feed()
            if left <= 0:
                return
            if mode == "light":
                self._doze(left)
            else:
                time.sleep_ms(min(left, _NAP_MS))

    def _doze(self, ms):
        """Light sleep; a contact may end it and is counted."""
        self.contacts.may_wake(False)
        machine.lightsleep(ms)
        self.contacts.count_wake()


def _rtc_ms():
    return time.time_ns() // 1000000
