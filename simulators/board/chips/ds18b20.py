"""DS18B20. Analog Devices datasheet DS18B20, revision 6: table 1 (temperature), 3 (commands), figure 9 (scratchpad).

After power-up the scratchpad holds 85 °C until a conversion is done.
"""

import struct

from simulators.board import part, timeline

_CONVERT, _READ, _WRITE, _COPY, _RECALL, _POWER = 0x44, 0xBE, 0x4E, 0x48, 0xB8, 0xB4


def crc8(data):
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x8C if crc & 1 else 0)
    return crc


def rom(serial):
    """The eight bytes of ROM of a serial number: family 0x28, six bytes, CRC."""
    first = bytes((0x28,)) + struct.pack("<IH", serial & 0xFFFFFFFF, serial >> 32)
    return first + bytes((crc8(first),))


class Part(part.Part):
    def __init__(self, truth, faults=None, kept=None, quantity="air_temperature"):
        super().__init__(truth, faults, kept)
        self._quantity = quantity
        self._pad = bytearray(struct.pack("<hBBBBBB", 85 * 16, 0x4B, 0x46, 0x7F, 0xFF, 0x0C, 0x10))
        self._done_us = None
        self._command = None
        self._got = None
        self._answer = b""

    def reset(self):
        self._command, self._got, self._answer = None, None, b""

    def written(self, byte):
        self._settle()
        if self._got is not None:
            self._got.append(byte)
            if len(self._got) == 3:
                self._pad[2:5] = self._got
                self._pad[4] = byte & 0x60 | 0x1F
                self._got = None
            return
        self._command = byte
        if byte == _CONVERT:
            self._done_us = timeline.true_us + 93750 * (1 << (self._pad[4] >> 5 & 3))
        elif byte == _READ:
            check = crc8(self._pad) ^ (0x55 if self.has("bad_crc") else 0)
            self._answer = bytes(self._pad) + bytes((check,))
        elif byte == _WRITE:
            self._got = bytearray()
        elif byte in (_COPY, _RECALL):
            self._answer = b"\xff"

    def _settle(self):
        if self._done_us is None or timeline.true_us < self._done_us:
            return
        self._done_us = None
        lost = 3 - (self._pad[4] >> 5 & 3)  # bits that this resolution does not have
        value = self.truth(self._quantity) * 16
        raw = int(value + (0.5 if value >= 0 else -0.5))
        struct.pack_into("<h", self._pad, 0, raw >> lost << lost)

    def read(self):
        if self._command == _CONVERT:
            return 0xFF if self.read_bit() else 0
        if not self._answer:
            return 0xFF
        byte, self._answer = self._answer[0], self._answer[1:]
        return byte

    def read_bit(self):
        """After a conversion's start: 0 until it is done. After the question for its power: 1, it has its own."""
        self._settle()
        if self._command == _CONVERT:
            return 0 if self._done_us is not None else 1
        return 1
