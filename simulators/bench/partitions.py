"""The partition table of ESP-IDF, at 0x8000 of the flash: 32 bytes a row, and a row with the MD5 of the others. Pure.

Source: ESP-IDF Programming Guide, "Partition Tables"; gen_esp32part.py for the row of the MD5.
"""

import hashlib
from dataclasses import dataclass
from struct import pack, unpack_from

AT, SIZE = 0x8000, 0xC00
_ROW, _MD5_ROW = 0x50AA, b"\xeb\xeb" + 14 * b"\xff"


@dataclass(frozen=True)
class Partition:
    """One row. `kind`: (type, subtype)."""

    name: str
    kind: tuple[int, int]
    at: int
    size: int


APP_FACTORY, DATA_NVS, DATA_PHY, DATA_FAT = (0, 0), (1, 2), (1, 1), (1, 0x81)


def micropython(flash_bytes: int) -> list[Partition]:
    """The rows of MicroPython's ESP32 port (ports/esp32/partitions-*.csv)."""
    return [
        Partition("nvs", DATA_NVS, 0x9000, 0x6000),
        Partition("phy_init", DATA_PHY, 0xF000, 0x1000),
        Partition("factory", APP_FACTORY, 0x10000, 0x1F0000),
        Partition("vfs", DATA_FAT, 0x200000, flash_bytes - 0x200000),
    ]


def table(rows: list[Partition]) -> bytes:
    """As it stands in flash."""
    body = b"".join(pack("<HBBII16sI", _ROW, *row.kind, row.at, row.size, row.name.encode(), 0) for row in rows)
    body += _MD5_ROW + hashlib.md5(body, usedforsecurity=False).digest()
    return body.ljust(SIZE, b"\xff")


def read(data: bytes) -> dict[str, Partition] | None:
    """Rows by name; None where there is no table that its MD5 confirms."""
    rows: dict[str, Partition] = {}
    for n in range(0, len(data) - 31, 32):
        row = data[n : n + 32]
        if row[:16] == _MD5_ROW:
            good = row[16:] == hashlib.md5(data[:n], usedforsecurity=False).digest()
            return rows if good and rows else None
        magic, kind, subtype, at, size, name, _ = unpack_from("<HBBII16sI", row)
        if magic != _ROW:
            return None
        text = name.rstrip(b"\0").decode("ascii", "replace")
        rows[text] = Partition(text, (kind, subtype), at, size)
    return None
