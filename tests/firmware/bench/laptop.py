"""A laptop for the tests of the bench: its shelf, a folder of images for every chip, and what a station is configured to.

The images are stand-ins (klimanetz/stand_in_images.py).
"""

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from firmware.bench.board.shelf import Shelf
from firmware.bench.flash import images
from firmware.bench.flash.flashing import Flasher, Wish
from klimanetz.stand_in_images import fill

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


class Laptop:
    """`folder`: where everything of it is."""

    def __init__(self, folder: Path, flash_mb: int = 8, chips: Iterable[str] = ("esp32s3",)) -> None:
        self.folder = folder
        self.shelf = Shelf(folder / "shelf")
        self.images = folder / "shelf" / "images"
        fill(self.images, flash_mb, chips)

    @property
    def flasher(self) -> Flasher:
        return Flasher(self.shelf, images.load(self.images), VERSION, lambda: datetime.now(UTC))

    def wish(self, port: str, **more: Any) -> Wish:
        return Wish(port, **{"board": "heltec_v3", "config": json.dumps(CONFIG).encode(), **more})
