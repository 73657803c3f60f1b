"""SDS011. Nova Fitness "Laser Dust Sensor Control Protocol" V1.3: a frame a second while awake, answers to settings."""

from simulators.board import part, timeline

_SECOND_US = 1000000


class Part(part.Part):
    baud = 9600

    def __init__(self, truth, faults=None, kept=None):
        super().__init__(truth, faults, kept)
        self._got, self._answers = bytearray(), []
        self.kept.setdefault("since", timeline.true_us)

    def received(self, data):
        self._got += data
        while len(self._got) >= 19:
            c = bytes(self._got[:19])
            if c[:2] != b"\xaa\xb4" or sum(c[2:17]) & 0xFF != c[17] or c[18] != 0xAB:
                self._got = self._got[1:]
                continue
            self._got = self._got[19:]
            self._take(c[2], c[3], c[4])

    def _take(self, kind, write, value):
        if kind == 6 and write:
            if value and self.kept.pop("asleep", None):
                self.kept["since"] = timeline.true_us
            elif not value:
                self.kept["asleep"] = 1
        elif self.kept.get("asleep"):
            return
        self._answers.append((timeline.true_us + 15000, self._framed(0xC5, bytes((kind, write, value, 0)))))

    def _framed(self, kind, four):
        body = four + b"\xa1\x60"
        return bytes((0xAA, kind)) + body + bytes((sum(body) + (7 if self.has("bad_crc") else 0) & 0xFF, 0xAB))

    def measurement(self):
        fine, coarse = [int(self.truth(name) * 10 + 0.5) for name in ("pm2_5", "pm10")]
        return self._framed(0xC0, bytes((fine & 0xFF, fine >> 8, coarse & 0xFF, coarse >> 8)))

    def next_frame(self, after_us, until_us):
        if self._answers and self._answers[0][0] <= until_us:
            return self._answers.pop(0)
        if self.kept.get("asleep"):
            return None
        number = max(1, (after_us - self.kept["since"]) // _SECOND_US + 1)
        moment_us = self.kept["since"] + number * _SECOND_US
        return (moment_us, self.measurement()) if moment_us <= until_us else None
