"""Under MicroPython: the block writes of outbox_run.py again, one by one, each torn in the middle; is the outbox whole?

For each write k: the flash as it was after k - 1 writes and half of the k-th is mounted, read, and written on; what
the check writes is thrown away. Prints how many cuts were looked at, and every one that broke the promise.
"""

import os
import sys
from struct import unpack

import vfs

from edge.outbox.outbox import Outbox
from edge.outbox.record import record_at, scan
from firmware.device.store import Files
from schemas.wire import WireReading
from simulators.board.flash import BLOCK, ERASE

IMAGE, LOG, STEPS, FROM, STEP = sys.argv[2], sys.argv[3], sys.argv[4], int(sys.argv[5]), int(sys.argv[6])
NEXT = WireReading(0, 0, 1790000000, None, "lorawan", 0.5, {"air_temperature": 1.5}, 0)


class Torn:
    """A device over the image; what is written to it is kept in memory and forgotten."""

    def __init__(self, file, blocks):
        self._file, self._blocks = file, blocks
        self.own = {}

    def tear(self, block, offset, data):
        self.own = {}
        self._of(block)[offset : offset + len(data)] = data

    def _of(self, block):
        if block not in self.own:
            whole = bytearray(BLOCK)
            self._file.seek(block * BLOCK)
            self._file.readinto(whole)
            self.own[block] = whole
        return self.own[block]

    def readblocks(self, block, buffer, offset=0):
        if block in self.own:
            buffer[:] = memoryview(self.own[block])[offset : offset + len(buffer)]
        else:
            self._file.seek(block * BLOCK + offset)
            self._file.readinto(buffer)

    def writeblocks(self, block, buffer, offset=0):
        self._of(block)[offset : offset + len(buffer)] = buffer

    def ioctl(self, what, block):
        if what == 4:
            return self._blocks
        if what == 5:
            return BLOCK
        if what == 6:
            self.own[block] = bytearray(b"\xff" * BLOCK)
        return 0


def steps():
    """[(writes before it, kind, a, b)] of the run."""
    with open(STEPS) as file:
        rows = [line.split() for line in file]
    return [(int(r[0]), r[1], int(r[2]), int(r[3]) if len(r) > 3 else 0) for r in rows]


def check(device, put, acks):
    """None, or what is wrong; `put`: the reading that was being written or has been, `acks`: what was told."""
    vfs.mount(vfs.VfsLfs2(device), "/torn")
    try:
        outbox = Outbox(Files("/torn/outbox"), 4)
        if put == 1 and outbox.held_generation is None:
            return None
        if not outbox.certain or outbox.damaged:
            return "damaged"
        last = outbox.next_seq - 1
        if last not in (put - 1, put):
            return "the count stands at %d" % last
        held = set()
        for name in os.listdir("/torn/outbox"):
            if len(name) == 16:
                with open("/torn/outbox/" + name, "rb") as file:
                    held |= set([record_at(file, at).seq for at in scan(file)[0]])
        missing = [seq for seq in range(1, last + 1) if seq not in held and not any(a <= seq <= b for a, b in acks)]
        if len(missing) > outbox.forgotten or (missing and missing[-1] >= min(held)):
            return "missing %s, %d are said to be forgotten" % (missing, outbox.forgotten)
        outbox.begin(1, True)
        reading, stored = outbox.put(NEXT, 2, 60)
        newest = next(outbox.newest_first())[0]
        if not stored or newest.seq != last + 1 or newest.values != NEXT.values:
            return "it does not go on"
        return None
    finally:
        vfs.umount("/torn")


def main():
    todo = steps()
    image = open(IMAGE, "r+b")
    log = open(LOG, "rb")
    device = Torn(image, os.stat(IMAGE)[6] // BLOCK)
    put, acks, n, looked, row = 0, [], 0, 0, 0
    erased = b"\xff" * BLOCK
    while True:
        head = log.read(6)
        if len(head) < 6:
            break
        block, offset, size = unpack("<HHH", head)
        data = erased if offset == ERASE else log.read(size)
        offset = 0 if offset == ERASE else offset
        while row < len(todo) and todo[row][0] <= n:
            _, kind, a, b = todo[row]
            if kind == "put":
                put = a
            elif kind == "ack":
                acks.append((a, b))
            row += 1
        n += 1
        if put and n % STEP == FROM:
            device.tear(block, offset, data[: len(data) // 2])
            wrong = check(device, put, acks)
            looked += 1
            if wrong:
                print("write", n, "put", put, wrong)
        image.seek(block * BLOCK + offset)
        image.write(data)
    print("looked", looked)


main()
