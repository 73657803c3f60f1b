"""`klimanetz demo` as a stranger starts it: ready, every station there, Ctrl-C, and on again."""

import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.ports import free_port

PROGRAM = Path(sys.executable).parent / "klimanetz"
STATIONS = 4  # three on LoRaWAN, one on Wi-Fi


@contextmanager
def demo(folder: Path, history: str = "0.5") -> Iterator[str]:
    """The base URL once it is ready; Ctrl-C at the end, which must give exit code 0 and not a word on stderr."""
    port = free_port()
    command = [str(PROGRAM), "demo", "--stations", str(STATIONS), "--history", history, "--port", str(port)]
    process = subprocess.Popen(
        [*command, "--data", str(folder)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={key: value for key, value in os.environ.items() if not key.startswith("KLIMANETZ_")},
    )  # fmt: skip
    try:
        assert process.stdout is not None
        ready, _, _ = select.select([process.stdout], [], [], 60)
        assert ready, "not ready within 60 s"
        line = process.stdout.readline()
        assert line == f"ready http://127.0.0.1:{port}\n", (line, process.stderr and process.stderr.read())
        yield f"http://127.0.0.1:{port}"
    finally:
        process.send_signal(signal.SIGINT)
        try:
            _, errors = process.communicate(timeout=30)
        finally:
            process.kill()
    assert process.returncode == 0, errors
    assert errors == "", errors


def received(base: str) -> dict[str, dict[str, Any]]:
    return {
        f"kn-{n:04}": httpx.get(f"{base}/v1/devices/kn-{n:04}/delivery").raise_for_status().json()
        for n in range(1, STATIONS + 1)
    }


def until_history_is_in(base: str) -> dict[str, dict[str, Any]]:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        now = received(base)
        if all(device["received"] >= 47 for device in now.values()):
            return now
        time.sleep(0.1)
    pytest.fail(f"history is not in within 30 s: {now}")


def test_ready_whole_and_on_again(tmp_path: Path) -> None:
    with demo(tmp_path / "data") as base:
        latest = httpx.get(f"{base}/v1/latest").json()["features"]
        assert len(latest) == STATIONS
        for feature in latest:
            values = feature["properties"]["values"]
            assert {"air_temperature", "relative_humidity", "air_pressure", "battery"} <= set(values)
            assert -30 < values["air_temperature"]["value"] < 45
            assert values["air_temperature"]["unit"] == "°C"
        first = until_history_is_in(base)
        assert all(device["missing"] == 0 for device in first.values())
        page = httpx.get(f"{base}/?lang=de").text
        assert all(feature["properties"]["name"] in page for feature in latest)
        assert "<script" not in page
    with demo(tmp_path / "data") as base:
        second = received(base)
        for device, before in first.items():
            assert second[device]["received"] >= before["received"], "nothing was lost"
            assert second[device]["missing"] == 0
            assert second[device]["first"] == before["first"]


def test_stopped_in_the_middle_of_its_history(tmp_path: Path) -> None:
    """Whenever it is stopped, what it has measured is there after the next start."""
    folder = tmp_path / "data"
    for _ in range(3):
        with demo(folder, "20"):
            pass  # `ready` comes while history is still being sent
    with demo(folder, "20") as base:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            now = received(base)
            if all(device["received"] >= 1919 for device in now.values()):
                break
            time.sleep(0.2)
        assert {name: device["missing"] for name, device in now.items()} == dict.fromkeys(now, 0)
        assert all(device["received"] >= 1919 for device in now.values()), now


def test_one_demo_in_a_folder(tmp_path: Path) -> None:
    with demo(tmp_path / "data") as base:
        second = subprocess.run(
            [PROGRAM, "demo", "--port", str(free_port()), "--data", tmp_path / "data"],
            capture_output=True, text=True, timeout=30, check=False,
        )  # fmt: skip
        assert second.returncode == 1
        assert "another demo uses" in second.stderr
        assert httpx.get(f"{base}/health/ready").status_code == 200


def test_a_broken_fleet_file_is_one_sentence_with_the_way_out(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "fleet.json").write_text('{"seed": 1, "dev')
    done = subprocess.run(
        [PROGRAM, "demo", "--port", str(free_port()), "--data", folder], capture_output=True, text=True, timeout=30,
        check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1
    assert f"{folder / 'fleet.json'} is not what a fleet has stored" in done.stderr
    assert f"--data), or delete all of {folder}" in done.stderr


@pytest.mark.parametrize("empty", ["", " "])
def test_no_folder_is_wrong_use(tmp_path: Path, empty: str) -> None:
    done = subprocess.run(
        [PROGRAM, "demo", "--port", str(free_port()), "--data", empty], cwd=tmp_path, capture_output=True, text=True,
        timeout=30, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (2, "")
    assert "name a folder" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_the_broker_ends_with_a_demo_that_is_killed(tmp_path: Path) -> None:
    """At once where the system does it, elsewhere with the next start in the folder."""
    folder = tmp_path / "data"
    command = [PROGRAM, "demo", "--stations", "1", "--history", "0", "--port", str(free_port()), "--data", folder]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline().startswith("ready")
    broker = int((folder / "broker" / "pid").read_text())
    assert is_running(broker)
    process.kill()
    process.communicate(timeout=30)
    if sys.platform != "linux":
        with demo(folder):
            pass
    deadline = time.monotonic() + 10
    while is_running(broker) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not is_running(broker)


def is_running(pid: int) -> bool:
    """Whether there is such a process; one that has ended and that nobody has asked about yet is none."""
    told = subprocess.run(["ps", "-p", str(pid), "-o", "stat="], capture_output=True, text=True, check=False).stdout
    return told.strip() != "" and not told.strip().startswith("Z")


def test_ctrl_c_reaches_the_demo_and_not_make(tmp_path: Path) -> None:
    """On a terminal, under make, as in the README: `make` ends with 0 as well."""
    (tmp_path / "Makefile").write_text(
        f"demo:\n\t@{PROGRAM} demo --stations 1 --history 0 --port {free_port()} --data {tmp_path / 'data'}\n"
    )
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("KLIMANETZ_", "MAKE"))}
    child, terminal = pty.fork()
    if child == 0:
        os.execvpe("make", ["make", "-C", str(tmp_path), "demo"], environment)
    shown = b""
    deadline = time.monotonic() + 60
    while not re.search(rb"ready http", shown) and time.monotonic() < deadline:
        if select.select([terminal], [], [], 1)[0]:
            shown += os.read(terminal, 4096)
    os.write(terminal, b"\x03")
    try:
        while select.select([terminal], [], [], 20)[0]:
            shown += os.read(terminal, 4096)
    except OSError:  # the terminal's other side is closed
        pass
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0, shown.decode(errors="replace")
