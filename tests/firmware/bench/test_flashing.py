"""Flashing a simulated board: the real esptool and mpremote at a pseudo-terminal, real MicroPython on its flash."""

import hashlib
import json
import os
import shutil
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from firmware.bench.board import looking, rom
from firmware.bench.board.backup import CONFIG as CONFIG_FILE
from firmware.bench.board.backup import MAIN, Backup
from firmware.bench.board.repl import Repl
from firmware.bench.board.shelf import DONE
from firmware.bench.flash import images
from firmware.bench.flash.flashing import SAVE
from firmware.bench.trouble import BenchError, CableOut, WrongUse
from simulators.bench import image as stand_in
from simulators.bench.board import SimulatedBoard
from tests.firmware.bench.laptop import CONFIG, PARTS, Laptop
from tests.firmware.bench.lives import NVS, has_all_of, lived, looked


@pytest.fixture
def laptop(tmp_path: Path) -> Laptop:
    return Laptop(tmp_path)


@pytest.fixture
def board(tmp_path: Path, micropython: str) -> Iterator[SimulatedBoard]:
    with SimulatedBoard(tmp_path / "board", "heltec_v3", micropython=micropython, parts=PARTS) as made:
        yield made


@pytest.fixture
def station(
    tmp_path: Path, micropython: str, lived_flash: tuple[Path, Backup]
) -> Iterator[tuple[SimulatedBoard, Backup]]:
    """A board that has lived, and what was on it."""
    (tmp_path / "board").mkdir()
    shutil.copyfile(lived_flash[0], tmp_path / "board" / "flash.bin")
    with SimulatedBoard(tmp_path / "board", "heltec_v3", micropython=micropython, parts=PARTS) as made:
        yield made, lived_flash[1]


def now_on(port: str) -> Backup:
    with Repl(port) as repl:
        return looked(repl)


def test_a_new_board_gets_micropython_firmware_and_configuration(laptop: Laptop, board: SimulatedBoard) -> None:
    steps: list[str] = []
    done = laptop.flasher.flash(laptop.wish(board.port), lambda step, *_: step in steps or steps.append(step))
    assert steps == ["look", "save", "erase", "write", "start", "copy", "restore", "check"]
    assert (done.board, done.chip, done.micropython, done.device) == ("heltec_v3", "esp32s3", "v1.29.0", "")
    with Repl(board.port) as repl:
        found = looking.by_repl(repl, __import__("datetime").datetime.now())
        assert (found.board, found.version, found.alive) == ("heltec_v3", "1.2.3", True)
        assert json.loads(found.backup.files[CONFIG_FILE]) == CONFIG
        assert "/lib/lora-sync.py" in repl.files("/lib")
        assert len(repl.files("/lib")) + 1 == done.files
    journal = laptop.shelf.journal(done.mac)
    assert journal is not None
    assert journal.step == DONE


def test_what_a_board_was_it_is_again(laptop: Laptop, board: SimulatedBoard) -> None:
    laptop.flasher.flash(laptop.wish(board.port))
    before = lived(board.port)
    assert before.unsent == 5
    done = laptop.flasher.flash(laptop.wish(board.port, erase=True, board="", config=b""))
    assert (done.device, done.unsent) == ("kn-0007", 5)
    after = now_on(board.port)
    assert dict(after.files) == dict(before.files)
    assert dict(after.nvs) == dict(before.nvs)
    assert {key: after.nvs[key] for key in NVS} == NVS


def test_an_update_erases_nothing_and_takes_old_modules_away(
    laptop: Laptop, station: tuple[SimulatedBoard, Backup]
) -> None:
    board, before = station
    with Repl(board.port) as repl:
        repl.write("/lib/old/module.mpy", b"M")
    done = laptop.flasher.flash(laptop.wish(board.port))
    assert "erase" not in done.seconds
    has_all_of(now_on(board.port), before)
    with Repl(board.port) as repl:
        assert "/lib/old/module.mpy" not in repl.files("/lib")


def test_a_new_identity_forgets_the_old_one_but_not_the_air_time(laptop: Laptop, board: SimulatedBoard) -> None:
    laptop.flasher.flash(laptop.wish(board.port))
    before = lived(board.port)
    with Repl(board.port) as repl:
        repl.run("import esp32\n_n = esp32.NVS('klimanetz')\n_n.set_blob('lw_air', b'air')\n_n.commit()")
    done = laptop.flasher.flash(laptop.wish(board.port, new_identity=True, restart=False))
    after = now_on(board.port)
    assert (done.device, set(after.files), dict(after.nvs)) == (
        "",
        {CONFIG_FILE, "/boot.py"} & set(after.files) | {CONFIG_FILE},
        {"lw_air": b"air"},
    )
    kept = laptop.shelf.backup(done.mac, done.backup)
    assert done.left == 5
    assert kept is not None
    assert kept.device == before.device
    assert kept.unsent == 5


def test_a_board_whose_micropython_is_gone_keeps_everything(
    laptop: Laptop, station: tuple[SimulatedBoard, Backup]
) -> None:
    board, before = station
    with (board.folder / "flash.bin").open("r+b") as flash:
        flash.seek(0x10000)
        flash.write(b"\xff" * 4096)
    board.press_reset()
    done = laptop.flasher.flash(laptop.wish(board.port, board="", config=b""))
    assert done.device == "kn-0007"
    assert done.unsent >= before.unsent
    has_all_of(now_on(board.port), before)


def test_files_that_cannot_be_read_are_kept_whole(tmp_path: Path, laptop: Laptop, micropython: str) -> None:
    """Its counters are ours, and its files are rubbish: nobody may erase that unasked."""
    blob = bytearray(stand_in.build("esp32s3", 4).ljust(4 << 20, b"\xff"))
    blob[0x10000:0x12000] = blob[0x200000:0x202000] = b"\x55" * 8192
    blob[0x9000:0x9009] = b"klimanetz"
    (tmp_path / "board").mkdir()
    (tmp_path / "board" / "flash.bin").write_bytes(blob)
    with SimulatedBoard(tmp_path / "board", "heltec_v3", micropython=micropython, flash_mb=4) as board:
        with pytest.raises(BenchError, match="cannot be read, though there is something"):
            laptop.flasher.flash(laptop.wish(board.port))
        (kept,) = laptop.shelf.place(board.mac).glob("flash-*.bin")
        assert kept.read_bytes() == (board.folder / "flash.bin").read_bytes()


def test_stopped_while_flash_is_read_nothing_is_erased(laptop: Laptop, station: tuple[SimulatedBoard, Backup]) -> None:
    """littlefs calls back from C, where Ctrl-C would be swallowed: half of the files would pass for all of them."""
    board, _ = station
    with (board.folder / "flash.bin").open("r+b") as flash:
        flash.seek(0x10000)
        flash.write(b"\xff" * 4096)
    board.press_reset()
    before = hashlib.sha256((board.folder / "flash.bin").read_bytes()).hexdigest()

    def stopped(step: str, done: int, of: int) -> None:
        if step == SAVE and (done, of) == (3, 4):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        laptop.flasher.flash(laptop.wish(board.port), stopped)
    assert hashlib.sha256((board.folder / "flash.bin").read_bytes()).hexdigest() == before


def test_a_station_that_is_refused_goes_on_measuring(laptop: Laptop, station: tuple[SimulatedBoard, Backup]) -> None:
    board, _ = station
    with pytest.raises(WrongUse, match="is none of"):
        laptop.flasher.flash(laptop.wish(board.port, board="heltec_v9"))
    goes_on(board)
    assert rom.usable(board.port) == "esp32s3"
    goes_on(board)


def goes_on(board: SimulatedBoard) -> None:
    """It is not left in its loader, where no watchdog runs."""
    until = time.monotonic() + 10
    while board.mode not in ("run", "asleep"):
        assert time.monotonic() < until, board.mode
        time.sleep(0.02)


def test_starts_on_the_bench_do_not_use_up_a_configuration(laptop: Laptop, board: SimulatedBoard) -> None:
    """Without a gateway in reach it has never worked; the third start would be its last, whoever caused it."""
    laptop.flasher.flash(laptop.wish(board.port))
    used_up = "import esp32\n_n = esp32.NVS('klimanetz')\n_n.set_i32('trials', 3)\n_n.commit()"
    with Repl(board.port) as repl:
        repl.run(used_up)
        repl.reset()
    with Repl(board.port) as repl:
        assert looking.nvs_of(repl, ["trials"])["trials"] < 3
        repl.run(used_up)
    laptop.flasher.flash(laptop.wish(board.port, restart=False))
    with Repl(board.port) as repl:
        assert looking.nvs_of(repl, ["trials"])["trials"] == 0


def test_a_wrong_board_is_named_and_not_touched(laptop: Laptop, board: SimulatedBoard) -> None:
    before = hashlib.sha256((board.folder / "flash.bin").read_bytes()).hexdigest()
    other = Laptop(laptop.folder, chips=("esp32", "esp32s3"))
    config = json.dumps({**CONFIG, "radio": "mqtt", "mqtt": {"host": "b", "tls": False}, "wifi": {"ssid": "s"}})
    with pytest.raises(WrongUse, match="the board on the cable has an esp32s3, and esp32_devkit has an esp32"):
        other.flasher.flash(other.wish(board.port, board="esp32_devkit", config=config.encode()))
    assert hashlib.sha256((board.folder / "flash.bin").read_bytes()).hexdigest() == before


def test_an_image_of_another_chip_is_named_and_nothing_written(laptop: Laptop, board: SimulatedBoard) -> None:
    data = stand_in.build("esp32c3", 4)
    (laptop.images / "esp32s3.bin").write_bytes(data)
    said = json.loads((laptop.images / images.LOCK).read_text())
    said["images"][0]["sha256"] = hashlib.sha256(data).hexdigest()
    (laptop.images / images.LOCK).write_text(json.dumps(said))
    with pytest.raises(WrongUse, match="is an image for esp32c3"):
        laptop.flasher.flash(laptop.wish(board.port))
    assert MAIN not in (board.folder / "flash.bin").read_bytes().decode("latin-1")


def test_a_board_that_says_nothing_of_itself_has_to_be_named(laptop: Laptop, board: SimulatedBoard) -> None:
    with pytest.raises(WrongUse, match="name it, like --board"):
        laptop.flasher.flash(laptop.wish(board.port, board=""))
    with pytest.raises(WrongUse, match="which sensors"):
        laptop.flasher.flash(laptop.wish(board.port, config=b""))


def test_flash_too_small_for_all_of_it_is_said_before_anything_is_erased(
    tmp_path: Path, laptop: Laptop, micropython: str
) -> None:
    with (
        SimulatedBoard(tmp_path / "small", "heltec_v3", micropython=micropython, flash_mb=2) as small,
        pytest.raises(WrongUse, match="it does not fit: this board has 2 MB of flash; nothing was written"),
    ):
        laptop.flasher.flash(laptop.wish(small.port))


def test_a_terminal_that_is_gone_is_a_cable_that_is_out(
    board: SimulatedBoard, laptop: Laptop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """termios.error is no OSError: whoever pulled the cable out at that moment saw a traceback."""
    laptop.flasher.flash(laptop.wish(board.port))
    other, gone = os.openpty()
    os.close(other)
    with Repl(board.port) as repl:
        monkeypatch.setattr(
            repl._transport.serial, "reset_input_buffer", lambda: termios.tcflush(gone, termios.TCIFLUSH)
        )
        with pytest.raises(CableOut, match="went away"):
            repl.fresh()
    os.close(gone)
