"""The simulated chip keeps its promises: virtual time, memories that outlive what they should, power that fails."""

import json
from pathlib import Path

import pytest

from simulators.board.host import START_US, Chip, ChipStopped


@pytest.fixture
def chip(tmp_path: Path, micropython: str) -> Chip:
    return Chip(tmp_path / "chip", micropython)


def run(chip: Chip, tmp_path: Path, code: str) -> str:
    script = tmp_path / "script.py"
    script.write_text(code)
    return chip.start(script)


def test_sleeping_costs_no_real_time_and_wraps_as_on_the_chip(chip: Chip, tmp_path: Path) -> None:
    out = run(chip, tmp_path, "import time\na = time.ticks_ms()\nb = time.time()\n"
              "for _ in range(20): time.sleep(86400)\nc = time.ticks_ms()\n"
              "print(c == a + 20 * 86400000, time.ticks_diff(c, a) % 2**30 == 20 * 86400000 % 2**30, time.time() - b)\n"
              "print(time.ticks_diff(time.ticks_add(c, 1500), c))")  # fmt: skip
    assert out.split() == ["False", "True", "1728000", "1500"]


def test_a_loop_that_polls_the_clock_ends(chip: Chip, tmp_path: Path) -> None:
    out = run(chip, tmp_path, "import time\nstart = time.ticks_ms()\nn = 0\n"
              "while time.ticks_diff(time.ticks_ms(), start) < 50: n += 1\nprint(n)")  # fmt: skip
    assert 2_000 < int(out) <= 2_500  # 20 µs a look


def test_deep_sleep_keeps_rtc_memory_and_takes_true_time(chip: Chip, tmp_path: Path) -> None:
    chip.change(sleep_ppm=1000)
    code = """
import machine
rtc = machine.RTC()
print(machine.reset_cause(), machine.wake_reason(), rtc.memory())
rtc.memory(b"seq 7")
machine.deepsleep(900_000)
"""
    assert run(chip, tmp_path, code).split("\n")[0] == "1 0 b''"
    assert chip.state["true_us"] == START_US + 899_100_000  # its slow clock is fast by 1,000 ppm
    assert run(chip, tmp_path, code).split("\n")[0] == "4 4 b'seq 7'"


def test_power_fails_at_its_moment_and_takes_the_rtc_along(chip: Chip, tmp_path: Path) -> None:
    chip.change(power_cuts=[[START_US + 5_000_000, 60_000_000]])
    code = "import machine, time\nmachine.RTC().memory(b'x')\nprint(time.time() // 31536000)\ntime.sleep(10)\nprint('never')"
    assert run(chip, tmp_path, code).split() == ["30"]  # 2000-01-01: the RTC has just got power
    assert chip.state["true_us"] == START_US + 65_000_000
    assert run(chip, tmp_path, "import machine\nprint(machine.reset_cause(), machine.RTC().memory())") == "1 b''\n"


def test_nvs_survives_what_is_committed(chip: Chip, tmp_path: Path) -> None:
    code = """
from esp32 import NVS
nvs = NVS("kn")
nvs.set_i32("nonce", 7)
nvs.set_blob("key", b"abc")
nvs.commit()
nvs.set_i32("nonce", 8)
"""
    run(chip, tmp_path, code)
    read = "from esp32 import NVS\nnvs = NVS('kn')\nb = bytearray(8)\nprint(nvs.get_i32('nonce'), nvs.get_blob('key', b), b[:3])"
    assert run(chip, tmp_path, read).strip() == "7 3 bytearray(b'abc')"
    with pytest.raises(ChipStopped, match="4354"):
        run(chip, tmp_path, "from esp32 import NVS\nNVS('kn').get_i32('other')")


def test_a_power_cut_in_the_middle_of_a_write_leaves_what_was_synced(chip: Chip, tmp_path: Path) -> None:
    code = """
import time
try:
    print(len(open("/flash/log", "rb").read()))
except OSError:
    print(0)
for n in range(100):
    with open("/flash/log", "ab") as file:
        file.write(b"%47d\\n" % n)
    time.sleep(1)
    print(n + 1)
"""
    chip.change(cut_at_write=250)
    lines = run(chip, tmp_path, code).split()
    synced = int(lines[-1])
    assert 0 < synced < 100
    chip.change(cut_at_write=0)
    again = run(chip, tmp_path, code).split()
    assert int(again[0]) in (48 * synced, 48 * (synced + 1))


def test_a_watchdog_that_is_not_fed_resets(chip: Chip, tmp_path: Path) -> None:
    fed = "import machine, time\ndog = machine.WDT(timeout=5000)\nfor _ in range(10):\n time.sleep(4)\n dog.feed()\nprint('fed')\n"
    assert run(chip, tmp_path, fed + "time.sleep(6)\nprint('never')") == "fed\n"
    assert chip.state["reset"] == "watchdog"
    assert run(chip, tmp_path, "import machine\nprint(machine.reset_cause() == machine.WDT_RESET)") == "True\n"


def test_light_sleep_goes_on_in_the_same_process(chip: Chip, tmp_path: Path) -> None:
    code = "import machine, time\na = time.ticks_ms()\nmachine.lightsleep(900000)\nprint(time.ticks_diff(time.ticks_ms(), a))\nmachine.reset()"
    assert int(run(chip, tmp_path, code)) in (900_000, 900_001)
    assert json.loads((chip.folder / "chip.json").read_text())["reset"] == "hard"
