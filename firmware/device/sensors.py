"""The sensors of the configuration as drivers, loaded by name: a chip that is not configured costs no memory.

The rule: nothing that a driver does, forgets or was not given ends the cycle; every failure has a code of
edge.sensors.fault. MicroPython only.
"""

from edge.sensors.fault import SensorFault


class Sensors:
    """`board.bus(name)` gives the bus, `counters` the contacts; drivers are made once."""

    def __init__(self, board, config, counters):
        self._board, self._config, self._counters = board, config, counters
        self._drivers = {}

    def _driver(self, name):
        driver = self._drivers.get(name)
        if driver is None:
            rule = self._config["sensors"][name]
            try:
                module = __import__("firmware.device.drivers." + rule["chip"], None, None, ("Driver",))
                options = dict(rule["options"] or {})
                if rule["bus"].startswith("pulse"):
                    options.pop("debounce_ms", None)
                    bus = self._counters[name]
                else:
                    bus = self._board.bus(rule["bus"])
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
