"""One reading as it stands on flash, and readings found again in bytes that may be damaged.

A record: sync 0xA5, length of the payload, boot (u16), uptime in seconds (u32), seq (u32), the payload (one reading in
the binary wire format), CRC-32 of all before it. Little-endian. Time may be unknown in the payload: boot and uptime
tell it later. The rule: what does not check is skipped byte by byte until a record checks again.
"""

from binascii import crc32
from collections import namedtuple
from struct import pack, unpack_from

from schemas.wire_base import WireError

SYNC = 0xA5
_HEAD = "<BBHII"
HEAD_BYTES, CRC_BYTES = 12, 4
PAYLOAD_MAX = 255

# `payload` is decoded only where it is needed.
Record = namedtuple("Record", ("boot", "uptime_s", "seq", "payload"))


def pack_record(reading, boot, uptime_s):
    """The bytes of a schemas.wire.WireReading. Raises WireError for what does not fit."""
    from schemas.wire import encode  # loaded by whoever holds it: a radio has no room for it all the time

    payload, _ = encode([reading], PAYLOAD_MAX)
    body = pack(_HEAD, SYNC, len(payload), boot & 0xFFFF, uptime_s & 0xFFFFFFFF, reading.seq) + payload
    return body + pack("<I", crc32(body) & 0xFFFFFFFF)


_RECORD_MAX = HEAD_BYTES + PAYLOAD_MAX + CRC_BYTES


def scan(file):
    """`([offset of a record], bytes that belong to none, bytes that follow the last one)` of a segment.

    `file`: open for reading, with `seek` and `readinto`. One record at a time is in memory, never the segment.
    """
    buffer = bytearray(_RECORD_MAX)
    offsets: list = []
    at = lost = behind = 0
    while True:
        file.seek(at)
        n = file.readinto(buffer)
        if not n:
            return offsets, lost, behind
        size = _size(buffer, n)
        if size:
            offsets.append(at)
            behind = 0
        else:
            lost += 1
            behind += 1
        at += size or 1


def _size(buffer, n):
    """Bytes of the record at the beginning of n bytes, 0 where there is none that checks."""
    if buffer[0] != SYNC or n < HEAD_BYTES + CRC_BYTES:
        return 0
    end = HEAD_BYTES + buffer[1]
    if end + CRC_BYTES > n:
        return 0
    if unpack_from("<I", buffer, end)[0] != crc32(memoryview(buffer)[:end]) & 0xFFFFFFFF:
        return 0
    return end + CRC_BYTES


def record_at(file, at):
    """The Record at an offset that `scan` gave."""
    file.seek(at)
    head = file.read(HEAD_BYTES)
    _, length, boot, uptime_s, seq = unpack_from(_HEAD, head, 0)
    return Record(boot, uptime_s, seq, file.read(length))


def reading_of(record):
    """The WireReading in a record; None where the payload is no frame of this version (a later firmware wrote it)."""
    from schemas.wire import decode

    try:
        return decode(record.payload).readings[0]
    except WireError:
        return None
