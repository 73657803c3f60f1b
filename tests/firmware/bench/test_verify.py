"""Verify and monitor as a technician types them, at a simulated board on a pseudo-terminal: real firmware, real MicroPython,
LoRaWAN to the real gateway core, a real cloud behind it.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from firmware.bench.board.repl import Repl
from firmware.bench.checklist import expected
from firmware.bench.checklist.asking import Firmware
from firmware.bench.checklist.check import Check
from firmware.bench.checklist.verifying import Verification, Wanted
from firmware.bench.identity.manifest import Manifest, read, write
from firmware.bench.trouble import CableOut, WrongUse
from simulators.bench.board import SimulatedBoard
from simulators.board.truth import truth
from tests.firmware.bench.laptop import CONFIG, PARTS
from tests.firmware.bench.ready_board import VERSION, ready_board
from tests.firmware.bench.small_cloud import SmallCloud, lines, settings, small_cloud
from tests.gateway.helpers import APP_KEY, DEV_EUI, JOIN_EUI

PROGRAM = Path(sys.executable).with_name("klimanetz")
DEVICE = "kn-0007"
IDENTITY = {"device": DEVICE, "activation": "otaa", "dev_eui": DEV_EUI, "join_eui": JOIN_EUI, "app_key": APP_KEY}
SLOW = CONFIG | {"interval_s": 900}
FOREVER = [0, 1 << 60]


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallCloud]:
    with small_cloud(tmp_path_factory.mktemp("cloud"), DEVICE) as running:
        yield running


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("board")


@pytest.fixture(scope="module")
def board(folder: Path, micropython: str, cloud: SmallCloud) -> Iterator[SimulatedBoard]:
    """One board for all that leave it as it was."""
    with ready_board(folder, micropython, SLOW, IDENTITY, PARTS, air=cloud.air, hurry_s=1) as made:
        yield made


def command(
    tmp_path: Path, *arguments: str, environment: Mapping[str, str] | None = None
) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [PROGRAM, "device", *arguments, *(["--shelf", str(tmp_path / "shelf")] if {"verify", "check"} & {*arguments} else [])],
        capture_output=True, text=True, timeout=60, check=False, cwd=tmp_path, stdin=subprocess.DEVNULL,
        env=os.environ | {"LC_ALL": "C.UTF-8"} | dict(environment or {}),
    )  # fmt: skip


def colours(told: Mapping[str, Any]) -> dict[str, str]:
    return {check["name"]: check["colour"] for check in told["checks"]}


def test_a_good_board_is_green_and_its_reading_is_in_the_cloud(
    tmp_path: Path, folder: Path, board: SimulatedBoard, cloud: SmallCloud
) -> None:
    now_us = int(time.time() * 1e6)
    cloud.say(**{name: truth(name, "", now_us, 1) for name in ("air_temperature", "relative_humidity")})
    done = command(
        tmp_path, "verify", "--port", board.port, "--image", str(folder / "image"), "--technician", "AB",
        "--height", "3.2", "--cell", "18650", "--json", environment=settings(cloud),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert set(colours(told).values()) <= {"green", "yellow"}, told["checks"]
    assert {name for name, colour in colours(told).items() if colour == "yellow"} <= {"battery"}, told["checks"]
    assert (told["device"], told["station"], told["firmware"], told["board"]) == (DEVICE, "s0", VERSION, "heltec_v3")
    assert (told["technician"], told["height_m"], told["shield"]) == ("AB", 3.2, "passiv")
    assert told["place"] == {"latitude": 51.4, "longitude": 11.97}
    (arrived,) = [check["values"] for check in told["checks"] if check["name"] == "cloud"]
    assert (arrived["generation"], arrived["seq"]) in cloud.core.readings[DEVICE]
    assert APP_KEY not in done.stdout

    checked = command(tmp_path, "protocol", "check", told["file"])
    assert checked.returncode == 0, checked.stderr
    assert "as signed by AB, this laptop's key" in checked.stdout
    shown = command(tmp_path, "protocol", "show", told["file"], environment={"LC_ALL": "de_DE.UTF-8"})
    assert "# Prüfprotokoll kn-0007" in shown.stdout
    stranger = command(tmp_path, "protocol", "check", told["file"], "--signer", "00" * 32, "--json")
    assert stranger.returncode == 1
    file = Path(told["file"])
    file.write_bytes(file.read_bytes().replace(b'"height_m":3.2', b'"height_m":2.3'))
    changed = command(tmp_path, "protocol", "check", told["file"])
    assert changed.returncode == 1
    assert "was changed after it was signed" in changed.stdout


def board_runs_on(board: SimulatedBoard, since: int) -> None:
    """After `since` of its log it was started, and measures again by itself."""

    def has_measured() -> bool:
        _, began, life = board.log[since:].rpartition("SW_CPU_RESET")
        return bool(began) and '"kn": "reading"' in life

    until = time.monotonic() + 20
    while not has_measured() and time.monotonic() < until:
        time.sleep(0.05)
    assert has_measured(), board.log[since:]


def test_a_bad_board_is_red_and_says_what_to_do(tmp_path: Path, micropython: str, cloud: SmallCloud) -> None:
    """A broken sensor, a changed file, a stranger's name: each in its own line, and the rest is looked at all the same."""
    broken = [PARTS[0] | {"faults": {"missing": FOREVER}}, PARTS[1]]
    with ready_board(tmp_path, micropython, SLOW, IDENTITY | {"device": "kn-9"}, broken) as board:
        with Repl(board.port) as repl:
            repl.write(
                "/lib/edge/schedule.mpy", (tmp_path / "image/files/lib/edge/schedule.mpy").read_bytes()[:-1] + b"\0"
            )
        done = command(
            tmp_path, "verify", "--port", board.port, "--image", str(tmp_path / "image"), "--no-radio",
            environment=settings(cloud) | {"LC_ALL": "de_DE.UTF-8"},
        )  # fmt: skip
    assert done.returncode == 1, done.stderr
    said = " ".join(done.stdout.split())
    assert "1 von 62 Dateien sind nicht die des Images: /lib/edge/schedule.mpy" in said
    assert "kn-9 ist nicht registriert" in said
    assert "Sensor air sht4x antwortet nicht" in said
    assert "nicht gefragt (--no-radio)" in said
    assert "auf dem Flash" in said
    assert "Nicht im Protokoll: Kürzel (--technician)" in said
    assert "So nicht stehen lassen" in said


def test_a_cable_that_is_out_ends_it_and_the_next_run_is_whole(folder: Path, board: SimulatedBoard) -> None:
    wanted = Wanted(VERSION, folder / "image", radio=False, rounds=1)
    seen: list[Check] = []
    with Repl(board.port) as repl:
        board.unplug_at(board.events + 60)
        first = Verification(repl, None, wanted, seen.append)
        with pytest.raises(CableOut):
            first.run()
    board.unplug_at(None)
    board.plug()
    with Repl(board.port) as repl:
        again = Verification(repl, None, wanted, seen.append).run()
    assert {check.name: check.colour for check in again.checks} | {"battery": ""} == {
        "image": "green", "board": "green", "identity": "yellow", "configuration": "green", "sensor air": "green",
        "agreement": "green", "neighbours": "yellow", "battery": "", "clock": "yellow", "outbox": "green",
        "radio": "yellow",
    }  # fmt: skip


def test_on_a_trip_the_manifest_knows_the_device_and_keeps_the_result(tmp_path: Path, board: SimulatedBoard) -> None:
    manifest = Manifest(
        "2026-11-25T06:00:00Z",
        stations=[
            {
                "station": "s0",
                "name": "S0",
                "longitude": 11.97,
                "latitude": 51.48,
                "elevation_m": 100.0,
                "height_m": 2.0,
            }
        ],
        devices=[{**IDENTITY, "codec": "klimanetz"}],
        deployments=[{"station": "s0", "device": DEVICE, "from": "2026-11-01T00:00:00Z", "to": None}],
    )
    write(manifest, tmp_path / "trip.json")
    done = command(
        tmp_path, "verify", "--port", board.port, "--manifest", "trip.json", "--technician", "AB", "--no-radio",
        "--rounds", "1", "--json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["station"], told["height_m"], told["colour"]) == ("s0", 2.0, "yellow")
    found = colours(told)
    assert (found["identity"], found["neighbours"], found["cloud"]) == ("green", "yellow", "yellow")
    (kept,) = read(tmp_path / "trip.json").done
    assert (kept.what, kept.device, kept.technician) == ("verified", DEVICE, "AB")
    assert kept.row == {"colour": "yellow", "protocol": Path(told["file"]).name}
    assert not kept.changes, "nothing for the registry"


def test_a_board_that_was_stopped_again_and_again_keeps_its_new_configuration(board: SimulatedBoard) -> None:
    """As if its first cycle had been stopped three times: it would give the configuration up."""
    since = len(board.log)
    with Repl(board.port) as repl:
        repl.remove("/config.good")
        repl.run("import esp32\n_n = esp32.NVS('klimanetz')\n_n.set_i32('trials', 3)\n_n.commit()")
        repl.reset()
    board_runs_on(board, since)


def test_an_image_that_nobody_kept_is_made_again_from_the_boards_configuration(
    folder: Path, board: SimulatedBoard
) -> None:
    firmware = Firmware("heltec_v3", VERSION)
    again = expected.manifest(None, firmware, SLOW, VERSION)
    assert expected.digest(again) == expected.digest(expected.manifest(folder / "image", None, None, ""))
    assert expected.manifest(None, firmware, SLOW, "9.9.9") is None, "another version makes other bytes"
    assert expected.manifest(None, firmware, {"radio": "smoke"}, VERSION) is None
    with pytest.raises(WrongUse, match="is no image of ours"):
        expected.manifest(folder, firmware, SLOW, VERSION)


def test_a_board_without_a_program_is_told_so(tmp_path: Path, micropython: str) -> None:
    with ready_board(tmp_path, micropython, SLOW, IDENTITY, PARTS, {"/main.py": b"print('hello')\n"}) as board:
        done = command(tmp_path, "verify", "--port", board.port, "--json")
        assert done.returncode == 1
        assert colours(json.loads(done.stdout)) == {"image": "red", "cloud": "red"}
        live = command(tmp_path, "monitor", "--port", board.port, "--live")
        assert live.returncode == 1
        assert "no firmware of ours" in live.stderr


def test_wrong_use_is_one_sentence_and_touches_nothing(tmp_path: Path) -> None:
    for arguments, said in (
        (("--port", "/dev/nothing"), "there is no board at /dev/nothing"),
        (("--port", "/dev/nothing", "--cell", "AA"), "there is no cell 'AA': one of 18650"),
    ):
        done = command(tmp_path, "verify", *arguments)
        assert (done.returncode, done.stdout) == (2, "")
        assert said in done.stderr
    (tmp_path / "some.json").write_text("{}")
    for name, said in (("some.json", "is no protocol"), ("none.json", "cannot be read")):
        done = command(tmp_path, "protocol", "show", name)
        assert (done.returncode, said in done.stderr) == (2, True), done.stderr


def monitored(board: SimulatedBoard, tmp_path: Path, until: str, *arguments: str) -> str:
    """What it shows up to a text, then Ctrl-C."""
    process = subprocess.Popen(
        [PROGRAM, "device", "monitor", "--port", board.port, *arguments], stdout=subprocess.PIPE, text=True, cwd=tmp_path,
        stderr=subprocess.PIPE, env=os.environ | {"LC_ALL": "C.UTF-8", "PYTHONUNBUFFERED": "1"},
    )  # fmt: skip
    assert process.stdout is not None
    out = ""
    for line in process.stdout:
        out += line
        if until in line:
            break
    process.send_signal(signal.SIGINT)
    rest, error = process.communicate(timeout=20)
    assert process.returncode == 0, error
    return out + rest


def test_the_monitor_shows_what_the_device_does_and_does_not_stop_it(tmp_path: Path, board: SimulatedBoard) -> None:
    cycles = board.log.count('"kn": "start"')
    assert "relative humidity" in monitored(board, tmp_path, "reading ")
    rows = lines(monitored(board, tmp_path, '"heard"', "--json"))
    heard = next(row for row in rows if row.get("kn") == "heard")
    assert {"at", "sf", "rssi_dbm", "snr_db"} <= set(heard)
    assert board.log.count('"kn": "start"') > cycles


def test_live_readings_are_shown_and_not_counted(tmp_path: Path, board: SimulatedBoard, cloud: SmallCloud) -> None:
    before = len(board.log)
    out = monitored(board, tmp_path, "°C", "--live", "--every", "1")
    assert "relative humidity" in out
    live = board.log[board.log.index('"kn": "measured"', before) :].split("SW_CPU_RESET")[0]
    assert '"kn": "reading"' not in live
    board_runs_on(board, before)
