"""What stands on a board: told by its MicroPython, or read from its flash where MicroPython does not answer."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from littlefs import LittleFS, LittleFSError, UserContext

from firmware.bench.board import nvs_pages, partitions, serial_trouble
from firmware.bench.board.backup import MAIN, Backup, nvs_keys
from firmware.bench.board.repl import Repl
from firmware.bench.board.rom import SECTOR, Rom
from firmware.bench.board.shelf import stamp
from firmware.bench.trouble import BenchError, BoardSays, Silent
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
T = TypeVar("T")


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
    wanted = _data(sizes)
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


def has_nvs(repl: Repl) -> bool:
    """Whether this MicroPython keeps counters at all: one that is not built for an ESP32 does not."""
    return bool(repl.run("try:\n import esp32\n esp32.NVS\n print(1)\nexcept Exception:\n pass").strip())


def by_rom(rom: Rom, now: datetime, told: Told | None = None) -> Backup:
    """The same from flash as it stands: for a board whose MicroPython does not answer. An empty backup for a chip
    that is new or had another program; `files` is empty where the file system is damaged beyond reading.
    """
    rows = partitions.parse(rom.read(partitions.TABLE_AT, partitions.TABLE_BYTES))
    files: dict[str, bytes] = {}
    place = partitions.file_system(rows, rom.flash_bytes)
    if place is not None and place.size % SECTOR == 0 and not rom.is_blank(place.offset, 2 * SECTOR):
        files = files_in(_Flash(rom, place.offset, told), place.size // SECTOR)
    raw, at = nvs_by_rom(rom, rows)
    board, _ = _board_of(files.get(MAIN))
    return Backup(rom.mac, stamp(now), board, _data(files), nvs_pages.values(raw), raw, at)


def by_port(port: str, now: datetime, told: Told | None = None) -> Backup:
    """By its prompt, or by its loader where none answers; the board goes on afterwards. Raises BenchError."""
    try:
        with Repl(port) as repl:
            kept = by_repl(repl, now, told).backup
            repl.reset()
    except Silent:
        with Rom(port) as rom:
            kept = by_rom(rom, now, told)
            rom.restart()
    return kept


def ran_on(rom: Rom, backup: Backup) -> bool:
    """Whether the board's data files are others than in the backup that was taken a moment ago over its prompt."""
    rows = partitions.parse(rom.read(partitions.TABLE_AT, partitions.TABLE_BYTES))
    place = partitions.file_system(rows, rom.flash_bytes)
    if place is None or rom.is_blank(place.offset, 2 * SECTOR):
        return False
    sizes = sizes_in(_Flash(rom, place.offset, None), place.size // SECTOR)
    return bool(sizes) and _data(sizes) != {path: len(data) for path, data in backup.files.items()}


def nvs_by_rom(rom: Rom, rows: list[partitions.Partition] | None = None) -> tuple[bytes, int]:
    """(bytes, offset) of the partition with counters and nonces, (b"", 0) where it is blank or there is none."""
    if rows is None:
        rows = partitions.parse(rom.read(partitions.TABLE_AT, partitions.TABLE_BYTES))
    place = partitions.nvs(rows)
    if place is None or rom.is_blank(place.offset, place.size):
        return b"", 0
    return rom.read(place.offset, place.size), place.offset


class _Flash(UserContext):
    """A file system on the board's flash: only what is asked for comes over the cable, each block once."""

    def __init__(self, rom: Rom, offset: int, told: Told | None) -> None:
        super().__init__(0)
        self._rom, self._offset, self._told = rom, offset, told
        self._blocks: dict[int, bytes] = {}
        self.lost: BaseException | None = None

    def read(self, cfg: Any, block: int, off: int, size: int) -> bytearray:
        if block not in self._blocks:
            try:
                self._blocks[block] = self._rom.read(self._offset + block * SECTOR, SECTOR)
                if self._told:
                    self._told(len(self._blocks), len(self._blocks) + 1)
            except BaseException as error:  # littlefs's own code lets none through, Ctrl-C neither, and would go on
                self.lost = self.lost or error
                return bytearray(size)
        return bytearray(self._blocks[block][off : off + size])


def files_in(flash: _Flash, blocks: int) -> dict[str, bytes]:
    """Path -> bytes of a littlefs; what of it can be read. Raises whatever stopped the reading of flash."""

    def whole(system: LittleFS, path: str) -> bytes:
        with system.open(path, "rb") as file:
            return bytes(file.read())

    return _each(flash, blocks, whole)


def sizes_in(flash: _Flash, blocks: int) -> dict[str, int]:
    """Path -> bytes of its length."""
    return _each(flash, blocks, lambda system, path: int(system.stat(path).size))


def _each(flash: _Flash, blocks: int, what: Callable[[LittleFS, str], T]) -> dict[str, T]:
    system = LittleFS(flash, block_size=SECTOR, block_count=blocks, mount=False)
    out: dict[str, T] = {}
    try:
        system.mount()
        for folder, _, names in system.walk("/"):
            for name in names:
                path = f"{folder.rstrip('/')}/{name}"
                out[path] = what(system, path)
    except LittleFSError:
        pass  # it is damaged from here on; what came before is ours
    if flash.lost:
        raise flash.lost
    return out


def _data(files: dict[str, T]) -> dict[str, T]:
    """Without the program, and without what was not written to its end."""
    return {path: one for path, one in files.items() if not path.startswith(PROGRAM) and not path.endswith(".new")}


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
