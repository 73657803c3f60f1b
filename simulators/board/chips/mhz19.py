"""MH-Z19B. Winsen manual V1.0: answers 0x86 with ppm, takes 0x79 (self-calibration) without an answer."""

from simulators.board import part, timeline


class Part(part.Part):
    baud = 9600

    def __init__(self, truth, faults=None, kept=None):
        super().__init__(truth, faults, kept)
        self._got, self._answers = bytearray(), []

    def received(self, data):
        self._got += data
        while len(self._got) >= 9:
            c = bytes(self._got[:9])
            if c[:2] != b"\xff\x01" or sum(c[1:9]) & 0xFF:
                self._got = self._got[1:]
                continue
            self._got = self._got[9:]
            if c[2] == 0x79:
                self.kept["self_calibration"] = c[3] == 0xA0
            elif c[2] == 0x86:
                self._answers.append((timeline.true_us + 15000, self._answer()))

    def _answer(self):
        ppm = int(self.truth("co2") + 0.5)
        body = bytes((0x86, ppm >> 8, ppm & 0xFF, int(self.truth("air_temperature")) + 40, 0, 0, 0))
        return b"\xff" + body + bytes((-sum(body) + (3 if self.has("bad_crc") else 0) & 0xFF,))

    def next_frame(self, after_us, until_us):
        if self._answers and self._answers[0][0] <= until_us:
            return self._answers.pop(0)
        return None
