"""The flash that a file system lives on: a block device over a file of the host. It can lose power. MicroPython only.

A write in which the power fails is half done; from then on nothing is written any more. Errors are returned, not
raised: littlefs calls from finalisers, where the heap is locked. Interface: MicroPython's vfs.AbstractBlockDev.
"""

import errno
from struct import pack

from simulators.board import timeline

BLOCK = 4096
ERASE = 0xFFFF  # in the log of writes (chip.json: log_flash), in place of an offset


class Flash:
    """`blocks` of 4 KiB from the block `first` of the file; a new file is erased (0xFF)."""

    def __init__(self, path, blocks=256, first=0):
        self._blocks, self._begin = blocks, first * BLOCK
        try:
            self._file = open(path, "r+b")
        except OSError:
            with open(path, "wb") as file:
                for _ in range(blocks):
                    file.write(b"\xff" * BLOCK)
            self._file = open(path, "r+b")
        self.erases = 0  # since this start
        self.programmed = 0  # bytes
        self._log = open(timeline.folder + "/flash.log", "wb") if timeline.chip.get("log_flash") else None

    def readblocks(self, block, buffer, offset=0):
        self._file.seek(self._begin + block * BLOCK + offset)
        self._file.readinto(buffer)
        return 0

    def writeblocks(self, block, buffer, offset=None):
        if timeline.is_dead():
            return -errno.EIO
        if offset is None:
            self.ioctl(6, block)
            offset = 0
        cut = timeline.durable_write()
        if self._log:
            self._log.write(pack("<HHH", block, offset, len(buffer)))
            self._log.write(buffer)
        self._file.seek(self._begin + block * BLOCK + offset)
        self._file.write(memoryview(buffer)[: len(buffer) // 2] if cut else buffer)
        self.programmed += len(buffer)
        return self._cut() if cut else 0

    def ioctl(self, what, block):
        if what == 3:  # sync
            self._file.flush()
        elif what == 4:
            return self._blocks
        elif what == 5:
            return BLOCK
        elif what == 6:  # erase
            if timeline.is_dead():
                return -errno.EIO
            cut = timeline.durable_write()
            if self._log:
                self._log.write(pack("<HHH", block, ERASE, 0))
            self._file.seek(self._begin + block * BLOCK)
            for _ in range(BLOCK // 512 // (2 if cut else 1)):
                self._file.write(_ERASED)
            self.erases += 1
            return self._cut() if cut else 0
        return 0

    def _cut(self):
        """The power has failed: the file keeps what was written, and the next look at a clock ends everything."""
        self._file.flush()
        timeline.fail_power()
        return -errno.EIO


_ERASED = b"\xff" * 512
