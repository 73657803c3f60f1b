"""The cable is pulled out in the middle of flashing, at fifty places: nothing is lost, and the next run ends well.

Several boards at once, each with its own laptop; most of the time is waiting for a prompt.
"""

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from firmware.bench.board.backup import Backup
from firmware.bench.flash.flashing import Wish
from firmware.bench.trouble import BenchError
from simulators.bench.board import SimulatedBoard
from tests.firmware.bench.laptop import PARTS, Laptop
from tests.firmware.bench.lives import has_all_of
from tests.firmware.bench.on_flash import stored

POINTS, BOARDS = 50, 5


class Case:
    """One board that has lived, and how many events one flashing of it takes."""

    def __init__(self, folder: Path, micropython: str, number: int) -> None:
        self.laptop = Laptop(folder / f"laptop{number}")
        self.board = SimulatedBoard(
            folder / f"board{number}", "heltec_v3", micropython=micropython, parts=PARTS, mac=f"24ec4a0000{number:02x}"
        )

    def wish(self) -> Wish:
        return self.laptop.wish(self.board.port, erase=True)

    def pulled_out_at(self, event: int) -> str:
        """What the run said that it met, "" where it was through before."""
        self.board.unplug_at(self.board.events + event)
        said = ""
        try:
            self.laptop.flasher.flash(self.wish())
        except BenchError as error:
            said = str(error)
        self.board.unplug()
        self.board.plug()
        return said

    def holds(self, before: Backup) -> None:
        self.board.unplug()
        after, whole = stored(self.board.folder / "flash.bin")
        assert whole
        has_all_of(after, before)
        self.board.plug()


@pytest.mark.timeout(280)
def test_pulled_out_anywhere_nothing_is_lost(
    tmp_path: Path, micropython: str, lived_flash: tuple[Path, Backup]
) -> None:
    flash, before = lived_flash
    said: list[str] = []

    def one(number: int) -> None:
        case = Case(tmp_path, micropython, number)
        case.board.folder.mkdir(exist_ok=True)
        shutil.copyfile(flash, case.board.folder / "flash.bin")
        with case.board:
            begin = case.board.events
            case.laptop.flasher.flash(case.wish())
            whole = case.board.events - begin
            for n in range(number, POINTS, BOARDS):
                said.append(case.pulled_out_at(1 + n * whole // POINTS))
                done = case.laptop.flasher.flash(case.wish())
                assert done.device == "kn-0007", (n, said[-1])
                case.holds(before)

    with ThreadPoolExecutor(BOARDS) as pool:
        list(pool.map(one, range(BOARDS)))
    assert len(said) == POINTS
    assert sum(bool(one) for one in said) >= POINTS - 2, said
    assert all("Traceback" not in one for one in said)
