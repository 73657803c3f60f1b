"""`klimanetz device image` and `klimanetz device energy`: what a device is flashed with, and how long its cell lasts.

What they do: `firmware.image` and `edge.energy`; here are words.
"""

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from edge import energy, energy_figures
from edge.lorawan.eu868 import DATA_RATES, data_rate, frm_payload_max
from firmware import contents, image
from firmware.frames import channels_of, frame_bytes
from klimanetz import __version__
from klimanetz.failure import Failure, wrong_use

IMAGE_EXAMPLE = "Example: klimanetz device image --board heltec_v3 --config config.json --out image"
ENERGY_EXAMPLE = (
    "Example: klimanetz device energy --board heltec_v3 --interval 900 --sf 9 --sensors sht4x,bme280 --cell D-LiSOCl2"
)
Json = Annotated[bool, typer.Option("--json", help="For scripts: JSON on stdout.")]


def build_image(
    board: Annotated[str, typer.Option(help="One of: " + ", ".join(contents.boards()) + ".")],
    config: Annotated[Path, typer.Option(metavar="FILE", help="The device's configuration, config.json.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder to write to; its files/ is replaced.")],
    also: Annotated[
        str, typer.Option("--also", metavar="CHIPS", help="Drivers to take along for sensors added later: sps30,scd4x.")
    ] = "",
    as_json: Json = False,
) -> None:
    """Compile what a device with this board and configuration needs, and nothing else."""
    try:
        built = image.build(board, image.read_config(config), out, __version__, _names(also))
    except contents.ImageError as error:
        raise Failure(str(error), 2 if board not in contents.boards() else 1) from None
    except OSError as error:
        raise Failure(f"{out} cannot be written: {error.strerror}") from None
    if as_json:
        print((out / "manifest.json").read_text("utf-8"), end="")
        return
    table = Table("file", "bytes", box=None, pad_edge=False)
    table.columns[1].justify = "right"
    for file in built.files:
        table.add_row(file.path, f"{file.bytes:,}")
    console = Console(highlight=False)
    console.print(table)
    console.print(f"\n{built.mpy_files} .mpy files, {built.total_bytes:,} bytes, for {built.board} ({built.chip}).")
    console.print(f"Written to {out}. To install, in {out}:", *built.install, sep="\n  ", soft_wrap=True)


def show_energy(
    board: Annotated[str, typer.Option(help="One of: " + ", ".join(energy_figures.BOARDS) + ".")] = "heltec_v3",
    radio: Annotated[str, typer.Option(help="lorawan or mqtt; without it, what the board has.")] = "",
    interval: Annotated[int, typer.Option(min=1, max=86400, metavar="SECONDS", help="Between two readings.")] = 900,
    sf: Annotated[int, typer.Option(min=7, max=12, help="Spreading factor of the uplinks.")] = 9,
    readings: Annotated[int, typer.Option(min=1, max=64, help="In a frame: the newest, and earlier ones along.")] = 2,
    sensors: Annotated[str, typer.Option(help="Chips: " + ", ".join(energy_figures.SENSORS) + ".")] = "sht4x",
    cell: Annotated[str, typer.Option(help="One of: " + ", ".join(energy_figures.CELLS) + ".")] = "18650",
    sleep: Annotated[str, typer.Option(help="Between two readings: deep, light or awake.")] = "deep",
    sleep_ua: Annotated[
        float | None, typer.Option(min=0, help="µA of the whole board in deep sleep, where you have measured it.")
    ] = None,
    as_json: Json = False,
) -> None:
    """How many mAh a day a device takes, and for how many years a cell lasts."""
    names = _names(sensors)
    try:
        known = energy_figures.BOARDS.get(board)
        carrier = radio or ("lorawan" if known is not None and known.radio else "mqtt")
        if carrier not in contents.CARRIERS:
            raise wrong_use(f"there is no radio '{carrier}': use lorawan or mqtt")
        energy.check_sensors(names)
        payload = _payload(sf, readings, names) if carrier == "lorawan" else 0
        budget = energy.budget(board, carrier, interval, names, sf, payload, sleep, sleep_ua)
        lasts = energy.years(budget.mah_day, cell)
        strong = energy.too_strong(budget, cell)
    except energy.EnergyError as error:
        raise wrong_use(str(error)) from None
    answer = {
        "board": board,
        "radio": carrier,
        "interval_s": interval,
        "sf": sf if carrier == "lorawan" else None,
        "payload_bytes": payload or None,
        "sensors": names,
        "sleep": sleep,
        "parts_mah_day": {name: round(mah, 4) for name, mah in budget.parts},
        "mah_day": round(budget.mah_day, 4),
        "awake_s": round(budget.awake_s, 2),
        "peak_ma": round(budget.peak_ma, 1),
        "cell": cell,
        "years": round(lasts, 2),
        "peak_too_strong": strong,
    }
    if as_json:
        print(json.dumps(answer))
    else:
        _show(answer)


def _show(answer: dict[str, Any]) -> None:
    table = Table("mAh a day", "", box=None, pad_edge=False)
    table.columns[0].justify = "right"
    for name, mah in answer["parts_mah_day"].items():
        table.add_row(f"{mah:.2f}", name)
    table.add_row(f"{answer['mah_day']:.2f}", "in all", style="bold")
    console = Console(highlight=False)
    console.print(table)
    console.print(
        f"\nAwake {answer['awake_s']:.1f} s of every {answer['interval_s']} s, at most {answer['peak_ma']:.0f} mA."
    )
    console.print(f"A cell of the kind {answer['cell']} lasts {answer['years']:.1f} years, also at −10 °C.")
    if answer["peak_too_strong"]:
        limit = energy_figures.CELLS[answer["cell"]].max_ma
        console.print(f"Its peaks are more than the {limit} mA that this cell gives: add a capacitor, or take another.")
    console.print("Figures and sources: edge/energy_figures.py. Joins, retries and a backlog are not in it.")


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _payload(sf: int, readings: int, sensors: list[str]) -> int:
    dr = data_rate(sf, 125000)
    assert dr is not None
    payload, limit = frame_bytes(readings, channels_of(sensors)), frm_payload_max(dr)
    if payload > limit:
        raise wrong_use(f"{readings} readings take up to {payload} bytes, and SF{DATA_RATES[dr].sf} carries {limit}")
    return payload
