"""The flash chip: a file that behaves like NOR flash. A write clears bits, only an erase sets them.

Faults: `bad_at` (an address at which a bit does not hold), and `cut`, with which the next erase or write is half done
and raises PowerCut.
"""

import hashlib
import os
from pathlib import Path

SECTOR = 4096
MB = 1 << 20


class PowerCut(Exception):
    """The power went in the middle of it."""


class FlashFile:
    """`size_mb` MiB in `path`; a new one is erased. A file of another size keeps its beginning."""

    def __init__(self, path: Path, size_mb: int) -> None:
        self.path, self.size = path, size_mb * MB
        self.bad_at: set[int] = set()
        self.cut = False
        self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        here = os.fstat(self._file).st_size
        for at in range(here, self.size, MB):
            os.pwrite(self._file, b"\xff" * min(MB, self.size - at), at)
        os.ftruncate(self._file, self.size)

    def close(self) -> None:
        """Give the file back."""
        os.close(self._file)

    def read(self, at: int, n: int) -> bytes:
        """What stands there; 0xFF past the end."""
        data = os.pread(self._file, n, at)
        return data + b"\xff" * (n - len(data))

    def md5(self, at: int, n: int) -> bytes:
        """MD5 of a stretch, 16 bytes."""
        digest = hashlib.md5(usedforsecurity=False)
        for begin in range(at, at + n, MB):
            digest.update(self.read(begin, min(MB, at + n - begin)))
        return digest.digest()

    def holds(self, at: int, n: int) -> bool:
        """Whether the chip is that large."""
        return at >= 0 and at + n <= self.size

    def erase(self, at: int, n: int) -> None:
        """All sectors that this stretch touches. Raises PowerCut."""
        first = at // SECTOR * SECTOR
        last = min(-(-(at + n) // SECTOR) * SECTOR, self.size)
        cut, self.cut = self.cut, False
        if cut:
            last = first + (last - first) // 2
        for begin in range(first, last, MB):
            os.pwrite(self._file, b"\xff" * min(MB, last - begin), begin)
        if cut:
            raise PowerCut

    def program(self, at: int, data: bytes) -> None:
        """Clear the bits that are 0 in `data`. Raises PowerCut."""
        cut, self.cut = self.cut, False
        if cut:
            data = data[: len(data) // 2]
        before = self.read(at, len(data))
        if before.count(0xFF) != len(before):  # not erased
            merged = int.from_bytes(before, "little") & int.from_bytes(data, "little")
            data = merged.to_bytes(len(data), "little")
        for bad in self.bad_at:
            if at <= bad < at + len(data):
                data = data[: bad - at] + bytes((data[bad - at] ^ 0x10,)) + data[bad - at + 1 :]
        os.pwrite(self._file, data[: max(0, self.size - at)], at)
        if cut:
            raise PowerCut
