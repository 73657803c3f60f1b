"""A folder of images for simulated boards, in the form that `klimanetz device fetch` leaves.

The images are the simulators' stand-ins for MicroPython's builds, the radio's drivers a line of text each: a simulated
board has its own radio. Sums are recorded as `fetch` records them, so that everything is checked as on any other day.
"""

import hashlib
from collections.abc import Iterable
from pathlib import Path

from firmware import image
from firmware.bench.flash import images
from firmware.bench.flash.images import Folder, Package, Pinned
from simulators.bench import image as stand_in

VERSION = "v1.29.0"
DRIVER = b"# stands for the radio's driver\n"


def fill(folder: Path, flash_mb: int = 8, chips: Iterable[str] = ("esp32s3",)) -> Folder:
    """Make it."""
    folder.mkdir(parents=True, exist_ok=True)
    pinned = [_image(folder, chip, flash_mb) for chip in chips]
    packages = [_package(folder, *one) for one in (image.LORA_SYNC, *image.LORA_PACKAGES.values())]
    made = Folder(folder, pinned, packages)
    images.record(made)
    return made


def _image(folder: Path, chip: str, flash_mb: int) -> Pinned:
    data = stand_in.build(chip, flash_mb, version=VERSION)
    (folder / f"{chip}.bin").write_bytes(data)
    return Pinned(chip, VERSION, f"{chip}.bin", hashlib.sha256(data).hexdigest(), "stand-in")


def _package(folder: Path, name: str, version: str) -> Package:
    place = folder / "packages" / f"{name}@{version}"
    place.mkdir(parents=True, exist_ok=True)
    (place / f"{name}.py").write_bytes(DRIVER)
    return Package(name, version, {f"{name}.py": hashlib.sha256(DRIVER).hexdigest()})
