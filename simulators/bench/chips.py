"""What tells the chips apart on the cable: one table. Pure.

Sources: ESP32, ESP32-S3 and ESP32-C3 Technical Reference Manuals (eFuse controller, SPI registers), and esptool's
targets for which of their registers a host reads.
"""

from dataclasses import dataclass, field

MAGIC_REGISTER = 0x40001000  # a word of the ROM that is another on each chip


@dataclass(frozen=True)
class Chip:
    """One chip. `spi`: base of SPI1 and the offsets of CMD, USR2 and W0 in it; `wdt`: (CONFIG0, WPROTECT) or None."""

    name: str
    title: str  # as esptool writes it
    id: int  # in images and GET_SECURITY_INFO
    security_info: bool
    bootloader_at: int
    spi: tuple[int, int, int, int]
    mac_register: int
    banner: str
    boot: tuple[str, str]  # "boot:…" of a start from flash and of the loader
    wdt: tuple[int, int] | None = None
    registers: dict[int, int] = field(default_factory=dict)


WDT_KEY = 0x50D83AA1
CHIPS = {
    chip.name: chip
    for chip in (
        Chip(
            "esp32", "ESP32", 0, False, 0x1000, (0x3FF42000, 0x00, 0x24, 0x80), 0x3FF5A004,
            "ets Jul 29 2019 12:21:46\r\n\r\n",
            ("boot:0x13 (SPI_FAST_FLASH_BOOT)", "boot:0x3 (DOWNLOAD_BOOT(UART0/UART1/SDIO_REI_REO_V2))"),
            registers={
                MAGIC_REGISTER: 0x00F01D83,
                0x3FF5A00C: 1 << 15 | 1 << 13 | 1 << 9,  # revision 3 (with the next and 0x3FF6607C), 240 MHz, D0WD
                0x3FF5A014: 1 << 24 | 1 << 20,
                0x3FF6607C: 1 << 31,
                0x3FF5A010: 102,  # what the ROM measures its 8 MHz clock with
                0x3FF5F06C: 1004 << 7,
                0x3FF40014: 347,  # divider of the UART: 40 MHz / 115200
            },
        ),
        Chip(
            "esp32s3", "ESP32-S3", 9, True, 0x0, (0x60002000, 0x00, 0x20, 0x58), 0x60007044,
            "ESP-ROM:esp32s3-20210327\r\nBuild:Mar 27 2021\r\n",
            ("boot:0x8 (SPI_FAST_FLASH_BOOT)", "boot:0x0 (DOWNLOAD(USB/UART0))"),
            (0x60008098, 0x600080B0),
            {MAGIC_REGISTER: 0x9, 0x60007050: 1 << 24 | 2 << 18, 0x60000014: 347},  # revision v0.2, QFN56
        ),
        Chip(
            "esp32c3", "ESP32-C3", 5, True, 0x0, (0x60002000, 0x00, 0x20, 0x58), 0x60008844,
            "ESP-ROM:esp32c3-api1-20210207\r\nBuild:Feb  7 2021\r\n",
            ("boot:0xc (SPI_FAST_FLASH_BOOT)", "boot:0x5 (DOWNLOAD(USB/UART0/1))"),
            (0x60008090, 0x600080A8),
            {MAGIC_REGISTER: 0x1B31506F, 0x60008850: 1 << 27 | 4 << 18, 0x60008854: 1, 0x60000014: 347},  # v0.4, QFN32
        ),
    )
}  # fmt: skip
# For tests of "wrong mode": what a chip says that started from flash where it should not have.
WRONG_MODE = "boot:0x13 (SPI_FAST_FLASH_BOOT)"
# Board -> (chip, MiB of flash), as firmware/device/boards has them.
MODELS = {
    "esp32_c3": ("esp32c3", 4),
    "esp32_devkit": ("esp32", 4),
    "heltec_v3": ("esp32s3", 8),
    "lilygo_lora32": ("esp32", 4),
    "lilygo_t3s3": ("esp32s3", 4),
}
