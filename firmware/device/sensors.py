"""The sensors of the configuration as drivers, loaded by name: a chip that is not configured costs no memory.

The rule: nothing that a driver does, forgets or was not given ends the cycle; every failure has a code of
edge.sensors.fault. MicroPython only.
"""

from edge.sensors.fault import SensorFault


class Sensors:
    """`board.bus(name)` gives the bus; drivers are made once, counters at once: contacts close while others measure."""

    def __init__(self, board, nvs, config):
        self._board, self._nvs, self._config = board, nvs, config
        self._drivers = {}
        self._counters = {}
        for name, rule in ((config or {}).get("sensors") or {}).items():
            if rule["bus"].startswith("pulse"):
                try:
                    self._counter(name, rule)
                except (ValueError, OSError):
                    pass  # told when it is measured

    def _counter(self, name, rule):
        if name not in self._counters:
            from firmware.device.pulses import Counter

            debounce_ms = (rule["options"] or {}).get("debounce_ms", 20 if rule["chip"] == "rain" else 2)
            self._counters[name] = Counter(self._board.bus(rule["bus"]), self._nvs, "p_" + name, debounce_ms)
        return self._counters[name]

    def wakers(self):
        """{name: Pin} of the contacts that may wake the chip: a rain gauge's, not an anemometer's."""
        return {name: self._board.bus(bus) for name, bus in self.waker_buses().items()}

    def waker_buses(self):
        """{name: bus} of them."""
        rules = (self._config or {}).get("sensors") or {}
        return {name: rules[name]["bus"] for name in self._counters if rules[name]["chip"] == "rain"}

    def totals(self):
        """{name: pulses}, for the RTC's memory."""
        return {name: counter.total for name, counter in self._counters.items()}

    def resume(self, totals):
        """Totals that were counted in sleep."""
        for name, total in totals.items():
            if name in self._counters:
                self._counters[name].total = max(self._counters[name].total, total)

    def _driver(self, name):
        driver = self._drivers.get(name)
        if driver is None:
            rule = self._config["sensors"][name]
            try:
                module = __import__("firmware.device.drivers." + rule["chip"], None, None, ("Driver",))
                options = dict(rule["options"] or {})
                bus = self._counter(name, rule) if rule["bus"].startswith("pulse") else self._board.bus(rule["bus"])
                driver = module.Driver(bus, rule["address"], **options)
            except (ImportError, TypeError, ValueError, KeyError) as error:
                raise SensorFault("config", repr(error)) from None
            except OSError as error:
                raise SensorFault("bus", repr(error)) from None
            self._drivers[name] = driver
        return driver

    def start(self, name, ambient):
        """Milliseconds until it may be read. Raises SensorFault."""
        return self._unlocked(name, lambda: self._driver(name).start(ambient))

    def read(self, name, ambient):
        """{quantity: value}. Raises SensorFault."""
        return self._unlocked(name, lambda: self._driver(name).read(ambient))

    def stop(self, name):
        try:
            if name in self._drivers:
                self._drivers[name].stop()
        except Exception:  # a sensor that cannot even be switched off
            pass

    def _unlocked(self, name, what):
        """Once more where a chip held the bus low and it was clocked free: the others on it are not to suffer."""
        try:
            return self._guarded(what)
        except SensorFault as fault:
            bus = self._config["sensors"][name]["bus"]
            # With its data line low some chips' controllers report that nobody acknowledged.
            if fault.code not in ("bus", "missing") or not bus.startswith("i2c"):
                raise
            if not self._guarded(lambda: self._board.unlock(bus)):
                raise
        return self._guarded(what)

    def _guarded(self, what):
        try:
            return what()
        except SensorFault:
            raise
        except OSError as error:
            raise SensorFault("bus", repr(error)) from None
        except Exception as error:  # a driver that is wrong must not end the cycle
            raise SensorFault("self_test", repr(error)) from None
