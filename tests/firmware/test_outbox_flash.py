"""The outbox on real littlefs: the power fails at every single block write of a run of 500 readings."""

import concurrent.futures
import os
import shutil
import subprocess
from pathlib import Path

from simulators.board.host import OVERRIDES, ROOT, START, Chip

HERE = Path(__file__).parent
WORKERS = 2


def test_no_power_cut_costs_more_than_the_reading_being_written(micropython: str, tmp_path: Path) -> None:
    chip = Chip(tmp_path / "chip", micropython)
    chip.change(flash_blocks=64)
    empty = chip.folder / "flash.img"
    assert chip.heap_kib  # which formats it
    shutil.copy(empty, tmp_path / "formatted")
    chip.change(log_flash=True)
    steps = chip.start(HERE / "outbox_run.py")
    (tmp_path / "steps").write_text(steps)
    _, _, waiting, forgotten = steps.splitlines()[-1].split()
    assert int(waiting) > 100
    assert int(forgotten) > 0, "the run must also meet a full outbox"

    def cuts(worker: int) -> str:
        image = tmp_path / ("image-%d" % worker)
        shutil.copy(tmp_path / "formatted", image)
        environment = os.environ | {
            "MICROPYPATH": "%s:%s:.frozen" % (OVERRIDES, ROOT),
            "KLIMANETZ_BOARD": str(other[worker]),
        }
        command = [micropython, "-X", "heapsize=4m", str(START), str(HERE / "outbox_cuts.py"), str(image),
                   str(chip.folder / "flash.log"), str(tmp_path / "steps"), str(worker), str(WORKERS)]  # fmt: skip
        ran = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=110)
        assert not ran.stderr, ran.stderr
        return ran.stdout

    other = [tmp_path / ("other-%d" % n) for n in range(WORKERS)]
    for folder in other:
        Chip(folder, micropython)
    with concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
        said = list(pool.map(cuts, range(WORKERS)))
    looked = [line.split() for text in said for line in text.splitlines()]
    assert [line for line in looked if line[0] != "looked"] == [], "".join(said)[-3000:]
    assert sum(int(line[1]) for line in looked) > 5_000
    shutil.rmtree(tmp_path / "chip")
