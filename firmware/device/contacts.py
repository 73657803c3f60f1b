"""The contacts of a configuration: counters that go on while others measure, and what wakes the chip."""


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

    def _pins(self):
        return {name: self._board.bus(bus) for name, bus in self.wakers.items()}

    def may_wake(self, deep):
        """Let a tip wake the chip. What closes from here to a deep sleep ends that at once, and is counted then."""
        if self.wakers:
            from firmware.device.pulses import arm, until_open

            pins = self._pins()
            until_open(pins)
            if deep:
                for name in self.wakers:
                    self.counters[name].rest()
            arm(pins, self._board.chip)

    def count_wake(self):
        """After a light sleep: count what ended it."""
        if self.wakers:
            from firmware.device.pulses import by_pin, closed_now

            if by_pin():
                for name in closed_now(self._pins()):
                    self.counters[name].woken()
