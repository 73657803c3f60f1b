"""SCD40 and SCD41. Sensirion datasheet SCD4x, version 1.6: table 9 (commands and durations), 3.5 to 3.11.

It measures the density of CO2, so that at another pressure than it was told it is wrong in proportion. While it
measures periodically it takes only what table 9 allows. Settings last until power is lost, unless they were persisted.
"""

from simulators.board import part, timeline
from simulators.board.part import Nack, clamp

_WORD = {0x241D: "offset", 0x2427: "altitude", 0xE000: "pressure", 0x2416: "self_calibration"}  # set
_ASK = {0x2318: "offset", 0x2322: "altitude", 0xE000: "pressure", 0x2313: "self_calibration"}
_DEFAULTS = {"offset": 1498, "altitude": 0, "pressure": 0, "self_calibration": 1}  # 1498: 4 °C of self-heating
_WHILE_MEASURING = (0xEC05, 0xE4B8, 0x3F86, 0xE000)
_PERIOD_US = {0x21B1: 5000000, 0x21AC: 30000000}


class Part(part.Part):
    def __init__(self, truth, faults=None, kept=None, model="scd41"):
        super().__init__(truth, faults, kept)
        self._model = model
        self._ready_us = 0
        self._answer = None
        self._co2_offset = 0

    def _setting(self, name):
        return self.kept.get(name, self.kept.get("eeprom", {}).get(name, _DEFAULTS[name]))

    def written(self, data):
        if timeline.true_us < self._ready_us or len(data) < 2:
            raise Nack()
        command, words = data[0] << 8 | data[1], part.checked(data[2:])
        self._answer = None
        if self.kept.get("down"):
            if command == 0x36F6:  # wake_up: done, and not acknowledged
                del self.kept["down"]
                self._ready_us = timeline.true_us + 30000
            raise Nack()
        if self.kept.get("periodic") and command not in _WHILE_MEASURING:
            raise Nack()
        if command in _WORD and words:
            self.kept[_WORD[command]] = words[0]
            self._busy(1)
        elif command in _ASK:
            self._busy(1, (self._setting(_ASK[command]),))
        elif command in _PERIOD_US:
            self.kept["periodic"] = [timeline.true_us, _PERIOD_US[command]]
        else:
            self._other(command, words)

    def _busy(self, ms, answer=None):
        self._ready_us = timeline.true_us + ms * 1000
        self._answer = answer

    def _other(self, command, words):
        if command == 0xEC05:
            self._read_measurement()
        elif command == 0xE4B8:
            self._busy(1, (0x8006 if self._is_fresh() else 0x8000,))
        elif command == 0x3F86:
            self.kept.pop("periodic", None)
            self._busy(500)
        elif command == 0x362F:
            self._busy(400, (self._recalibrated(words[0]),))
        elif command == 0x3615:
            self.kept["eeprom"] = {name: self._setting(name) for name in _DEFAULTS if name != "pressure"}
            self._busy(800)
        elif command == 0x3682:
            self._busy(1, (0xF896, 0x31AB, 0x07E9))
        elif command == 0x3639:
            self._busy(10000, (0,))
        elif command == 0x3632:
            self.kept.clear()
            self._busy(1200)
        elif command == 0x3646:
            self._forget()
            self._busy(30)
        elif command in (0x219D, 0x2196, 0x36E0) and self._model == "scd40":
            raise Nack()  # the SCD41's
        elif command == 0x219D:
            self.kept["single"] = timeline.true_us
            self._busy(5000)
        elif command == 0x2196:
            self.kept["single"] = timeline.true_us
            self.kept["no_co2"] = 1
            self._busy(50)
        elif command == 0x36E0:
            self.kept["down"] = 1
        else:
            raise Nack()

    def _forget(self):
        eeprom = self.kept.get("eeprom")
        self.kept.clear()
        if eeprom:
            self.kept["eeprom"] = eeprom

    def _is_fresh(self):
        periodic = self.kept.get("periodic")
        if periodic:
            return timeline.true_us - periodic[0] >= periodic[1]
        return "single" in self.kept

    def _read_measurement(self):
        if not self._is_fresh():
            self._answer = None  # nothing to read: the read header is not acknowledged
            return
        periodic = self.kept.get("periodic")
        if periodic:
            periodic[0] += (timeline.true_us - periodic[0]) // periodic[1] * periodic[1]
        self.kept.pop("single", None)
        co2 = 0 if self.kept.pop("no_co2", None) else self._co2()
        t = self.truth("air_temperature") + 4.0 - self._setting("offset") * 175 / 65535
        rh = clamp(self.truth("relative_humidity"), 0, 100)
        self._busy(1, (co2, int((t + 45) * 65535 / 175 + 0.5), int(rh * 65535 / 100 + 0.5)))

    def _co2(self):
        told = self._setting("pressure")
        if not told:
            told = 1013.25 * (1 - 2.25577e-5 * self._setting("altitude")) ** 5.25588
        seen = self.truth("co2") * self.truth("air_pressure") / told
        return int(clamp(seen + self._co2_offset, 0, 40000) + 0.5)

    def _recalibrated(self, target_ppm):
        """The correction, 0x8000 added to it; 0xFFFF where it has not measured for long enough."""
        correction = target_ppm - self._co2()
        self._co2_offset += correction
        return correction + 0x8000

    def read(self, n):
        if self._answer is None or timeline.true_us < self._ready_us:
            raise Nack()
        answer, self._answer = self._answer, None
        return part.words(answer, self.has("bad_crc"))[:n]
