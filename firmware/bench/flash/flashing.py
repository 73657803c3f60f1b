"""One board from whatever it is to a running station's program, with nothing of it lost on the way.

The order is the rule: look, save to the laptop's disk, compare with what is wanted, and only then erase, write, copy,
put back, compare, and last of all the main program. A board without that never ran, so until then the laptop's copy
counts; with it the board's own does (shelf.py). So it can be interrupted anywhere and run again.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime

from firmware.bench.board import looking, partitions
from firmware.bench.board.backup import CONFIG, MAIN, Backup
from firmware.bench.board.filling import check_files, clear, forget, put_files, put_nvs
from firmware.bench.board.looking import Found
from firmware.bench.board.repl import Repl
from firmware.bench.board.rom import FAST_BAUD, Rom
from firmware.bench.board.shelf import DONE, ERASING, OPEN, SAVED, WRITTEN, Journal, Shelf
from firmware.bench.flash import program
from firmware.bench.flash.images import Folder
from firmware.bench.flash.program import Program
from firmware.bench.trouble import BenchError, Silent, WrongUse
from firmware.bench.words import say

LOOK, SAVE, ERASE, WRITE, START, COPY, RESTORE, CHECK = (
    "look", "save", "erase", "write", "start", "copy", "restore", "check",
)  # fmt: skip
STEPS = (LOOK, SAVE, ERASE, WRITE, START, COPY, RESTORE, CHECK)
BOOT_S = 30.0  # a new file system is made at the first start
Told = Callable[[str, int, int], None]  # (step, done, of all)


@dataclass(frozen=True, slots=True)
class Wish:
    """`board`, `config`: "" and b"" for what the board has already; `erase`: also where it is not needed;
    `new_identity`: it becomes another device.
    """

    port: str
    board: str = ""
    config: bytes = b""
    new_identity: bool = False
    erase: bool = False
    baud: int = FAST_BAUD
    also: tuple[str, ...] = ()
    restart: bool = True  # at the end; else it stays at its prompt, for whoever goes on


@dataclass
class Flashed:
    """How it went. `backup`: of what was on the board, "" none; `left`: readings that are only there now, as the board
    became another device; `seconds`: step -> how long it took.
    """

    mac: str = ""
    chip: str = ""
    board: str = ""
    micropython: str = ""
    version: str = ""
    device: str = ""
    unsent: int = 0
    backup: str = ""
    left: int = 0
    resumed: bool = False
    files: int = 0
    bytes: int = 0
    seconds: dict[str, float] = field(default_factory=dict)


class Flasher:
    """`shelf`, `images`: the laptop's; `version`: of the firmware; `now()`: UTC."""

    def __init__(self, shelf: Shelf, images: Folder, version: str, now: Callable[[], datetime]) -> None:
        self._shelf, self._images, self._version, self._now = shelf, images, version, now

    def flash(self, wish: Wish, told: Told = lambda *_: None) -> Flashed:
        """Raises BenchError; whatever happened, running it again goes on."""
        run = _Run(wish, told)
        with run.step(LOOK):
            found = _ask(wish.port, self._now())
        with Rom(wish.port, wish.baud) as rom:
            run.out.mac, run.out.chip = rom.mac, rom.chip
            journal = self._shelf.journal(rom.mac)
            with run.step(SAVE) as so_far:
                kept, journal = self._saved(rom, found, journal, wish, so_far)
            run.out.backup = journal.backup
            made = self._wanted(replace(wish, board=wish.board or kept.board or journal.board), found, kept)
            other = wish.new_identity or journal.new_identity
            back = kept.without_identity() if other else kept
            if wish.config:
                back = replace(back, files={**back.files, CONFIG: wish.config})
            program.check_chip(made, rom.chip)
            program.check_room(made, back.files, rom.flash_bytes)
            run.about(made, back)
            run.out.left = kept.unsent if other else 0
            run.out.resumed = journal.step in OPEN
            journal = replace(journal, board=made.board, micropython=made.micropython.sha256, new_identity=other)
            erased = self._write(rom, made, back, journal, found, run)
            with run.step(START):
                rom.restart()
        self._fill(made, back, journal, found is not None and found.alive and not erased, run)
        return run.out

    def _saved(
        self, rom: Rom, found: Found | None, journal: Journal | None, wish: Wish, told: looking.Told
    ) -> tuple[Backup, Journal]:
        """What the board must not lose, on the laptop's disk, and where that stands."""
        if not (found and found.alive) and journal is not None and journal.step in OPEN:
            kept = self._shelf.backup(rom.mac, journal.backup) or Backup(rom.mac, "")
            if found is None or found.backup.device in ("", kept.device):
                if found is not None and not found.backup.files.items() <= kept.files.items():
                    self._shelf.save(replace(found.backup, mac=rom.mac))  # somebody has been at it meanwhile
                return kept, journal
        if found is not None:
            raw, at = looking.nvs_by_rom(rom)
            kept = replace(found.backup, mac=rom.mac, nvs_raw=raw, nvs_at=at)
            if looking.ran_on(rom, kept):  # it started on the way into its loader, and measured
                kept = replace(looking.by_rom(rom, self._now(), told), board=kept.board)
        else:
            kept = looking.by_rom(rom, self._now(), told)
            if b"klimanetz" in kept.nvs_raw and not kept.files and not wish.new_identity:  # no other program's
                self._keep_whole(rom, told)
        name = "" if kept.is_empty and not kept.nvs_raw else self._shelf.save(kept).name
        journal = Journal(SAVED, name, kept.board)
        self._shelf.write_journal(rom.mac, journal)
        return kept, journal

    def _keep_whole(self, rom: Rom, told: looking.Told) -> None:
        """Counters are there and no file can be read: of a klimanetz board that must not simply go."""
        path = self._shelf.save_whole(rom.mac, self._now(), rom.read(0, rom.flash_bytes, told))
        raise looking.damaged(path)

    def _wanted(self, wish: Wish, found: Found | None, kept: Backup) -> Program:
        board = wish.board or (found.board if found else "")
        if not board:
            raise WrongUse(
                say(
                    "this board does not say what it is: name it, like --board heltec_v3",
                    "diese Karte sagt nicht, was sie ist: benennen, etwa --board heltec_v3",
                )
            )
        config = wish.config or kept.files.get(CONFIG, b"")
        if not config:
            raise WrongUse(
                say(
                    "this board has no configuration yet: which sensors? --config config.json (docs/device.md)",
                    "diese Karte hat noch keine Konfiguration: welche Sensoren? --config config.json (docs/device.md)",
                )
            )
        return program.make(board, config, self._images, self._version, wish.also)

    def _write(self, rom: Rom, made: Program, back: Backup, journal: Journal, found: Found | None, run: "_Run") -> bool:
        """MicroPython and NVS on flash; from here on the laptop's copy counts. False where nothing had to be erased."""
        self._shelf.write_journal(rom.mac, replace(journal, step=ERASING))
        again = run.wish.erase or journal.new_identity
        place = partitions.nvs(made.rows)
        fits = place is not None and (place.offset, place.size) == (back.nvs_at, len(back.nvs_raw))
        counters = [(back.nvs_at, back.nvs_raw)] if fits else []
        # A run that was cut off may not have come to the counters; a board that ran has its own.
        due = made.parts() if found is not None and found.alive else [*made.parts(), *counters]
        if found is not None and not again and all(rom.holds(at, data) for at, data in due):
            return False
        with run.step(ERASE):
            rom.erase()
        with run.step(WRITE) as told:
            rom.write([*made.parts(), *counters], told)
        self._shelf.write_journal(rom.mac, replace(journal, step=WRITTEN))
        return True

    def _fill(self, made: Program, back: Backup, journal: Journal, ran: bool, run: "_Run") -> None:
        """All files, and the main program last. `ran`: the board has its own state and may have added to it since."""
        with run.step(START):
            repl = _after_restart(run.wish.port)
        with repl:
            if ran:
                with run.step(SAVE) as told:
                    back = replace(looking.by_repl(repl, self._now(), told).backup, mac=run.out.mac)
                journal = replace(journal, backup=self._shelf.save(back).name, step=WRITTEN)
                self._shelf.write_journal(run.out.mac, journal)
                if run.wish.config:
                    back = replace(back, files={**back.files, CONFIG: run.wish.config})
                run.about(made, back)
            repl.remove(MAIN)  # until the end it must not start by itself
            with run.step(COPY) as told:
                clear(repl, made.names)
                if journal.new_identity:
                    forget(repl, back)
                put_files(repl, made.files, told)
            with run.step(RESTORE) as told:
                put_files(repl, back.files, told)
                put_nvs(repl, nvs := back.tried_anew())
            with run.step(CHECK):
                check_files(repl, {**made.files, **back.files}, nvs)
                repl.write(MAIN, made.main)
            self._shelf.write_journal(run.out.mac, replace(journal, step=DONE))
            if run.wish.restart:
                repl.reset()


class _Run:
    """One pass: what is told meanwhile, and how long each step takes."""

    def __init__(self, wish: Wish, told: Told) -> None:
        self.wish, self._told, self.out = wish, told, Flashed()

    @contextmanager
    def step(self, name: str) -> Iterator[Callable[[int, int], None]]:
        self._told(name, 0, 1)
        began = time.monotonic()
        yield lambda done, of: self._told(name, done, of)
        self.out.seconds[name] = self.out.seconds.get(name, 0.0) + time.monotonic() - began
        self._told(name, 1, 1)

    def about(self, made: Program, back: Backup) -> None:
        out = self.out
        out.board, out.version, out.micropython = made.board, made.version, made.micropython.version
        out.device, out.unsent = back.device, back.unsent
        out.files = len(made.files) + 1
        out.bytes = sum(len(data) for data in made.files.values()) + len(made.main)


def _ask(port: str, now: datetime) -> Found | None:
    """What MicroPython says of the board, None where none answers."""
    try:
        with Repl(port) as repl:
            return looking.by_repl(repl, now)
    except Silent:
        return None


def _after_restart(port: str) -> Repl:
    """Its prompt, once it has started; a port of the chip's own USB goes away meanwhile and comes back."""
    until = time.monotonic() + BOOT_S
    while True:
        try:
            return Repl(port, boot_s=max(1.0, until - time.monotonic()))
        except (WrongUse, BenchError):
            if time.monotonic() > until:
                raise
            time.sleep(0.3)
