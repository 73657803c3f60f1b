"""Counters out of a raw NVS partition, for a board whose MicroPython does not answer: a DevNonce must never start anew.

The rule: only what its CRC-32 vouches for counts, and of two the later one, as ESP-IDF reads it: a value is written
before the older one is erased. Integers and blobs of one namespace, no texts. Pure.
Source: ESP-IDF Programming Guide, "Non-Volatile Storage Library", Internals (structure of pages and entries).
"""

import struct
import zlib
from collections.abc import Iterator

PAGE, ENTRY, ENTRIES = 4096, 32, 126
NAMESPACE = "klimanetz"
_WRITTEN = 0b10
_USED_PAGES = (0xFFFFFFFE, 0xFFFFFFFC, 0xFFFFFFF8)  # active, full, being freed
_U8, _I32, _BLOB, _INDEX = 0x01, 0x14, 0x42, 0x48
_HEAD = struct.Struct("<BBBBI16s8s")  # namespace, type, entries, chunk, CRC, key, data
Item = tuple[int, int, int, str, bytes, bytes]  # namespace, type, chunk, key, data, what follows


def values(raw: bytes, namespace: str = NAMESPACE) -> dict[str, int | bytes]:
    """Key -> value; {} where there is no such namespace, or nothing that can be read."""
    items = list(_items(raw))
    ours = {data[0] for at, kind, _, key, data, _ in items if (at, kind, key) == (0, _U8, namespace)}
    out: dict[str, int | bytes] = {}
    chunks: dict[tuple[str, int], bytes] = {}
    for at, kind, chunk, key, data, rest in items:
        if at not in ours:
            continue
        if kind == _I32:
            out[key] = int.from_bytes(data[:4], "little", signed=True)
        elif kind == _BLOB:
            size, check = struct.unpack("<H2xI", data)
            if _crc(rest[:size]) == check:
                chunks[key, chunk] = rest[:size]
    for at, kind, _, key, data, _ in items:
        if at in ours and kind == _INDEX:
            size, count, first = struct.unpack("<IBB2x", data)
            blob = b"".join(chunks.get((key, n), b"") for n in range(first, first + count))
            if len(blob) == size:
                out[key] = blob
    return out


def _items(raw: bytes) -> Iterator[Item]:
    """All that is written and whole, the oldest first."""
    pages = [raw[at : at + PAGE] for at in range(0, len(raw) - PAGE + 1, PAGE)]
    used = [page for page in pages if int.from_bytes(page[:4], "little") in _USED_PAGES]
    for page in sorted(used, key=lambda page: int.from_bytes(page[4:8], "little")):
        n = 0
        while n < ENTRIES:
            span = 1
            if page[32 + n // 4] >> n % 4 * 2 & 0b11 == _WRITTEN:
                at = 64 + n * ENTRY
                whole = page[at : at + ENTRY]
                space, kind, span, chunk, check, key, data = _HEAD.unpack(whole)
                if _crc(whole[:4] + whole[8:]) == check and 1 <= span <= ENTRIES - n:
                    rest = page[at + ENTRY : at + span * ENTRY]
                    yield space, kind, chunk, key.split(b"\0")[0].decode("ascii", "replace"), data, rest
                else:
                    span = 1
            n += span


def _crc(data: bytes) -> int:
    return zlib.crc32(data, 0xFFFFFFFF)
