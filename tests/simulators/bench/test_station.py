"""A whole station, as a technician makes it: image, firmware, configuration and identity over the cable, then its
readings through the gateway's service itself, in real time. And the command that plugs in a board for training.
"""

import json
import signal
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

from typer.testing import CliRunner

from firmware.bench.board.repl import Repl
from firmware.image import build
from klimanetz.cli import simulate
from klimanetz.failure import Failure
from simulators.bench.board import SimulatedBoard
from tests.brokers import Broker
from tests.gateway.helpers import APP_KEY, DEV_EUI, EUI, JOIN_EUI, otaa
from tests.gateway.test_service import Listener, broker, brokers, gateway, listener
from tests.simulators.bench.boards import PARTS, TOOLS, esptool, image_file, tool

__all__ = ["broker", "brokers", "listener"]  # fixtures
CONFIG = {
    "interval_s": 10, "radio": "lorawan", "lorawan": {"dr": 5},
    "sensors": {"air": {"chip": "bme280", "bus": "i2c0", "address": 118}},
}  # fmt: skip
IDENTITY = {
    "device": "kn-0001", "activation": "otaa", "dev_eui": DEV_EUI, "join_eui": JOIN_EUI, "app_key": APP_KEY,
    "generation": 1,
}  # fmt: skip


def test_from_a_blank_board_to_its_readings(
    tmp_path: Path, micropython: str, broker: Broker, listener: Listener
) -> None:
    made = build("heltec_v3", CONFIG, tmp_path / "image", "1.2.3")
    with (
        gateway(broker.port, tmp_path, otaa()) as running,
        SimulatedBoard(
            tmp_path / "board", "heltec_v3", micropython, parts=PARTS,
            air={"server": list(running.address), "gateway": EUI, "snr_db": 8, "noise_db": 0},
        ) as board,
    ):  # fmt: skip
        code, said = esptool(board, "--baud", "921600", "write-flash", "0", str(image_file(tmp_path)))
        assert code == 0, said
        with Repl(board.port) as repl:
            for file in made.files:
                repl.write(file.path, (tmp_path / "image" / "files" / file.path[1:]).read_bytes())
            repl.write("/config.json", json.dumps(CONFIG).encode())
            repl.write("/identity.json", json.dumps(IDENTITY).encode())
            repl.reset()
        readings = {reading["seq"]: reading for reading in listener.readings(1)}
        assert running.counters.outcomes["join"] == 1
        assert set(readings) == {1}
        told = datetime.fromisoformat(readings[1]["time"])
        assert abs(datetime.now(UTC) - told) < timedelta(seconds=60), "it heard the answer to its question for the time"
        assert set(readings[1]["values"]) == {"air_temperature", "relative_humidity", "air_pressure", "battery"}
        board.wait_mode("asleep")
        assert "Traceback" not in board.log[board.log.rindex("SW_CPU_RESET") :]


def test_the_command(tmp_path: Path, micropython: str) -> None:
    folder = tmp_path / "trained"
    command = [TOOLS / "klimanetz", "simulate", "board", "--folder", str(folder), "--model", "esp32_c3"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        port = line.split()[0]
        code, said = tool("esptool", "--port", port, "flash-id")
        assert (code, "ESP32-C3" in said) == (0, True), line + said
    finally:
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=20)
    assert (process.returncode, rest) == (0, "")
    assert not (folder / "port").is_symlink()


def test_what_cannot_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "parts.json").write_text("{}")
    (tmp_path / "file").write_text("")
    folder = ("--folder", str(tmp_path / "board"))
    for words, expected in (
        ((*folder, "--model", "uno"), "there is no model 'uno'"),
        ((*folder, "--gateway", "here"), "--gateway here is no address"),
        ((*folder, "--parts", str(tmp_path / "parts.json")), "is no list of sensors"),
        (("--folder", str(tmp_path / "file")), "is a file; name a folder"),
    ):
        failure = CliRunner().invoke(simulate.app, ["board", *words]).exception
        assert isinstance(failure, Failure)
        assert (failure.exit_code, expected in str(failure)) == (2, True), failure
    out = tmp_path / "image.bin"
    done = CliRunner().invoke(simulate.app, ["image", "--model", "lilygo_lora32", "--out", str(out)])
    assert (done.exit_code, "at 0x1000" in done.output) == (0, True), done.output
    assert out.read_bytes()[0] == 0xE9
