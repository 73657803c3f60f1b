"""One device: everything put together at a start, one cycle after the other, and what is kept across sleep.

The rule: what must survive a loss of power is on flash or in NVS before anything is made of it; what must survive only
a sleep is in the RTC's memory, and its loss costs bytes and time and no reading. MicroPython only.
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
from firmware.device.settings import Settings
from firmware.device.store import Files, Nvs, RtcMemory
from firmware.device.telling import tell
from schemas.status import Status

_RESETS = {
    machine.PWRON_RESET: "power", machine.HARD_RESET: "software", machine.WDT_RESET: "watchdog",
    machine.DEEPSLEEP_RESET: "sleep", machine.SOFT_RESET: "software",
}  # fmt: skip
_WATCHDOG_MS = 120000
_CLOCK = "clock.json"
_NAP_MS = 20000  # longest wait without feeding the watchdog
MEASURE, EXCHANGE = "measure", "exchange"
RETRY_S = 900  # for a device that has nothing to go by yet


class Unit:
    """`root`: where flash is mounted, "" on a chip."""

    def __init__(self, board, version, root=""):
        self.watchdog = machine.WDT(timeout=_WATCHDOG_MS)
        self.version = version
        self.files = Files(root or "/")
        self.nvs = Nvs()
        self.board = Board(board, self.nvs, self.files)
        if machine.reset_cause() == machine.DEEPSLEEP_RESET and machine.wake_reason() != machine.TIMER_WAKE:
            from firmware.device.nap import nap

            nap(self.board)
        self.board.feed, self.board.tell = self.watchdog.feed, tell
        self.memory = RtcMemory()
        kept = self.memory.load()
        self.board.orderly = self._take_up(kept)
        self.settings = Settings(self.files, self.nvs, self.board.buses(), version)
        self._start_clocks(kept)
        self._start_outbox(root, kept)
        config = self.settings.config
        self.contacts = Contacts(self.board, self.nvs, config, kept.get("pulses", {}))
        self.station, self._carrier = kept.get("station"), kept.get("carrier", {})
        if self._phase == EXCHANGE and config is not None:
            del config["sensors"]  # room for the radio
        self.faults = dict((self.station or {}).get("faults", {}))
        every_ms = (config or {}).get("status_every_s", 86400) * 1000
        self.desk = Desk(
            self.outbox, self.clock, self.boot, self.now_ms, self.settings.change, self._about, kept.get("desk"),
            every_ms,
        )  # fmt: skip
        self.desk.tell = tell
        if self._uptime.jumped:
            self.desk.fault("clock", "", "rtc")
        if self.reset == "crash" and self._phase == MEASURE:
            self.desk.fault("other", "", "firmware")
        self.unstored = bool(self.nvs.get("unstored", 0))

    def _take_up(self, kept):
        """What the last start left; whether it ended as it meant to. A start that was not meant begins a cycle."""
        orderly = kept.pop("orderly", False)
        self._phase, self.reset = MEASURE, _RESETS.get(machine.reset_cause(), "other")
        self.first, self._began, self.battery = True, 0, None
        if orderly and self.reset in ("sleep", "software"):
            self._phase, self._began, self.battery = kept["phase"], kept["began"], kept["battery"]
            if self.reset == "software" or self._phase == EXCHANGE:
                self.reset = kept["reset"]  # why this cycle began
            self.first = kept["first"]
            self.memory.save(kept)  # without "orderly": whatever ends this start, it is not believed twice
        if self._phase == MEASURE and self.nvs.get("crash", 0):
            self.nvs.set("crash", 0)
            self.reset = "crash"
        return orderly

    def _start_clocks(self, kept):
        timer = machine.reset_cause() == machine.DEEPSLEEP_RESET and machine.wake_reason() == machine.TIMER_WAKE
        self._uptime = Uptime(
            kept.get("uptime", {}), time.ticks_ms(), _rtc_ms(), timer, self.board.rtc_ppm, time.ticks_diff
        )  # fmt: skip
        self.boot = self.nvs.get("boots", 0)
        if not self._uptime.continues or self.boot == 0:
            self.boot += 1
            self.nvs.set("boots", self.boot)
        boots, self._clock_text = (), b""
        try:
            self._clock_text = self.files.read(_CLOCK)
            boots = json.loads(self._clock_text)
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
        if outbox.newest is not None and self.clock.boots[-1].number != outbox.newest.boot:
            self.clock.seen(outbox.newest.boot, outbox.newest.uptime_s * 1000)
        self._save_clock()

    def now_ms(self):
        """Uptime."""
        return self._uptime.now_ms(time.ticks_ms())

    def run(self):
        """Measure and start afresh for the radio, or let the radio work, sleep, and start afresh. Does not return.

        A start gives the whole heap to the one or to the other, so neither meets what the other has left lying about.
        """
        if self._phase == MEASURE:
            self._began = self.now_ms()
            self._introduce()
            if self.settings.config is not None:
                from firmware.device.measuring import measure

                measure(self)
                self._go_on(EXCHANGE)
        self._exchange()
        self.settings.works()
        self._sleep_until(self._next_ms())
        self._go_on(MEASURE)

    def _introduce(self):
        tell(
            "start", device=self.settings.identity.get("device"), firmware=self.version, reset=self.reset,
            boot=self.boot, config=self.settings.sum, trouble=self.settings.trouble,
        )  # fmt: skip

    def _go_on(self, phase):
        self._phase = phase
        self.keep(0)
        machine.soft_reset()

    def _next_ms(self):
        config, now = self.settings.config, self.now_ms()
        when = self.clock.stamp(now)
        interval_s = config["interval_s"] if config else RETRY_S
        return now + left_ms(interval_s, self._began, now, when and when[0])

    def _exchange(self):
        self.watchdog.feed()
        config, identity = self.settings.config, self.settings.identity
        if not config or not identity:
            return
        before = self.clock.boot.zero
        try:
            name = "firmware.device.lora" if config["radio"] == "lorawan" else "firmware.device.mqtt"
            with Loaded(name) as module:
                carrier = module.Carrier(self.board, identity, config, self._carrier)
                try:
                    reached = carrier.exchange(self.desk)
                    tell("radio", carrier=config["radio"], reached=reached, waiting=self.outbox.waiting())
                finally:
                    self._carrier = carrier.to_dict()
                    carrier.close()
                    carrier = module = None
        except Exception as error:  # whatever is wrong with the radio, the station goes on measuring
            self.desk.fault("other", repr(error))
        if self.clock.boot.zero != before:
            self._save_clock()
        self.watchdog.feed()

    def _about(self):
        """What the status says of the device, without faults of the radio and the answer."""
        faults = list(self.faults.items())
        if self.settings.trouble:
            faults.append(("config", "config"))
        if self.outbox.damaged:
            faults.append(("outbox", "crc"))
        if self.unstored:
            faults.append(("outbox", "full"))
        gc.collect()
        return Status(
            self.version[:16], self.settings.sum, self.now_ms() // 1000, self.boot, self.reset, self.outbox.waiting(),
            self.outbox.forgotten, gc.mem_free(), self.battery, faults, None,
        )  # fmt: skip

    def _save_clock(self):
        text = json.dumps(self.clock.boots_list()).encode()
        if text == self._clock_text:
            return
        try:
            self.files.write(_CLOCK, text)
            self._clock_text = text
        except OSError:
            pass  # a full flash: the times of this boot are told as bounds after the next loss of power

    def keep(self, planned_ms):
        """Into the RTC's memory: before a sleep, and after each cycle of a device that stays awake."""
        kept = {
            "uptime": self._uptime.to_dict(time.ticks_ms(), _rtc_ms(), planned_ms),
            "clock": self.clock.to_dict(),
            "station": self.station,
            "desk": self.desk.to_dict(),
            "carrier": self._carrier,
            "seq": (self.outbox.generation, self.outbox.next_seq),
            "pulses": self.contacts.totals(),
            "pulse_pins": self.contacts.wakers,
            "orderly": True,
            "phase": self._phase,
            "began": self._began,
            "battery": self.battery,
            "reset": self.reset,
            "first": self.first,
        }
        try:
            self.memory.save(kept)
        except ValueError:
            kept["carrier"], kept["desk"] = {}, {}
            self.memory.save(kept)

    def _sleep_until(self, until_ms):
        """By the configuration: deep (does not return), light, or awake."""
        mode = (self.settings.config or {}).get("sleep", "deep")
        left = max(1, until_ms - self.now_ms())
        tell("sleep", how=mode, ms=left)
        if mode == "deep":
            self.board.before_sleep()
            self._phase = MEASURE
            self.contacts.may_wake(True)
            self.keep(left)
            machine.deepsleep(left)
        while left > 0:
            self.watchdog.feed()
            if mode == "light":
                self._doze(left)
            else:
                time.sleep_ms(min(left, _NAP_MS))
            left = until_ms - self.now_ms()

    def _doze(self, ms):
        """Light sleep; a contact may end it and is counted."""
        self.contacts.may_wake(False)
        machine.lightsleep(ms)
        self.contacts.count_wake()


def _rtc_ms():
    return time.time_ns() // 1000000
