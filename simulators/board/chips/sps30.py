"""SPS30 on I2C. Sensirion datasheet SPS30, version 1.0: 6 (I2C), 4 (states). `dust` is shared with its serial half.

It has new values once a second; after a start the fan needs up to 30 s until they are right. Asleep it takes nothing
but waking, of which the first transfer only wakes the interface.
"""

import struct

from simulators.board import part, timeline
from simulators.board.part import Nack

_START, _STOP, _READY, _READ = 0x0010, 0x0104, 0x0202, 0x0300
_SLEEP, _WAKE, _CLEAN, _INTERVAL = 0x1001, 0x1103, 0x5607, 0x8004
_TYPE, _SERIAL, _VERSION, _STATUS, _CLEAR, _RESET = 0xD002, 0xD033, 0xD100, 0xD206, 0xD210, 0xD304
STARTS_US = 8000000


class Dust:
    """The measuring half, whatever the interface."""

    def __init__(self, truth, kept):
        self._truth, self.kept = truth, kept

    def start(self, form):
        self.kept.update({"since": timeline.true_us, "form": form, "read": timeline.true_us})

    def stop(self):
        self.kept.pop("since", None)

    def runs(self):
        return "since" in self.kept

    def is_fresh(self):
        return self.runs() and timeline.true_us - self.kept["read"] >= 1000000

    def values(self):
        """PM1, 2.5, 4, 10 in µg/m³; particles above 0.5 to 10 µm in 1/cm³; typical size in µm."""
        ran_us = timeline.true_us - self.kept["since"]
        share = min(1.0, ran_us / STARTS_US)
        pm1, pm2, pm10 = [self._truth(name) * share for name in ("pm1", "pm2_5", "pm10")]
        self.kept["read"] += (timeline.true_us - self.kept["read"]) // 1000000 * 1000000
        pm4 = pm2 + (pm10 - pm2) * 0.5
        return (pm1, pm2, pm4, pm10, pm1 * 5, pm1 * 7, pm1 * 7.3, pm1 * 7.4, pm1 * 7.5, 0.6)

    def packed(self):
        """As the start asked: floats, or numbers of 16 bits."""
        values = self.values()
        if self.kept["form"] == 3:
            return struct.pack(">10f", *values)
        whole = [int(value * (1000 if i == 9 else 1) + 0.5) for i, value in enumerate(values)]
        return struct.pack(">10H", *whole)


class Part(part.Part):
    def __init__(self, truth, faults=None, kept=None):
        super().__init__(truth, faults, kept)
        self.dust = Dust(truth, self.kept)
        self._ready_us = 0
        self._answer = None

    def written(self, data):
        if len(data) < 2 or timeline.true_us < self._ready_us:
            raise Nack()
        command, words = data[0] << 8 | data[1], part.checked(data[2:])
        self._answer = None
        if self.kept.get("asleep"):
            self._asleep(command)
            return
        if command == _START:
            if self.dust.runs() or not words or words[0] >> 8 not in (3, 5):
                raise Nack()
            self.dust.start(words[0] >> 8)
            self._busy(20)
        elif command == _STOP:
            self.dust.stop()
            self._busy(20)
        elif command == _READY:
            self._answer = struct.pack(">H", self.dust.is_fresh())
        elif command == _READ and self.dust.runs():
            self._answer = self.dust.packed()
        elif command == _CLEAN and self.dust.runs():
            self._busy(5)
        elif command == _SLEEP and not self.dust.runs():
            self.kept["asleep"] = 1
            self._busy(5)
        elif command == _INTERVAL:
            if words:
                self.kept["interval"] = words
                self._busy(20)
            self._answer = struct.pack(">HH", *self.kept.get("interval", (0x0009, 0x3A80)))
        elif command == _RESET:
            self.kept.clear()
            self._busy(100)
        else:
            self._about(command)

    def _busy(self, ms):
        self._ready_us = timeline.true_us + ms * 1000

    def _asleep(self, command):
        until_us = self.kept.get("interface_until", 0)
        if command != _WAKE or timeline.true_us > until_us:
            self.kept["interface_until"] = timeline.true_us + 100000
            raise Nack()
        del self.kept["asleep"]
        self._busy(5)

    def _about(self, command):
        if command == _TYPE:
            self._answer = b"00080000"
        elif command == _SERIAL:
            self._answer = b"A1B2C3D4E5F60718" + b"\0" * 16
        elif command == _VERSION:
            self._answer = b"\x02\x02"
        elif command == _STATUS:
            self._answer = b"\0\0\0\0"
        elif command not in (_CLEAR, _WAKE):
            raise Nack()

    def read(self, n):
        if self._answer is None or timeline.true_us < self._ready_us:
            raise Nack()
        data = self._answer
        values = [data[i] << 8 | data[i + 1] for i in range(0, len(data), 2)]
        return part.words(values, self.has("bad_crc"))[:n]
