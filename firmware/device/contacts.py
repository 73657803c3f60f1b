"""The contacts of a configuration: counters that go on while others measure, and what wakes the chip."""


class Contacts:
    """`config`: checked, or None; `totals`: what was counted in sleep."""

    def __init__(self, board, nvs, config, totals):
        self._board = board
        self.counters = {}
        self.wakers = {}  # {sensor: bus} of the rain gauges: an anemometer would wake the chip all the time
        rules = (config or {}).get("sensors") or {}
        rules = {name: rule for name, rule in rules.items() if rule["bus"].startswith("pulse")}
        asleep = (config or {}).get("sleep") != "awake"
        if not (asleep and any([rule["chip"] == "wind" for rule in rules.values()]) and self._by_ulp(rules, nvs)):
            for name, rule in rules.items():
                self._add(name, rule, nvs, totals.get(name, 0))

    def _by_ulp(self, rules, nvs):
        """Whether the ULP counts all of them: for an anemometer, it costs more than the tips of a rain gauge do."""
        board = self._board
        try:
            # Named in two parts: it is in an image only where it counts (firmware/contents.py).
            ulp = __import__("firmware.device." + "ulp", None, None, ("counters",))
            contacts = [
                (name, board.bus(rule["bus"]), board.bus_pins("pulse", int(rule["bus"][5:])), _debounce_ms(rule))
                for name, rule in sorted(rules.items())
            ]
            self.counters = ulp.counters(board.chip, contacts, nvs)
        except (ImportError, ValueError, OSError):  # an ESP32-C3, a pin that is no pad of the ULP
            return False
        return True

    def _add(self, name, rule, nvs, total):
        from firmware.device.pulses import Counter

        try:
            counter = Counter(self._board.bus(rule["bus"]), nvs, "p_" + name, _debounce_ms(rule))
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


def _debounce_ms(rule):
    return (rule["options"] or {}).get("debounce_ms", 20 if rule["chip"] == "rain" else 2)
