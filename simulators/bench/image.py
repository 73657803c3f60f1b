"""An image that stands in for MicroPython's build: well-formed in every part that a tool looks at, without its code.

The rule: esptool and a boot loader find what they check (magic, chip, segments, checksum, SHA-256, partition table with
its MD5, `esp_app_desc`); what would run is a text that says what it is. The simulated board starts a real MicroPython
where it finds a whole image; a real chip would not run this.
Sources: esptool documentation, "Firmware Image Format"; ESP-IDF, "App Image Format".
"""

import hashlib
from struct import pack, unpack_from

from simulators.bench import partitions
from simulators.bench.chips import CHIPS
from simulators.bench.loader import CHECKSUM_SEED, checksum

MAGIC, APP_AT, HEADER = 0xE9, 0x10000, 24
DESC_MAGIC = 0xABCD5432
TEXT = b"klimanetz: a stand-in for MicroPython's build, for the simulated board only; nothing in here runs on a chip.\n"
SIZES = {1: 0x00, 2: 0x10, 4: 0x20, 8: 0x30, 16: 0x40}  # MiB -> the upper half of the header's fourth byte
_LOAD = {  # (read-only data of an app, instructions of a boot loader)
    "esp32": (0x3F400020, 0x40078000),
    "esp32s3": (0x3C000020, 0x403CE000),
    "esp32c3": (0x3C000020, 0x403CE000),
}


def build(chip: str, flash_mb: int, app_kib: int = 64, version: str = "v1.29.0") -> bytes:
    """The combined image, to be written at `CHIPS[chip].bootloader_at`. `app_kib`: how large its app is about."""
    one = CHIPS[chip]
    data_at, code_at = _LOAD[chip]
    loader = _image(one.id, flash_mb, code_at, [(code_at, TEXT * 151)])
    described = _description(version) + TEXT + _filling(app_kib * 1024)
    app = _image(one.id, flash_mb, code_at, [(data_at, described)])
    rows = partitions.table(partitions.micropython(flash_mb << 20))
    whole = bytearray(b"\xff" * APP_AT)
    whole[one.bootloader_at : one.bootloader_at + len(loader)] = loader
    whole[partitions.AT : partitions.AT + len(rows)] = rows
    return bytes(whole[one.bootloader_at :]) + app


def _image(chip_id: int, flash_mb: int, entry: int, segments: list[tuple[int, bytes]]) -> bytes:
    header = pack(
        "<BBBBIBBBBHBHHIB",
        MAGIC, len(segments), 2, SIZES[flash_mb] | 0xF, entry, 0xEE, 0, 0, 0, chip_id, 0, 0, 0xFFFF, 0, 1,
    )  # fmt: skip
    out = bytearray(header)
    check = CHECKSUM_SEED
    for at, data in segments:
        data += bytes(-len(data) % 4)
        out += pack("<II", at, len(data)) + data
        check ^= checksum(data) ^ CHECKSUM_SEED
    out += bytes(15 - len(out) % 16) + bytes((check,))
    return bytes(out) + hashlib.sha256(out).digest()


def _description(version: str) -> bytes:
    """esp_app_desc_t, 256 bytes (esp_app_format)."""
    return pack(
        "<II8s32s32s16s16s32s32s80x",
        DESC_MAGIC, 0, b"", version.encode(), b"micropython", b"00:00:00", b"Jan 01 2026", b"stand-in",
        hashlib.sha256(TEXT).digest(),
    )  # fmt: skip


def _filling(n: int) -> bytes:
    """Bytes that hardly compress, the same each time."""
    return b"".join(hashlib.sha256(b"%d" % i).digest() for i in range(n // 32))


def version(app: bytes) -> str:
    """What an app's `esp_app_desc` calls its version."""
    at = HEADER + 8
    if len(app) < at + 48 or unpack_from("<I", app, at)[0] != DESC_MAGIC:
        return "v0.0.0"
    return app[at + 16 : at + 48].rstrip(b"\0").decode("ascii", "replace")


def check(data: bytes, chip_id: int) -> str:
    """What is wrong with an image, as the ROM or the boot loader says it; "" where nothing is."""
    if len(data) < HEADER or data[0] != MAGIC:
        return "invalid header: 0x%s" % data[3::-1].hex()
    if unpack_from("<H", data, 12)[0] != chip_id:
        return "chip id mismatch: expected %d, found %d" % (chip_id, unpack_from("<H", data, 12)[0])
    at, found = HEADER, CHECKSUM_SEED
    for _ in range(data[1]):
        if at + 8 > len(data):
            return "invalid segment length"
        size = unpack_from("<I", data, at + 4)[0]
        if at + 8 + size > len(data):
            return "invalid segment length 0x%x" % size
        found ^= checksum(data[at + 8 : at + 8 + size]) ^ CHECKSUM_SEED
        at += 8 + size
    at += 15 - at % 16
    if data[at : at + 1] != bytes((found,)):
        return "Checksum failed. Calculated 0x%x read 0x%s" % (found, data[at : at + 1].hex())
    if data[23] and data[at + 1 : at + 33] != hashlib.sha256(data[: at + 1]).digest():
        return "Image hash failed - image is corrupt"
    return ""
