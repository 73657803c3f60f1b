"""What a chip makes of its flash when it starts: ROM, boot loader, partition table, app. Pure.

A flash whose image is half written does not start; what the chip prints says where it stopped.
"""

from dataclasses import dataclass

from simulators.bench import image, partitions
from simulators.bench.chips import Chip
from simulators.bench.loader import Flash
from simulators.bench.partitions import Partition

_MOST = 2 << 20  # of an app


@dataclass(frozen=True)
class Start:
    """`said`: what the chip prints; `partitions`: by name, or None where nothing starts; `blank`: the ROM gave up."""

    said: str
    partitions: dict[str, Partition] | None = None
    blank: bool = False
    version: str = ""


def start(chip: Chip, flash: Flash) -> Start:
    """Try to start from flash."""
    at = chip.bootloader_at
    header = flash.read(at, image.HEADER)
    if header[0] != image.MAGIC:
        return Start("invalid header: 0x%s\r\n" % header[3::-1].hex(), blank=True)
    wrong = image.check(flash.read(at, partitions.AT - at), chip.id)
    if wrong:
        return Start(f"{wrong}\r\nets_main.c 371 \r\n", blank=True)
    says = "I (24) boot: ESP-IDF 2nd stage bootloader\r\n"
    said_mb = next((mb for mb, bits in image.SIZES.items() if bits == header[3] & 0xF0), 0)
    if said_mb << 20 > flash.size:
        return Start(
            f"{says}E (40) spi_flash: Detected size({flash.size >> 10}k) smaller than the size in the binary image"
            f" header({said_mb << 10}k). Probe failed.\r\n"
        )
    rows = partitions.read(flash.read(partitions.AT, partitions.SIZE))
    if rows is None:
        return Start(
            f"{says}E (47) flash_parts: partition table invalid\r\nE (52) boot: Failed to verify partition table\r\n"
        )
    app = rows.get("factory")
    wrong = image.check(flash.read(app.at, min(app.size, _MOST)), chip.id) if app else "no app"
    if wrong:
        return Start(
            f"{says}E (120) esp_image: {wrong}\r\nE (125) boot: Factory app partition is not bootable\r\n"
            "E (131) boot: No bootable app partitions in the partition table\r\n"
        )
    return Start(says, rows, version=image.version(flash.read(app.at, 512)) if app else "")
