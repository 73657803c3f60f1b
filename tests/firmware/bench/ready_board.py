"""A simulated board with everything on it, as after flashing and provisioning: its flash is made at once, not written."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from littlefs import LittleFS

from firmware.image import build
from simulators.bench import image as stand_in
from simulators.bench.board import SimulatedBoard

BLOCK = 4096
FLASH_MB = 8
FILES_AT = 0x200000  # partition vfs of the stand-in, to the end
VERSION = "1.2.3"


@contextmanager
def ready_board(
    folder: Path, micropython: str, config: Mapping[str, Any], identity: Mapping[str, Any],
    parts: Sequence[Mapping[str, Any]], more: Mapping[str, bytes] | None = None, **world: Any,
) -> Iterator[SimulatedBoard]:  # fmt: skip
    """A Heltec V3 that is plugged in; its image is in `folder/image`. `more`: further files, in place of these."""
    build("heltec_v3", config, folder / "image", VERSION)
    top = folder / "image" / "files"
    files = {"/" + path.relative_to(top).as_posix(): path.read_bytes() for path in top.rglob("*") if path.is_file()}
    files |= {"/config.json": json.dumps(config).encode(), "/identity.json": json.dumps(identity).encode()}
    files |= more or {}
    (folder / "board").mkdir()
    whole = bytearray(b"\xff" * (FLASH_MB << 20))
    blob = stand_in.build("esp32s3", FLASH_MB)
    whole[: len(blob)] = blob
    whole[FILES_AT:] = _littlefs(files, len(whole) - FILES_AT)
    (folder / "board" / "flash.bin").write_bytes(whole)
    with SimulatedBoard(folder / "board", "heltec_v3", micropython, parts=parts, **world) as board:
        yield board


def _littlefs(files: Mapping[str, bytes], size: int) -> bytes:
    system = LittleFS(block_size=BLOCK, block_count=size // BLOCK)
    for path, data in files.items():
        system.makedirs(path.rpartition("/")[0], exist_ok=True)
        with system.open(path, "wb") as file:
            file.write(data)
    return bytes(system.context.buffer)
