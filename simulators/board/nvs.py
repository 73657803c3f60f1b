"""What NVS holds, in a partition of the flash, so that whoever erases the flash destroys it. MicroPython only.

Not ESP-IDF's format: two halves that take turns, in each `KNVS`, a number that counts up, length and CRC-32, then JSON
and 0xFF. The newest half that is whole counts, so that a loss of power in the middle of a write costs nothing older.
"""

import json
from binascii import crc32
from struct import pack, unpack

_MAGIC = b"KNVS"
_HEAD = 16


class Kept:
    """`size` bytes at `at` of the file `path`."""

    def __init__(self, path, at, size):
        self._file = open(path, "r+b")
        self._at, self._half = at, size // 2
        self._count = 0

    def read(self):
        """What was written last; {} where nothing is."""
        found = {}
        for n in range(2):
            self._file.seek(self._at + n * self._half)
            magic, count, length, check = unpack("<4sIII", self._file.read(_HEAD))
            if magic != _MAGIC or length > self._half - _HEAD or count <= self._count:
                continue
            body = self._file.read(length)
            if crc32(body) & 0xFFFFFFFF == check:
                found, self._count = json.loads(body), count
        return found

    def write(self, all):
        """Raises OSError where it does not fit."""
        body = json.dumps(all).encode()
        if len(body) > self._half - _HEAD:
            raise OSError(-4357)  # ESP_ERR_NVS_NOT_ENOUGH_SPACE
        self._count += 1
        self._file.seek(self._at + self._count % 2 * self._half)
        head = pack("<4sIII", _MAGIC, self._count, len(body), crc32(body) & 0xFFFFFFFF)
        self._file.write(head + body + b"\xff" * (self._half - _HEAD - len(body)))
        self._file.flush()
