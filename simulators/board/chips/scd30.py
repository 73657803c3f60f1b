"""SCD30. Sensirion interface description SCD30, version 1.0: 1.4 (commands, CRCs), 1.4.6 (self-calibration is kept)."""

import struct

from simulators.board import part, timeline
from simulators.board.part import Nack

_EVERY_US = 2000000
_ANSWER_US = 3000  # between a command and the read header


class Part(part.Part):
    def __init__(self, truth, faults=None, kept=None):
        super().__init__(truth, faults, kept)
        self._answer, self._ready_us = None, 0
        self.writes = 0  # to its own flash

    def written(self, data):
        if len(data) < 2:
            raise Nack()
        command, words = data[0] << 8 | data[1], part.checked(data[2:])
        self._answer = None
        if command == 0x0010 and words and (words[0] == 0 or 700 <= words[0] <= 1400):
            self.kept["pressure"] = words[0]
            self.kept["next"] = timeline.true_us + _EVERY_US
        elif command == 0x0104:
            self.kept.pop("next", None)
        elif command == 0x5306 and words:
            self.kept.setdefault("eeprom", {})["self_calibration"] = words[0]
            self.writes += 1
        elif command == 0x5306:
            self._say((self.kept.get("eeprom", {}).get("self_calibration", 0),))
        elif command == 0x0202:
            self._say((1 if self._is_fresh() else 0,))
        elif command == 0x0300 and self._is_fresh():
            self.kept["next"] = timeline.true_us + _EVERY_US
            told = self.kept["pressure"] or 1013.25
            co2 = self.truth("co2") * self.truth("air_pressure") / told
            values = struct.pack(">3f", co2, self.truth("air_temperature"), self.truth("relative_humidity"))
            self._say(struct.unpack(">6H", values))
        else:
            raise Nack()

    def _is_fresh(self):
        return timeline.true_us >= self.kept.get("next", 1 << 62)

    def _say(self, words):
        self._answer, self._ready_us = words, timeline.true_us + _ANSWER_US

    def read(self, n):
        if self._answer is None or timeline.true_us < self._ready_us:
            raise Nack()
        return part.words(self._answer, self.has("bad_crc"))[:n]
