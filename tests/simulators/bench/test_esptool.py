"""The real esptool at a simulated board: what it can do with a chip, and what it says when something is wrong."""

import re
from pathlib import Path

import pytest
from esptool.cmds import attach_flash, detect_chip, erase_flash, flash_id, read_flash, run_stub, write_flash

from simulators.bench import image
from simulators.bench.board import SimulatedBoard
from tests.simulators.bench.boards import esptool, flashed, image_file, offset, tool

MODELS = ("esp32_devkit", "heltec_v3", "esp32_c3")
READY = ">>> "


def new(folder: Path, micropython: str, model: str = "heltec_v3", **more: object) -> SimulatedBoard:
    return SimulatedBoard(folder / "board", model, micropython, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("model", MODELS)
def test_a_chip_from_detection_to_its_first_prompt(tmp_path: Path, micropython: str, model: str) -> None:
    file, at, back = image_file(tmp_path, model), offset(model), tmp_path / "back.bin"
    size = str(file.stat().st_size)
    with new(tmp_path, micropython, model) as board:
        board.wait_for("invalid header: 0xffffffff")
        code, said = esptool(board, "flash-id")
        assert code == 0, said
        assert "Stub flasher running" in said
        assert re.search(rf"Detected flash size:\s+{board.flash.size >> 20}MB", said)
        assert re.search(rf"{board.chip.title}\S* \(\S*\s*(revision|QFN)", said), said
        assert "24:ec:4a:00:00:01" in said
        for words in (
            ("--baud", "921600", "erase-flash"),
            ("--baud", "921600", "write-flash", at, str(file)),
            ("verify-flash", at, str(file)),
            ("read-flash", at, size, str(back)),
        ):
            code, said = esptool(board, *words)
            assert code == 0, said
        assert back.read_bytes() == file.read_bytes()
        assert board.mode == "loader", "nobody has reset it"
        board.press_reset()
        board.wait_for(READY)


@pytest.mark.parametrize("model", MODELS)
def test_the_rom_alone_is_slower_and_does_the_same(tmp_path: Path, micropython: str, model: str) -> None:
    file, at, back = image_file(tmp_path, model), offset(model), tmp_path / "back.bin"
    with new(tmp_path, micropython, model) as board:
        board.flash.program(0x9000, bytes(100))
        for words in (
            ("erase-region", "0x9000", "0x1000"),
            ("write-flash", at, str(file)),
            ("read-flash", at, "0x800", str(back)),
        ):
            code, said = esptool(board, "--no-stub", *words)
            assert code == 0, said
        assert back.read_bytes() == file.read_bytes()[:0x800]
        assert board.flash.read(0x9000, 100) == b"\xff" * 100
        code, said = esptool(board, "--no-stub", "--after", "soft-reset", "flash-id")
        assert code == 0, said
        board.wait_for(READY)


def test_from_python(tmp_path: Path, micropython: str) -> None:
    data = image.build("esp32s3", 8)
    with new(tmp_path, micropython) as board, detect_chip(board.port) as esp:
        esp = run_stub(esp)
        attach_flash(esp)
        esp.change_baud(921600)
        flash_id(esp)
        erase_flash(esp)
        write_flash(esp, [(0, data)])
        assert read_flash(esp, 0, len(data)) == data
        assert board.baud == 921600
        esp.watchdog_reset()
        board.wait_for(READY)


def test_a_chip_that_takes_no_code_into_its_ram(tmp_path: Path, micropython: str) -> None:
    with new(tmp_path, micropython, stub=False) as board:
        code, said = esptool(board, "flash-id")
        assert (code, "Failed to enter RAM download mode" in said) == (2, True), said
        code, said = esptool(board, "--no-stub", "flash-id")
        assert code == 0, said


def test_a_board_without_the_circuit_for_reset(tmp_path: Path, micropython: str) -> None:
    """A pause instead of the modem lines, which a pseudo-terminal has not, gives the chip time to say its mode."""
    (tmp_path / "esptool.cfg").write_text("[esptool]\ncustom_reset_sequence = W0.05\n")
    with flashed(tmp_path, micropython, auto_reset=False) as board:
        board.wait_for(READY)
        code, said = esptool(board, "--connect-attempts", "2", "flash-id", cwd=tmp_path)
        assert (code, "Wrong boot mode detected (0x13)" in said) == (2, True), said
        since = len(board.log)
        board.wait_for(READY, since=since)
        board.hold_boot()
        board.press_reset()
        assert board.log.endswith("waiting for download\r\n")
        code, said = esptool(board, "flash-id")
        assert code == 0, said
        board.press_reset()
        board.wait_mode("run")


def test_a_cable_that_loses_bytes(tmp_path: Path, micropython: str) -> None:
    """What is written is right or refused."""
    file = image_file(tmp_path)
    with new(tmp_path, micropython) as board:
        board.faults.loses = 2e-5
        code, said = esptool(board, "write-flash", "0", str(file))
        assert (code == 0) == (board.flash.read(0, file.stat().st_size) == file.read_bytes()), said
        board.faults.loses = 2e-3
        code, said = esptool(board, "write-flash", "0", str(file))
        assert code == 2, said


def test_unplugged_in_the_middle_and_again(tmp_path: Path, micropython: str) -> None:
    file = image_file(tmp_path)
    with new(tmp_path, micropython) as board:
        assert esptool(board, "write-flash", "0", str(file))[0] == 0
        whole = board.events
        board.flash.erase(0, board.flash.size)
        board.unplug_at(board.events + whole - 5)  # in the last blocks
        code, said = esptool(board, "write-flash", "0", str(file))
        assert code != 0, said
        assert board.mode == ""
        assert not Path(board.port).exists()
        there = board.flash.read(0, file.stat().st_size)
        assert there != file.read_bytes()
        assert there[:0x8000] == file.read_bytes()[:0x8000]
        board.plug()
        board.wait_mode("stuck")
        code, said = esptool(board, "write-flash", "0", str(file))
        assert code == 0, said
        board.press_reset()
        board.wait_for(READY)


def test_a_flash_that_does_not_hold_and_one_that_is_too_small(tmp_path: Path, micropython: str) -> None:
    file = image_file(tmp_path)
    with new(tmp_path, micropython, flash_mb=4) as board:
        board.faults.bad_at = {0x12345}
        code, said = esptool(board, "write-flash", "0", str(file))
        assert (code, "MD5 of file does not match" in said) == (2, True), said
        board.faults.bad_at = set()
        assert esptool(board, "write-flash", "0", str(file))[0] == 0
        board.press_reset()
        board.wait_for("Detected size(4096k) smaller than the size in the binary image header(8192k)")


def test_a_port_where_no_chip_is(tmp_path: Path, micropython: str) -> None:
    with new(tmp_path, micropython) as board:
        once = ("--connect-attempts", "1", "flash-id")
        board.faults.silent = True
        code, said = esptool(board, *once)
        assert (code, "No serial data received" in said) == (2, True), said
        board.faults.silent = False
        board.faults.chatter = b"$GPGGA,,,,,,0,00,,,M,,M,,*66\r\n"
        code, said = esptool(board, *once)
        assert (code, "Failed to connect" in said) == (2, True), said
        board.faults.chatter = b""
        code, said = esptool(board, "--chip", "esp32c3", "flash-id")
        assert (code, "This chip is ESP32-S3, not ESP32-C3" in said) == (2, True), said


@pytest.mark.parametrize("model", MODELS)
def test_the_stand_in_says_what_it_is(tmp_path: Path, model: str) -> None:
    file = image_file(tmp_path, model)
    code, said = tool("esptool", "image-info", str(file))
    assert code == 0, said
    assert "(valid)" in said
    assert b"stand-in for MicroPython" in file.read_bytes()
    app = tmp_path / "app.bin"
    app.write_bytes(file.read_bytes()[image.APP_AT - int(offset(model), 16) :])
    code, said = tool("esptool", "image-info", str(app))
    assert code == 0, said
    assert re.search(r"Project name:\s+micropython", said), said
    assert re.search(r"App version:\s+v1.29.0", said), said
