"""PMS5003 and PMSA003. Plantower data manual, series PMSX003, V2.5: appendix I and II (protocol), "fan" notes.

In active mode a frame comes every second (the manual: 0.2 to 2.3 s). After waking the fan needs 30 s until values are
right; until then they are too low.
"""

import struct

from simulators.board import part, timeline

_SECOND_US = 1000000
_STABLE_US = 30 * _SECOND_US
_FRAME_US = 32 * 10 * _SECOND_US // 9600


class Part(part.Part):
    baud = 9600

    def __init__(self, truth, faults=None, kept=None):
        super().__init__(truth, faults, kept)
        self._got = bytearray()
        self._answers = []
        self.kept.setdefault("since", timeline.true_us)

    def received(self, data):
        self._got += data
        while len(self._got) >= 7:
            command = bytes(self._got[:7])
            if command[:2] != b"BM" or sum(command[:5]) != command[5] << 8 | command[6]:
                self._got = self._got[1:]
                continue
            self._got = self._got[7:]
            self._take(command[2], command[4])

    def _take(self, command, value):
        if self.kept.get("asleep") and (command, value) != (0xE4, 1):
            return
        if command == 0xE2 and self.kept.get("passive"):
            self._answer(self._frame())
        elif command == 0xE1:
            self.kept["passive"] = 1 - value
            self._acknowledge(command, value)
        elif command == 0xE4 and value == 0:
            self.kept["asleep"] = 1
            self._acknowledge(command, value)
        elif command == 0xE4 and self.kept.pop("asleep", None):
            self.kept["since"] = timeline.true_us

    def _acknowledge(self, command, value):
        self._answer(_sealed(b"BM\0\4" + bytes((command, value))))

    def _answer(self, frame):
        self._answers.append((timeline.true_us + len(frame) * 10 * _SECOND_US // 9600 + 5000, frame))

    def _frame(self):
        ran_us = timeline.true_us - self.kept["since"]
        share = min(1.0, 0.2 + 0.8 * ran_us / _STABLE_US)
        pm = [int(self.truth(name) * share + 0.5) for name in ("pm1", "pm2_5", "pm10")]
        counts = [pm[1] * 180, pm[1] * 55, pm[1] * 9, pm[1] * 2, max(0, pm[2] - pm[1]), max(0, pm[2] - pm[1]) // 2]
        standard = [int(value * (1.5 if value > 30 else 1)) for value in pm]  # CF=1 is for factories
        frame = _sealed(struct.pack(">2sH13H", b"BM", 28, *standard, *pm, *counts, 0x9700))
        return frame[:-1] + bytes((frame[-1] ^ 0x55,)) if self.has("bad_crc") else frame

    def next_frame(self, after_us, until_us):
        if self._answers and self._answers[0][0] <= until_us:
            return self._answers.pop(0)
        if self.kept.get("asleep") or self.kept.get("passive"):
            return None
        since_us = self.kept["since"]
        number = max(1, (after_us - since_us) // _SECOND_US + 1)
        moment_us = since_us + number * _SECOND_US
        return (moment_us, self._frame()) if moment_us <= until_us else None


def _sealed(data):
    return data + struct.pack(">H", sum(data) & 0xFFFF)
