"""The LoRaWAN carrier under MicroPython against a network in its own process: lora_checks.py, one line a check."""

import re
from pathlib import Path

import pytest

from simulators.board.host import Chip
from tests.firmware.lora_image import ROOT, compiled

WORLD_KIB = 8192  # the checks keep whole lives of many stations
NAMES = re.findall(r"^def (check_\w+)", (ROOT / "tests/firmware/lora_checks.py").read_text(), re.M)


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compiled(tmp_path_factory.mktemp("image"))


def run(image: Path, micropython: str, folder: Path, code: str, heap_kib: int = WORLD_KIB) -> list[str]:
    script = folder / "script.py"
    script.write_text(code)
    return Chip(folder / "chip", micropython, image, heap_kib).start(script).splitlines()


@pytest.fixture(scope="module")
def printed(image: Path, micropython: str, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    code = "from tests.firmware.lora_checks import run\nrun()\n"
    return run(image, micropython, tmp_path_factory.mktemp("checks"), code)


@pytest.mark.parametrize("name", NAMES)
def test_check(printed: list[str], name: str) -> None:
    assert f"ok {name}" in printed, printed


def test_the_power_failed_at_every_write_and_every_transmission(printed: list[str]) -> None:
    (line,) = [line for line in printed if line.endswith(" cuts")]
    assert int(line.split()[0]) > 80


def test_the_carrier_leaves_room_for_the_station(image: Path, micropython: str, tmp_path: Path) -> None:
    """Everything it imports, as bytecode in the heap of a 64-bit port; on a chip words have half the size."""
    code = "import gc\nimport firmware.device.lora\ngc.collect()\nprint(gc.mem_alloc())\n"
    (line,) = run(image, micropython, tmp_path, code, heap_kib=192)
    assert int(line) < 160_000
