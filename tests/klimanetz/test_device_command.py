"""`klimanetz device image` and `klimanetz device energy`: what they answer, and how they refuse."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(sys.executable).with_name("klimanetz")


def run(*arguments: str | Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [PROGRAM, "device", *arguments], capture_output=True, text=True, timeout=60, check=False, env=os.environ
    )


def test_energy_adds_up() -> None:
    done = run("energy", "--board", "heltec_v3", "--sf", "10", "--sensors", "sht4x, bme280", "--json")
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["mah_day"] == pytest.approx(sum(answer["parts_mah_day"].values()), abs=0.001)
    assert (answer["radio"], answer["sf"], answer["payload_bytes"], answer["sensors"]) == (
        "lorawan", 10, 35, ["sht4x", "bme280"],
    )  # fmt: skip
    assert answer["years"] > 0
    assert answer["peak_too_strong"] is False


def test_energy_in_words() -> None:
    done = run("energy", "--board", "esp32_c3", "--sleep-ua", "20", "--cell", "D-LiSOCl2")
    assert done.returncode == 0, done.stderr
    assert "in all" in done.stdout
    assert "A cell of the kind D-LiSOCl2 lasts" in done.stdout
    assert "more than the 250 mA that this cell gives" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--board", "uno"], "unknown board 'uno': one of esp32_c3, esp32_devkit"),
        (["--sensors", "bmp"], "unknown sensor 'bmp'"),
        (["--cell", "AAA"], "unknown cell 'AAA'"),
        (["--radio", "zigbee"], "there is no radio 'zigbee': use lorawan or mqtt"),
        (["--board", "esp32_c3", "--radio", "lorawan"], "esp32_c3 has no LoRa radio"),
        (
            ["--sf", "12", "--readings", "9", "--sensors", "bme280"],
            "9 readings take up to 82 bytes, and SF12 carries 51",
        ),
        (["--sf", "6"], "use at least 7"),
        (["--interval", "3"], "longer than the interval of 3 s"),
    ],
)
def test_energy_refuses_in_one_sentence(arguments: list[str], said: str) -> None:
    done = run("energy", *arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert said in done.stderr


def test_image_refuses_in_one_sentence(tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    config.write_text('{"radio": "lorawan", "sensors": {"air": {"chip": "sht4x", "bus": "i2c0"}}}')
    for code, said, arguments in (
        (2, "there is no board 'uno'", ["--board", "uno", "--config", config]),
        (1, "cannot be read: No such file", ["--board", "heltec_v3", "--config", tmp_path / "gone.json"]),
        (1, "esp32_c3 has no LoRa radio", ["--board", "esp32_c3", "--config", config]),
    ):
        done = run("image", *arguments, "--out", tmp_path / "out")
        assert done.returncode == code
        assert done.stderr.count("\n") == 1
        assert said in done.stderr
        assert not (tmp_path / "out").exists()
