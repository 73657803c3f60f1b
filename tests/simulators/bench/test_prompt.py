"""The real mpremote and the bench's own Repl at a simulated board's prompt, and the life of what runs there."""

import os
import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from firmware.bench.board.repl import Repl
from firmware.bench.trouble import BenchError, BoardSays, CableOut
from simulators.bench.board import SimulatedBoard
from tests.simulators.bench.boards import PARTS, esptool, flashed, mpremote

READY = ">>> "


@pytest.fixture
def board(tmp_path: Path, micropython: str) -> Iterator[SimulatedBoard]:
    with flashed(tmp_path, micropython, parts=PARTS) as board:
        board.wait_for(READY)
        yield board


def put(board: SimulatedBoard, name: str, code: str) -> None:
    """A file on the board, and the board's prompt is nobody's again."""
    with Repl(board.port) as repl:
        repl.write(name, code.encode())


def test_mpremote(board: SimulatedBoard, tmp_path: Path) -> None:
    assert mpremote(board, "exec", "print(6 * 7)").strip() == "42"
    file = tmp_path / "data.bin"
    file.write_bytes(random.Random(1).randbytes(3000))
    mpremote(board, "cp", str(file), ":/data.bin")
    assert "3000 data.bin" in mpremote(board, "ls", ":/")
    mpremote(board, "cp", ":/data.bin", str(tmp_path / "back.bin"))
    assert (tmp_path / "back.bin").read_bytes() == file.read_bytes()
    mpremote(board, "exec", "kept = 1")
    assert "NameError" in mpremote(
        board, "soft-reset", "exec", "try:\n print(kept)\nexcept NameError as e:\n print(repr(e))"
    )
    assert "8.00M" in mpremote(board, "df") or "6" in mpremote(board, "df")


def test_it_says_what_it_is(board: SimulatedBoard) -> None:
    with Repl(board.port) as repl:
        assert repl.value("__import__('sys').platform") == "esp32"
        assert repl.value("__import__('os').uname().machine") == "Generic ESP32S3 module with ESP32S3"
        assert repl.value("__import__('sys').implementation.version")[:3] == (1, 29, 0)
        assert repl.value("__import__('machine').unique_id()") == bytes.fromhex(board.mac)
        assert repl.value("__import__('os').listdir('/')") == ["boot.py"]
        assert repl.value("__import__('os').statvfs('/')[2] * 4096") == (8 - 2) << 20
        assert repl.value("[hex(a) for a in __import__('machine').I2C(0, scl=__import__('machine').Pin(42),"
                          " sda=__import__('machine').Pin(41)).scan()]") == ["0x76"]  # fmt: skip
        assert repl.value("__import__('time').gmtime()[0]") == 2000, "nobody has told it the time"


def test_files_words_and_hashes(board: SimulatedBoard) -> None:
    data = random.Random(2).randbytes(20_000)
    with Repl(board.port) as repl:
        repl.write("/a/b/c.bin", data)
        assert repl.read("/a/b/c.bin") == data
        assert repl.read("/nothing") is None
        assert repl.files() == {"/a/b/c.bin": 20_000, "/boot.py": repl.files()["/boot.py"]}
        assert repl.hashes(["/nothing"]) == {"/nothing": ""}
        with pytest.raises(BoardSays, match="ZeroDivisionError"):
            repl.run("1 / 0")


def test_a_full_flash_is_said(tmp_path: Path, micropython: str) -> None:
    with flashed(tmp_path, micropython, "esp32_c3") as board:
        board.wait_for(READY)
        with Repl(board.port) as repl:
            repl.run("with open('/fill', 'wb') as f:\n for n in range(480):\n  f.write(bytes(4096))", 30)
            with pytest.raises(BoardSays, match="full"):
                repl.write("/more", random.Random(3).randbytes(150_000))
            assert "/more" not in repl.files()


def test_erasing_flash_destroys_files_and_nvs(board: SimulatedBoard, tmp_path: Path) -> None:
    put(board, "/identity.json", "{}")
    word = "__import__('esp32').NVS('klimanetz').get_i32('lw_nonce')"
    with Repl(board.port) as repl:
        repl.run("import esp32\nn = esp32.NVS('klimanetz')\nn.set_i32('lw_nonce', 41)\nn.commit()\nn.set_i32('x', 1)")
        repl.reset()
    with Repl(board.port) as repl:
        assert repl.value(word) == 41
        with pytest.raises(BoardSays, match="-4354"):
            repl.value("__import__('esp32').NVS('klimanetz').get_i32('x')")
    code, said = esptool(board, "erase-region", "0x9000", "0x6000")
    assert code == 0, said
    with Repl(board.port) as repl:
        assert "/identity.json" in repl.files()
        with pytest.raises(BoardSays, match="-4354"):
            repl.value(word)
    assert esptool(board, "erase-region", "0x200000", "0x600000")[0] == 0
    with Repl(board.port) as repl:
        assert list(repl.files()) == ["/boot.py"]


def test_the_newest_whole_half_of_nvs_counts(board: SimulatedBoard) -> None:
    def held() -> object:
        since = len(board.log)
        board.press_reset()
        board.wait_for(READY, since=since)
        with Repl(board.port) as repl:
            return repl.value("__import__('esp32').NVS('klimanetz').get_i32('lw_nonce')")

    with Repl(board.port) as repl:
        for n in (1, 2):
            repl.run(f"import esp32\nn = esp32.NVS('klimanetz')\nn.set_i32('lw_nonce', {n})\nn.commit()")
    assert held() == 2
    half = 0x9000 if b": 2}" in board.flash.read(0x9000, 100) else 0xC000
    body = board.flash.read(half, 100)
    board.flash.program(half + body.index(b": 2}") + 2, b"0")  # as a write that was torn
    assert held() == 1


def test_the_programs_run_and_ctrl_c_stops_them(board: SimulatedBoard) -> None:
    put(board, "/boot.py", "print('boot', __name__)\nfrom_boot = 5\n")
    put(board, "/lib/own.py", "value = 7\n")
    put(board, "/main.py", "import own, time\nprint('main', own.value, from_boot)\nwhile True:\n    time.sleep(3600)\n")
    board.press_reset()
    board.wait_for("main 7 5")
    with Repl(board.port) as repl:
        assert "KeyboardInterrupt" in board.log
        with pytest.raises(BenchError):
            repl.run("while True: pass", timeout_s=0.3)
    since = len(board.log)
    assert mpremote(board, "exec", "print('here')").strip() == "here"
    assert "main 7" not in board.log[since:], "a soft reset in the raw REPL leaves main.py out"
    assert mpremote(board, "soft-reset", "exec", "print('again')").strip() == "again"
    put(board, "/main.py", "raise ValueError('wrong')\n")
    board.press_reset()
    board.wait_for("ValueError: wrong")
    board.wait_for(READY)


def test_deep_sleep_ends_and_only_its_memory_lives(tmp_path: Path, micropython: str) -> None:
    code = (
        "import machine, time\nr = machine.RTC()\nm = r.memory()\nprint('start', machine.reset_cause(), m, time.time() - 946684800 < 100)\n"
        "r.memory(m + b'x')\nif len(m) < 2:\n    machine.deepsleep(3600000)\nelif len(m) == 2:\n    machine.soft_reset()\n"
        "elif len(m) == 3:\n    machine.reset()\n"
    )
    with flashed(tmp_path, micropython, hurry_s=0.2) as board:
        board.wait_for(READY)
        put(board, "/main.py", code)
        since = len(board.log)
        board.press_reset()
        board.wait_for("start 5 b'xxx' True", since=since)
        board.wait_for("start 2 b'' True", since=since)
        text = board.log[since:]
        starts = [line for line in text.splitlines() if line.startswith("start")]
        assert starts[:3] == ["start 1 b'' True", "start 4 b'x' True", "start 4 b'xx' True"]
        assert text.count("DSLEEP") >= 2
        assert "MPY: soft reboot" in text


def test_a_sleeping_board_is_woken_by_whoever_insists(board: SimulatedBoard) -> None:
    put(board, "/main.py", "import machine, time\ntime.sleep_ms(300)\nmachine.deepsleep(3600000)\n")
    board.press_reset()
    board.wait_mode("asleep")
    code, said = esptool(board, "flash-id")
    assert code == 0, said
    board.press_reset()
    board.wait_mode("asleep")
    with Repl(board.port) as repl:
        assert repl.value("1 + 1") == 2


def test_a_watchdog_bites_at_the_prompt(board: SimulatedBoard) -> None:
    with Repl(board.port) as repl:
        repl.run("import machine\nw = machine.WDT(timeout=200)")
    board.wait_for("TG0WDT")
    since = len(board.log)
    board.wait_for(READY, since=since)


def test_unplugged_at_the_prompt_and_again(board: SimulatedBoard) -> None:
    board.unplug_at(board.events + 40)

    def fill() -> None:
        with Repl(board.port) as repl:
            for n in range(100):
                repl.write(f"/{n}.bin", random.Random(n).randbytes(500))

    with pytest.raises(CableOut):
        fill()
    assert (board.mode, os.path.lexists(board.port)) == ("", False)
    since = len(board.log)
    board.plug()
    board.wait_for(READY, since=since)
    with Repl(board.port) as repl:
        files = [name for name in repl.files() if name.endswith(".bin")]
        assert files
        assert all(repl.read(f"/{n}.bin") == random.Random(n).randbytes(500) for n in range(len(files)))


def test_time_is_real(board: SimulatedBoard) -> None:
    with Repl(board.port) as repl:
        begin = time.monotonic()
        ticks = repl.value("(lambda t: [t.ticks_ms(), t.sleep_ms(300), t.ticks_ms()])(__import__('time'))")
        assert 300 <= ticks[2] - ticks[0] < 3000
        assert time.monotonic() - begin >= 0.3
        repl.run(
            "import asyncio\nasync def one(s):\n await asyncio.sleep(s)\n"
            "async def two():\n await asyncio.gather(one(0.2), one(0.3))\n"
        )
        begin = time.monotonic()
        repl.run("asyncio.run(two())")
        assert time.monotonic() - begin >= 0.3
