"""Simulated boards and the tools that speak with them, as a technician's laptop has them."""

import subprocess
import sys
from pathlib import Path
from typing import Any

from simulators.bench import image
from simulators.bench.board import SimulatedBoard
from simulators.bench.chips import CHIPS, MODELS

TOOLS = Path(sys.executable).parent
PARTS = [{"chip": "bme280", "bus": "i2c0", "address": 118}, {"chip": "battery", "pin": 1, "divider": 4.9}]


def flashed(folder: Path, micropython: str, model: str = "heltec_v3", **more: Any) -> SimulatedBoard:
    """A board with MicroPython on it."""
    board = SimulatedBoard(folder / "board", model, micropython, **more)
    board.flash.program(board.chip.bootloader_at, image.build(*MODELS[model]))
    return board


def image_file(folder: Path, model: str = "heltec_v3") -> Path:
    path = folder / f"{model}.bin"
    path.write_bytes(image.build(*MODELS[model]))
    return path


def offset(model: str) -> str:
    return hex(CHIPS[MODELS[model][0]].bootloader_at)


def tool(name: str, *words: str, cwd: Path | None = None) -> tuple[int, str]:
    """Exit code, and what it said."""
    ran = subprocess.run([TOOLS / name, *words], capture_output=True, text=True, timeout=60, cwd=cwd)
    return ran.returncode, ran.stdout + ran.stderr


def esptool(board: SimulatedBoard, *words: str, cwd: Path | None = None) -> tuple[int, str]:
    return tool("esptool", "--port", board.port, *words, cwd=cwd)


def mpremote(board: SimulatedBoard, *words: str) -> str:
    code, said = tool("mpremote", "connect", board.port, *words)
    assert code == 0, said + board.log[-800:]
    return said
