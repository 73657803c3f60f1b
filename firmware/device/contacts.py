"""The contacts of a configuration: counters that go on while others measure, and what wakes the chip. MicroPython only."""


class Contacts:
    """`config`: checked, or None; `totals`: what was counted in sleep."""

    def __init__(self, board, nvs, config, totals):
        self._board = board
        self.counters = {}
        self.wakers = {}  # {sensor: bus} of the rain gauges: an anemometer would wake the chip all the time
        for name, rule in ((config or {}).get("sensors") or {}).items():
            if rule["bus"].startswith("pulse"):
                self._add(name, rule, nvs, totals.get(name, 0))

    def _add(self, name, rule, nvs, total):
        from firmware.device.pulses import Counter

        debounce_ms = (rule["options"] or {}).get("debounce_ms", 20 if rule["chip"] == "rain" else 2)
        try:
            counter = Counter(self._board.bus(rule["bus"]), nvs, "p_" + name, debounce_ms)
        except (ValueError, OSError):
            return  # told when it is to be read
        counter.total = max(counter.total, total)
        self.counters[name] = counter
        if rule["chip"] == "rain":
            self.wakers[name] = rule["bus"]

    def totals(self):
        """{sensor: pulses}, for the RTC's memory."""
        return {name: counter.total for name, counter in self.counters.items()}

    def may_wake(self):
        """Let the chip be woken; whether there is anything that may."""
        if not self.wakers:
            return False
        import esp32

        esp32.wake_on_ext1(tuple([self._board.bus(bus) for bus in self.wakers.values()]), esp32.WAKEUP_ALL_LOW)
        return True

    def count_wake(self):
        """A contact ended a light sleep: count it."""
        from firmware.device.pulses import count_wake

        totals = self.totals()
        count_wake({name: self._board.bus(bus) for name, bus in self.wakers.items()}, totals)
        for name, total in totals.items():
            self.counters[name].total = total
