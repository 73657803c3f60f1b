"""A laptop for the tests of the bench: its shelf, a folder of images for every chip, and what a station is configured to.

The images are the doubles' stand-ins for MicroPython's builds; sums are recorded as `klimanetz device fetch` does.
"""

import hashlib
import json
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from firmware import image as device_image
from firmware.bench import images
from firmware.bench.flashing import Flasher, Wish
from firmware.bench.images import Folder, Package, Pinned
from firmware.bench.shelf import Shelf
from simulators.bench import image as stand_in

VERSION = "1.2.3"
CONFIG: dict[str, Any] = {
    "radio": "lorawan", "interval_s": 10, "lorawan": {"dr": 5},
    "sensors": {"air": {"chip": "sht4x", "bus": "i2c0"}},
}  # fmt: skip
IDENTITY = {
    "device": "kn-0007", "activation": "otaa", "dev_eui": "70b3d57ed0000007", "join_eui": "70b3d57ed0000000",
    "app_key": "000102030405060708090a0b0c0d0e0f",
}  # fmt: skip
PARTS = [{"chip": "sht4x", "bus": "i2c0", "address": 68}, {"chip": "battery", "pin": 1, "divider": 4.9}]
DRIVER = b"# stands for the radio's driver\n"


class Laptop:
    """`folder`: where everything of it is."""

    def __init__(self, folder: Path, flash_mb: int = 8, chips: Iterable[str] = ("esp32s3",)) -> None:
        self.folder = folder
        self.shelf = Shelf(folder / "shelf")
        self.images = folder / "shelf" / "images"
        self.images.mkdir(parents=True, exist_ok=True)
        pinned = []
        for chip in chips:
            data = stand_in.build(chip, flash_mb)
            (self.images / f"{chip}.bin").write_bytes(data)
            pinned.append(Pinned(chip, "v1.29.0", f"{chip}.bin", hashlib.sha256(data).hexdigest(), "stand-in"))
        packages = [self._package(*one) for one in (device_image.LORA_SYNC, *device_image.LORA_PACKAGES.values())]
        images.record(Folder(self.images, pinned, packages))

    def _package(self, name: str, version: str) -> Package:
        place = self.images / "packages" / f"{name}@{version}"
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{name}.py").write_bytes(DRIVER)
        return Package(name, version, {f"{name}.py": hashlib.sha256(DRIVER).hexdigest()})

    @property
    def flasher(self) -> Flasher:
        return Flasher(self.shelf, images.load(self.images), VERSION, lambda: datetime.now(UTC))

    def wish(self, port: str, **more: Any) -> Wish:
        return Wish(port, **{"board": "heltec_v3", "config": json.dumps(CONFIG).encode(), **more})
