"""The partition table of an ESP32's flash, and of an image for it. Pure.

Format: ESP-IDF, "Partition Tables": 32 bytes a row from 0x8000, magic AA 50, type, subtype, offset, size, name (16),
flags; a row EB EB with the MD5 of all before it; 0xFF after the last. Newer MicroPython builds have no row for the file
system: it is then what comes after the last partition (MicroPython, ports/esp32).
"""

import hashlib
import struct
from dataclasses import dataclass

TABLE_AT = 0x8000
TABLE_BYTES = 0xC00
APP, DATA = 0x00, 0x01
NVS, FAT, LITTLEFS = 0x02, 0x81, 0x83
_ROW = struct.Struct("<HBBLL16sL")
_MAGIC, _MD5_MAGIC = 0x50AA, 0xEBEB


@dataclass(frozen=True, slots=True)
class Partition:
    """One row; offset and size in bytes."""

    name: str
    kind: int
    subtype: int
    offset: int
    size: int


def parse(table: bytes) -> list[Partition]:
    """The rows of a table, [] where there is none or its MD5 is wrong."""
    rows: list[Partition] = []
    for at in range(0, min(len(table), TABLE_BYTES), _ROW.size):
        row = table[at : at + _ROW.size]
        if len(row) < _ROW.size or row == b"\xff" * _ROW.size:
            break
        magic, kind, subtype, offset, size, name, _ = _ROW.unpack(row)
        if magic == _MD5_MAGIC:
            return rows if hashlib.md5(table[:at], usedforsecurity=False).digest() == row[16:] else []
        if magic != _MAGIC:
            return []
        rows.append(Partition(name.split(b"\0")[0].decode("ascii", "replace"), kind, subtype, offset, size))
    return rows


def nvs(rows: list[Partition]) -> Partition | None:
    """Where counters and nonces are."""
    return next((row for row in rows if (row.kind, row.subtype) == (DATA, NVS)), None)


def file_system(rows: list[Partition], flash_bytes: int) -> Partition | None:
    """Where MicroPython's files are."""
    for row in rows:
        if row.kind == DATA and (row.name == "vfs" or row.subtype in (FAT, LITTLEFS)):
            return row
    end = max((row.offset + row.size for row in rows), default=0)
    return Partition("vfs", DATA, FAT, end, flash_bytes - end) if 0 < end < flash_bytes else None
