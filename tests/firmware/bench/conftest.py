"""A board that has lived, made once: its flash, and what was on it."""

import json
from pathlib import Path

import pytest

from firmware.bench.board.backup import Backup
from simulators.bench.board import SimulatedBoard
from tests.firmware.bench.laptop import CONFIG, PARTS, Laptop
from tests.firmware.bench.lives import lived


@pytest.fixture(scope="session")
def lived_flash(tmp_path_factory: pytest.TempPathFactory, micropython: str) -> tuple[Path, Backup]:
    """`flash.bin` of a Heltec V3 with identity, counters and readings that nobody has heard; and these."""
    folder = tmp_path_factory.mktemp("lived")
    laptop = Laptop(folder)
    config = json.dumps(CONFIG | {"interval_s": 900}).encode()
    with SimulatedBoard(folder / "board", "heltec_v3", micropython=micropython, parts=PARTS) as board:
        laptop.flasher.flash(laptop.wish(board.port, config=config))
        before = lived(board.port)
    return folder / "board" / "flash.bin", before
