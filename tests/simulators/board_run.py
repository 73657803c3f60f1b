"""Runs a script on a simulated chip with parts, and what is true there; for tests of the doubles and of drivers."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from simulators.board.host import START_US, Chip
from simulators.board.truth import truth

US = 1_000_000
ALWAYS = [0, 1 << 60]
Run = Callable[..., list[str]]

PRELUDE = """
import machine, time
from machine import ADC, I2C, Pin, UART
def tried(what):
    try:
        return what()
    except OSError as error:
        return "OSError %d" % error.errno
def bus(): return I2C(0, scl=Pin(42), sda=Pin(41), freq=100000)
"""


def part(chip: str, bus: str = "i2c0", address: int = 0, **more: Any) -> dict[str, Any]:
    return {"chip": chip, "bus": bus, "address": address, "place": "2m", **more}


def true(quantity: str, after_s: float = 0.0, place: str = "2m") -> float:
    value: float = truth(quantity, place, START_US + int(after_s * US), 1)
    return value


def runner(folder: Path, micropython: str) -> tuple[Chip, Run]:
    """The chip, and what runs code with parts on it: what it printed, by lines."""
    chip = Chip(folder / "chip", micropython)

    def run(code: str, *parts: dict[str, Any], **state: Any) -> list[str]:
        if parts:
            chip.change(parts=list(parts))
        chip.change(**state)
        script = folder / "script.py"
        script.write_text(PRELUDE + code)
        return chip.start(script).splitlines()

    return chip, run


approx = pytest.approx
