"""What stands on a simulated board's flash, read from its file: no prompt, no waiting. The board has to be unplugged."""

import json
from pathlib import Path
from struct import unpack_from

from littlefs import LittleFS

from firmware.bench.board import partitions
from firmware.bench.board.backup import MAIN, Backup
from firmware.bench.board.looking import PROGRAM

_BLOCK, _HEAD = 4096, 16


def stored(flash: Path) -> tuple[Backup, bool]:
    """As a backup of it, and whether the main program is there."""
    raw = flash.read_bytes()
    rows = partitions.parse(raw[partitions.TABLE_AT : partitions.TABLE_AT + partitions.TABLE_BYTES])
    place, counters = partitions.file_system(rows, len(raw)), partitions.nvs(rows)
    assert place and counters
    files = _files(raw[place.offset : place.offset + place.size])
    data = {path: one for path, one in files.items() if not path.startswith(PROGRAM)}
    nvs = nvs_of(raw[counters.offset : counters.offset + counters.size])
    return Backup("", "2026-11-25T00:00:00Z", "", data, nvs), MAIN in files


def _files(raw: bytes) -> dict[str, bytes]:
    system = LittleFS(block_size=_BLOCK, block_count=len(raw) // _BLOCK, mount=False)
    system.context.buffer[:] = raw
    system.mount()
    out = {}
    for folder, _, names in system.walk("/"):
        for name in names:
            path = f"{folder.rstrip('/')}/{name}"
            with system.open(path, "rb") as file:
                out[path] = file.read()
    return out


def nvs_of(raw: bytes) -> dict[str, int | bytes]:
    """The double's own form (simulators/board/nvs.py): the newest of two halves."""
    newest, said = 0, {}
    for at in (0, len(raw) // 2):
        magic, count, length, _ = unpack_from("<4sIII", raw, at)
        if magic == b"KNVS" and count > newest:
            newest, said = count, json.loads(raw[at + _HEAD : at + _HEAD + length])
    return {key: bytes(one) if isinstance(one, list) else one for key, one in said.get("klimanetz", {}).items()}
