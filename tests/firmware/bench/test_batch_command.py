"""Twenty simulated boards in one batch, two of them faulty, as a technician types it: real tools, gateway, API and cloud."""

import json
import os
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from schemas.models import Device
from simulators.bench.board import SimulatedBoard
from simulators.board.truth import truth
from tests.firmware.bench.laptop import CONFIG, PARTS, Laptop
from tests.firmware.bench.small_cloud import settings, small_cloud

PROGRAM = Path(sys.executable).with_name("klimanetz")
BOXES, NO_SENSOR, WORN_OUT = 20, 5, 11
PARTS_WITHOUT_SENSOR = [part for part in PARTS if part["chip"] != "sht4x"]


def devices() -> list[Device]:
    return [
        Device(
            device=f"kn-1{n:03}", activation="otaa", dev_eui=f"70b3d57ed00010{n:02x}", join_eui="70b3d57ed0000000",
            app_key=f"{n:032x}", codec="klimanetz",
        )
        for n in range(BOXES)
    ]  # fmt: skip


def rows(boxes: list[Device], ports: list[str]) -> str:
    """As somebody's spreadsheet saves it."""
    head = "device;station;activation;dev_eui;join_eui;app_key;codec;board;config;port"
    lines = [
        f"{one.device};s{4 + n};otaa;{str(one.dev_eui).upper()};{one.join_eui};{one.app_key};klimanetz;heltec_v3;config.json;{port}"
        for n, (one, port) in enumerate(zip(boxes, ports, strict=True))
    ]
    return "\ufeff" + "\r\n".join([head, *lines]) + "\r\n"


@pytest.mark.timeout(200)
def test_twenty_boards_two_of_them_faulty(tmp_path: Path, micropython: str) -> None:
    boxes, laptop = devices(), Laptop(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps(CONFIG | {"interval_s": 900}))
    with small_cloud(tmp_path / "cloud", "kn-0007", more=boxes, scope="admin") as cloud, ExitStack() as stack:
        now_us = int(time.time() * 1e6)
        cloud.say(**{name: truth(name, "", now_us, 1) for name in ("air_temperature", "relative_humidity")})
        boards = [
            stack.enter_context(
                SimulatedBoard(
                    tmp_path / f"board{n}", "heltec_v3", micropython, mac=f"24ec4a0003{n:02x}",
                    air={**cloud.air, "gateway": f"a84041ffff1ec2{n:02x}"},  # one gateway cannot answer all at once
                    parts=PARTS_WITHOUT_SENSOR if n == NO_SENSOR else PARTS,
                )
            )
            for n in range(BOXES)
        ]  # fmt: skip
        boards[WORN_OUT].faults.bad_at = {0x10100}
        (tmp_path / "devices.csv").write_text(rows(boxes, [board.port for board in boards]), "utf-8", newline="")

        def run() -> tuple[int, dict[str, dict[str, object]]]:
            done = subprocess.run(
                [PROGRAM, "device", "flash", "--batch", "devices.csv", "--technician", "AB", "--json", "--at-once", "10",
                 "--shelf", str(laptop.shelf.folder)],
                cwd=tmp_path, capture_output=True, text=True, timeout=180, check=False, stdin=subprocess.DEVNULL,
                env=os.environ | {"LC_ALL": "C.UTF-8"} | settings(cloud),
            )  # fmt: skip
            assert done.stdout, done.stderr
            return done.returncode, {box["device"]: box for box in json.loads(done.stdout)}

        code, said = run()
        assert code == 1
        red = {name: box["reason"] for name, box in said.items() if box["state"] == "red"}
        assert set(red) == {"kn-1005", "kn-1011"}, red
        assert red["kn-1005"] == "sensor air: sht4x does not answer"
        assert "reads back otherwise" in str(red["kn-1011"])
        others = {name: (box["state"], box["reason"]) for name, box in said.items() if name not in red}
        assert {state for state, _ in others.values()} == {"green"}, others
        assert len(others) == 18

        boards[WORN_OUT].faults.bad_at = set()  # another board in its place
        code, said = run()
        assert {name for name, box in said.items() if box["state"] == "red"} == {"kn-1005"}
        assert said["kn-1011"]["state"] == "green"
        assert len(list((laptop.shelf.folder / "protocols").glob("*.json"))) == 21
