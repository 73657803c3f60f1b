"""SPS30 on its serial port: SHDLC frames. Sensirion datasheet SPS30, version 1.0: 5 (frames, stuffing, states)."""

import struct

from simulators.board import part, timeline
from simulators.board.chips.sps30 import Dust

_OK, _WRONG_LENGTH, _UNKNOWN, _NOT_NOW = 0, 1, 2, 0x43
_STUFFED = {0x7E: 0x5E, 0x7D: 0x5D, 0x11: 0x31, 0x13: 0x33}


class Part(part.Part):
    baud = 115200

    def __init__(self, truth, faults=None, kept=None):
        super().__init__(truth, faults, kept)
        self.dust = Dust(truth, self.kept)
        self._got = bytearray()
        self._answers = []  # (moment, frame)

    def received(self, data):
        for byte in data:
            if self.kept.get("asleep") and byte == 0xFF:
                self.kept["interface_until"] = timeline.true_us + 100000  # a low pulse wakes the interface
            elif byte != 0x7E:
                self._got.append(byte)
            elif self._got:
                frame, self._got = _unstuffed(self._got), bytearray()
                self._take(frame)

    def _take(self, frame):
        if len(frame) < 4 or sum(frame) & 0xFF != 0xFF or frame[2] != len(frame) - 4 or frame[0] != 0:
            return  # a frame that is wrong is not answered
        command, data = frame[1], bytes(frame[3:-1])
        if self.kept.get("asleep"):
            if command != 0x11 or timeline.true_us > self.kept.get("interface_until", 0):
                return
            del self.kept["asleep"]
            state, answer = _OK, b""
        else:
            state, answer = self._done(command, data)
        body = bytes((0, command, state, len(answer))) + answer
        check = ~sum(body) & 0xFF ^ (0x55 if self.has("bad_crc") else 0)
        self._answers.append((timeline.true_us + 5000, b"\x7e" + _stuffed(body + bytes((check,))) + b"\x7e"))

    def _done(self, command, data):
        runs = self.dust.runs()
        if command == 0x00:
            if len(data) != 2 or data[0] != 1 or data[1] not in (3, 5):
                return _WRONG_LENGTH, b""
            if runs:
                return _NOT_NOW, b""
            self.dust.start(data[1])
        elif command == 0x01:
            if not runs:
                return _NOT_NOW, b""
            self.dust.stop()
        elif command == 0x03:
            if not runs:
                return _NOT_NOW, b""
            return _OK, self.dust.packed() if self.dust.is_fresh() else b""
        elif command == 0x10:
            if runs:
                return _NOT_NOW, b""
            self.kept["asleep"] = 1
        elif command == 0x56:
            return (_OK if runs else _NOT_NOW), b""
        elif command == 0x80:
            if len(data) == 5:
                self.kept["interval"] = struct.unpack(">I", data[1:])[0]
                return _OK, b""
            return _OK, struct.pack(">I", self.kept.get("interval", 604800))
        elif command == 0xD0:
            return _OK, b"00080000\0" if data == b"\0" else b"A1B2C3D4E5F60718\0"
        elif command == 0xD1:
            return _OK, b"\x02\x02\x00\x07\x00\x02\x00"
        elif command == 0xD2:
            return _OK, b"\0\0\0\0\0"
        elif command == 0xD3:
            self.kept.clear()
        elif command != 0x11:
            return _UNKNOWN, b""
        return _OK, b""

    def next_frame(self, after_us, until_us):
        if self._answers and self._answers[0][0] <= until_us:
            return self._answers.pop(0)
        return None


def _unstuffed(data):
    made, escaped = bytearray(), False
    for byte in data:
        if byte == 0x7D:
            escaped = True
        else:
            made.append(byte ^ 0x20 if escaped else byte)
            escaped = False
    return made


def _stuffed(data):
    made = bytearray()
    for byte in data:
        if byte in _STUFFED:
            made += bytes((0x7D, _STUFFED[byte]))
        else:
            made.append(byte)
    return bytes(made)
