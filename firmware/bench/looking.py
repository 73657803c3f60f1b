"""What stands on a board: told by its MicroPython, or read from its flash where MicroPython does not answer."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from littlefs import LittleFS, LittleFSError

from firmware.bench import partitions, serial_trouble
from firmware.bench.backup import MAIN, Backup, nvs_keys
from firmware.bench.repl import Repl
from firmware.bench.rom import SECTOR, Rom
from firmware.bench.shelf import stamp
from firmware.bench.trouble import BenchError, BoardSays
from firmware.bench.words import say

PROGRAM = ("/lib/", MAIN, "/boot.py")  # can be made again at any time
_BOARD = re.compile(rb"""run\(\s*["'](\w+)["']\s*,\s*["']([^"']+)["']""")
_ASK_NVS = """
def _kn(keys):
 o = {}
 try:
  import esp32
  n = esp32.NVS('klimanetz')
 except Exception:
  return o
 for k in keys:
  try:
   o[k] = n.get_i32(k)
  except OSError:
   b = bytearray(64)
   try:
    o[k] = bytes(b[:n.get_blob(k, b)])
   except OSError:
    pass
 return o
"""
_WHO = (
    "(lambda s: ('.'.join([str(n) for n in s[1][:3]]), getattr(s, '_machine', '')))(__import__('sys').implementation)"
)
Told = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Found:
    """A board whose MicroPython answers. `alive`: it has a program that may have run; `version`: of the firmware."""

    micropython: str
    machine: str
    board: str
    version: str
    alive: bool
    free_bytes: int
    backup: Backup


def by_repl(repl: Repl, now: datetime, told: Told | None = None) -> Found:
    """All that is no program, read over the prompt. Raises BenchError, Silent where it has no file system."""
    said = repl.value(_WHO)
    try:
        free = repl.value("(lambda s: s[0] * s[3])(_ko.statvfs('/'))")
    except BoardSays:  # "The filesystem appears to be corrupted": what is there is read by the loader
        raise serial_trouble.silent(repl.port) from None
    sizes = repl.files()
    main = repl.read(MAIN) if MAIN in sizes else None
    board, version = _board_of(main)
    files: dict[str, bytes] = {}
    wanted = {path: size for path, size in sizes.items() if not path.startswith(PROGRAM) and not path.endswith(".new")}
    done, of = 0, sum(wanted.values())
    for path, size in sorted(wanted.items()):
        data = repl.read(path)
        if data is not None:
            files[path] = data
        done += size
        if told:
            told(done, of)
    backup = Backup(mac_of(repl), stamp(now), board, files, nvs_of(repl, nvs_keys(files)))
    return Found(said[0], said[1], board, version, main is not None, int(free), backup)


def mac_of(repl: Repl) -> str:
    """As the board says, "" where it cannot tell."""
    try:
        return ":".join("%02x" % byte for byte in repl.value("__import__('machine').unique_id()"))
    except BenchError:
        return ""


def nvs_of(repl: Repl, keys: list[str]) -> dict[str, Any]:
    """What NVS says of these keys."""
    repl.run(_ASK_NVS)
    return dict(repl.value(f"_kn({keys!r})"))


def by_rom(rom: Rom, now: datetime, told: Told | None = None) -> Backup:
    """The same from flash as it stands: for a board whose MicroPython does not answer. An empty backup for a chip
    that is new or had another program; `files` is empty where the file system is damaged beyond reading.
    """
    rows = partitions.parse(rom.read(partitions.TABLE_AT, partitions.TABLE_BYTES))
    files: dict[str, bytes] = {}
    place = partitions.file_system(rows, rom.flash_bytes)
    if place is not None and place.size % SECTOR == 0 and not rom.is_blank(place.offset, 2 * SECTOR):
        files = files_in(rom.read(place.offset, place.size, told))
    raw, at = nvs_by_rom(rom, rows)
    board, _ = _board_of(files.get(MAIN))
    kept = {path: data for path, data in files.items() if not path.startswith(PROGRAM) and not path.endswith(".new")}
    return Backup(rom.mac, stamp(now), board, kept, {}, raw, at)


def nvs_by_rom(rom: Rom, rows: list[partitions.Partition] | None = None) -> tuple[bytes, int]:
    """(bytes, offset) of the partition with counters and nonces, (b"", 0) where it is blank or there is none."""
    if rows is None:
        rows = partitions.parse(rom.read(partitions.TABLE_AT, partitions.TABLE_BYTES))
    place = partitions.nvs(rows)
    if place is None or rom.is_blank(place.offset, place.size):
        return b"", 0
    return rom.read(place.offset, place.size), place.offset


def files_in(raw: bytes) -> dict[str, bytes]:
    """Path -> bytes of a littlefs; what of it can be read."""
    system = LittleFS(block_size=SECTOR, block_count=len(raw) // SECTOR, mount=False)
    system.context.buffer[:] = raw
    files: dict[str, bytes] = {}
    try:
        system.mount()
        for folder, _, names in system.walk("/"):
            for name in names:
                path = f"{folder.rstrip('/')}/{name}"
                with system.open(path, "rb") as file:
                    files[path] = file.read()
    except LittleFSError:
        pass  # it is damaged from here on; what came before is ours
    return files


def _board_of(main: bytes | None) -> tuple[str, str]:
    """(board, firmware's version) as the main program names them."""
    found = _BOARD.search(main or b"")
    return (found[1].decode(), found[2].decode()) if found else ("", "")


def damaged(path: object) -> BenchError:
    """What the loader read has no file system that can be read."""
    return BenchError(
        say(
            "this board's files cannot be read, though there is something; a copy of its flash is in %s. To give it up:"
            " --new-identity",
            "die Dateien dieser Karte sind nicht lesbar, obwohl dort etwas steht; eine Kopie ihres Speichers liegt in"
            " %s. Wer darauf verzichtet: --new-identity",
            path,
        )
    )
