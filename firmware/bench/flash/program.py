"""What goes onto one board: its compiled firmware, the radio's driver, and MicroPython below them.

The rule: the whole is there and fits before a board is touched.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from firmware.bench.board import partitions
from firmware.bench.board.backup import MAIN
from firmware.bench.flash import images
from firmware.bench.flash.compiled import compiled
from firmware.bench.flash.images import Folder, Pinned
from firmware.bench.trouble import WrongUse
from firmware.bench.words import say
from firmware.contents import ImageError, board_pins, boards

BLOCK = 4096  # of the file system: the least a file takes
SPARE_BLOCKS = 16  # for its folders, and for readings


@dataclass(frozen=True, slots=True)
class Program:
    """`files`: path -> bytes, without MAIN; `main`: the main program, which goes on last; `blob`: MicroPython."""

    board: str
    chip: str
    version: str
    radio: str
    micropython: Pinned
    blob: bytes
    rows: list[partitions.Partition]
    files: Mapping[str, bytes]
    main: bytes

    def parts(self) -> list[tuple[int, bytes]]:
        """[(offset, bytes)] of MicroPython, without the place of the counters that lies within its image."""
        at, end = self.micropython.offset, self.micropython.offset + len(self.blob)
        hole = partitions.nvs(self.rows)
        spans = [(at, hole.offset), (hole.offset + hole.size, end)] if hole and at < hole.offset < end else [(at, end)]
        return [(first, self.blob[first - at : last - at]) for first, last in spans if first < last]

    @property
    def names(self) -> set[str]:
        return {*self.files, MAIN}


def make(board: str, config: bytes, folder: Folder, version: str, also: Iterable[str] = ()) -> Program:
    """Compile and check it. Raises WrongUse."""
    if board not in boards():
        raise WrongUse(
            say("board '%s' is none of %s", "die Karte '%s' gibt es nicht unter %s", board, ", ".join(boards()))
        )
    said = _object(config)
    pinned, blob = folder.image(board_pins(board).CHIP)
    try:
        made = compiled(board, said, version, also)
    except ImageError as error:
        raise WrongUse(str(error)) from None
    files, told = dict(made.files), made.manifest
    main = files.pop(MAIN)
    for package in told["packages"]:
        files |= folder.package(package)
    rows = images.check(blob, told["chip"], pinned.file)
    return Program(board, told["chip"], version, told["radio"], pinned, blob, rows, files, main)


def _object(text: bytes) -> dict[str, Any]:
    try:
        said = json.loads(text)
    except ValueError as error:
        raise WrongUse(say("the configuration is not JSON: %s", "die Konfiguration ist kein JSON: %s", error)) from None
    if not isinstance(said, dict):
        raise WrongUse(say("the configuration is not an object", "die Konfiguration ist kein Objekt"))
    return said


def check_room(program: Program, kept: Mapping[str, bytes], flash_bytes: int) -> None:
    """Raises WrongUse where program and what is put back do not fit on this board's flash."""
    end = program.micropython.offset + len(program.blob)
    place = partitions.file_system(program.rows, flash_bytes)
    needed = sum(-(-len(data) // BLOCK) + 1 for data in {**program.files, MAIN: program.main, **kept}.values())
    room = place.size // BLOCK - SPARE_BLOCKS if place is not None else 0
    if end > flash_bytes or place is None or place.offset + place.size > flash_bytes or needed > room:
        raise WrongUse(
            say(
                "it does not fit: this board has %s MB of flash; nothing was written. Take a board with more, or a"
                " MicroPython built for it",
                "es passt nicht: diese Karte hat %s MB Speicher; es wurde nichts geschrieben. Eine größere Karte nehmen"
                " oder ein MicroPython, das dafür gebaut ist",
                flash_bytes >> 20,
            )
        )


def check_chip(program: Program, chip: str) -> None:
    """Raises WrongUse where the board on the cable is another one."""
    if chip != program.chip:
        raise WrongUse(
            say(
                "the board on the cable has an %s, and %s has an %s; nothing was written. Is it the right box, or the"
                " wrong --board?",
                "die angesteckte Karte hat einen %s, %s hat einen %s; es wurde nichts geschrieben. Die falsche Kiste,"
                " oder --board falsch?",
                chip,
                program.board,
                program.chip,
            )
        )
