"""One reading as it stands on flash, and readings found again in bytes that may be damaged.

A record: sync 0xA5, length of the payload, boot (u16), uptime in seconds (u32), seq (u32), the payload (one reading in
the binary wire format), CRC-32 of all before it. Little-endian. Time may be unknown in the payload: boot and uptime
tell it later. The rule: what does not check is skipped byte by byte until a record checks again.
"""

from binascii import crc32
from collections import namedtuple
from struct import pack, unpack_from

from schemas import wire

SYNC = 0xA5
_HEAD = "<BBHII"
HEAD_BYTES, CRC_BYTES = 12, 4
PAYLOAD_MAX = 255

# `payload` is decoded only where it is needed.
Record = namedtuple("Record", ("boot", "uptime_s", "seq", "payload"))


def pack_record(reading, boot, uptime_s):
    """The bytes of a schemas.wire.WireReading. Raises WireError for what does not fit."""
    payload, _ = wire.encode([reading], PAYLOAD_MAX)
    body = pack(_HEAD, SYNC, len(payload), boot & 0xFFFF, uptime_s & 0xFFFFFFFF, reading.seq) + payload
    return body + pack("<I", crc32(body) & 0xFFFFFFFF)


def scan(data):
    """`([offset of a record], bytes that belong to none, bytes that follow the last one)` of a segment."""
    offsets, at, lost, behind = [], 0, 0, 0
    while at < len(data):
        size = _size(data, at)
        if size:
            offsets.append(at)
            behind = 0
        else:
            lost += 1
            behind += 1
        at += size or 1
    return offsets, lost, behind


def _size(data, at):
    """Bytes of the record at an offset, 0 where there is none that checks."""
    if data[at] != SYNC or at + HEAD_BYTES + CRC_BYTES > len(data):
        return 0
    end = at + HEAD_BYTES + data[at + 1]
    if end + CRC_BYTES > len(data):
        return 0
    if unpack_from("<I", data, end)[0] != crc32(data[at:end]) & 0xFFFFFFFF:
        return 0
    return end + CRC_BYTES - at


def seq_at(data, at):
    """The seq of the record at an offset that `scan` gave."""
    return unpack_from("<I", data, at + HEAD_BYTES - 4)[0]


def record_at(data, at):
    """The Record at an offset that `scan` gave."""
    _, length, boot, uptime_s, seq = unpack_from(_HEAD, data, at)
    return Record(boot, uptime_s, seq, bytes(data[at + HEAD_BYTES : at + HEAD_BYTES + length]))


def reading_of(record):
    """The WireReading in a record; None where the payload is no frame of this version (a later firmware wrote it)."""
    try:
        return wire.decode(record.payload).readings[0]
    except wire.WireError:
        return None
