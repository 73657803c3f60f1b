"""What should stand on a board: the image that is named, or one made again from the board's own configuration.

The rule: the same input gives the same bytes (firmware/image.py), so a board can be held against an image that nobody
kept. That holds for one version of the firmware; for another one its image has to be named.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from firmware.bench.checklist.asking import Firmware
from firmware.bench.flash.compiled import compiled
from firmware.bench.trouble import WrongUse
from firmware.bench.words import say
from firmware.contents import ImageError

KEYS = {"files", "version", "mpy_version", "radio", "packages"}


def manifest(
    named: Path | None, firmware: Firmware | None, config: Mapping[str, Any] | None, own_version: str
) -> Mapping[str, Any] | None:
    """The content of manifest.json; None where nobody can tell. Raises WrongUse for a named image that is none."""
    if named is not None:
        found = _read(named)
        if found is None or not set(found) >= KEYS:
            raise WrongUse(
                say(
                    "%s is no image of ours: build it with `klimanetz device image`",
                    "%s ist kein Image von uns: mit `klimanetz device image` bauen",
                    named,
                )
            )
        return found
    if firmware is None or config is None or firmware.version != own_version:
        return None
    try:
        return compiled(firmware.board, config, firmware.version).manifest
    except (ImageError, OSError):
        return None


def digest(found: Mapping[str, Any] | None) -> str | None:
    """What an image is, as one number: SHA-256 of the hashes of its files."""
    if found is None:
        return None
    rows = "".join(f"{file['sha256']} {file['path']}\n" for file in found["files"])
    return hashlib.sha256(rows.encode()).hexdigest()


def _read(folder: Path) -> dict[str, Any] | None:
    try:
        found = json.loads((folder / "manifest.json").read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None
