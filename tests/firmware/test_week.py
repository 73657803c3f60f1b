"""A week of a station, as it would be flashed: real MicroPython, littlefs, LoRaWAN over UDP, broker, ingest and store.

It joins over the real gateway core, loses the network for two days, loses power for hours, meets a stuck sensor and an
RTC that jumps. At the end the cloud holds every reading that reached flash, once, with its true time or a bound.
"""

import json
import random
import time
from datetime import datetime
from pathlib import Path
from statistics import median

import pytest

from simulators.board.host import Chip
from tests.firmware.cloud_side import DEVICE, CloudSide, cloud_side
from tests.firmware.images import code_of
from tests.gateway.helpers import APP_KEY, DEV_EUI, EUI, JOIN_EUI, otaa

MAIN = Path(__file__).parent / "week_main.py"
DAY_US = 86_400_000_000
HOUR_US = DAY_US // 24
CONFIG = {
    "interval_s": 900, "radio": "lorawan", "sleep": "deep", "lorawan": {"dr": 5},
    "sensors": {
        "air": {"chip": "sht4x", "bus": "i2c0", "samples": 2},
        "pressure": {"chip": "bme280", "bus": "i2c0", "only": ["air_pressure"]},
        "soil": {"chip": "ds18b20", "bus": "onewire0", "as": {"air_temperature": "soil_temperature"}, "place": "30cm"},
        "rain": {"chip": "rain", "bus": "pulse0"},
    },
}  # fmt: skip
IDENTITY = {"device": DEVICE, "activation": "otaa", "dev_eui": DEV_EUI, "join_eui": JOIN_EUI, "app_key": APP_KEY}


def parts(**faults: dict[str, list[int]]) -> list[dict[str, object]]:
    return [
        {"chip": "sht4x", "bus": "i2c0", "address": 68, "faults": faults.get("air", {})},
        {"chip": "bme280", "bus": "i2c0", "address": 118},
        {"chip": "ds18b20", "bus": "onewire0", "rom": "2801020304050600"},
        {"chip": "rain", "pin": 6},
        {"chip": "battery", "pin": 1, "divider": 4.9},
    ]


def provision(chip: Chip, config: dict[str, object], tmp_path: Path) -> None:
    script = tmp_path / "provision.py"
    lines = "".join(
        f"with open('/flash/{name}', 'w') as file:\n    file.write({json.dumps(what)!r})\n"
        for name, what in (("config.json", config), ("identity.json", IDENTITY))
    )
    script.write_text(lines)
    chip.start(script)


def begun(chip: Chip) -> dict[tuple[int, int], int]:
    """{(generation, seq): true ms} of what was to be written to flash; where the power went, once more by that number."""
    rows = [line.split() for line in (chip.folder / "truth.log").read_text().splitlines()]
    return {(int(g), int(s)): int(us) // 1000 for g, s, us, _ in rows}


def truth(chip: Chip) -> set[tuple[int, int]]:
    """(generation, seq) of what certainly reached flash."""
    rows = [line.split() for line in (chip.folder / "truth.log").read_text().splitlines()]
    return {(int(g), int(s)) for g, s, _, stored in rows if stored == "1"}


@pytest.mark.mosquitto
@pytest.mark.timeout(600)
def test_a_week_of_a_station(micropython: str, mosquitto: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    start_us = (int(time.time()) - 9 * 86_400) * 1_000_000
    dice = random.Random(4711)
    chip = Chip(tmp_path / "chip", micropython, code_of("heltec_v3", CONFIG, tmp_path / "image"))
    with cloud_side(mosquitto, tmp_path, otaa(DEVICE), start_us // 1000 - 1000, monkeypatch) as cloud:
        power_us = start_us + 4 * DAY_US + dice.randrange(DAY_US)
        chip.change(
            true_us=start_us, parts=parts(air={"stuck": [start_us + 5 * DAY_US, start_us + 6 * DAY_US]}),
            air={"server": cloud.core.address, "gateway": EUI, "snr_db": 5, "loss": 0.05, "seed": 7,
                 "outages": [[start_us + DAY_US, start_us + 3 * DAY_US]]},
            power_cuts=[[power_us, 3 * HOUR_US]], awake_ppm=20, sleep_ppm=2_000,
            rtc_jumps=[[start_us + 3 * DAY_US + 5 * HOUR_US, 5 * HOUR_US]],
        )  # fmt: skip
        provision(chip, CONFIG, tmp_path)
        week(chip, start_us, cloud)
        everything_is_there_once_in_time(chip, cloud)
        what_went_wrong_was_said(cloud)
    the_heap_does_not_shrink(chip, start_us)


def week(chip: Chip, start_us: int, cloud: CloudSide) -> None:
    """And half a day more, for what was under way at its end."""
    chip.run(MAIN, start_us / 1e6 + 7 * 86_400)
    measured = truth(chip)
    assert len(measured) > 650
    chip.run(MAIN, start_us / 1e6 + 7.5 * 86_400)
    cloud.until_stored(measured)


def everything_is_there_once_in_time(chip: Chip, cloud: CloudSide) -> None:
    true = begun(chip)
    stored = list(cloud.service.store.identities(DEVICE))
    assert len(stored) == len(set(stored)), "doubled"
    assert set(stored) <= set(true)
    for key, readings in cloud.heard.readings.items():
        last = readings[-1]
        off_ms = abs(datetime.fromisoformat(last["time"]).timestamp() * 1000 - true[key])
        bound_s = last.get("time_uncertainty_s")
        assert bound_s is not None, (key, last)
        assert off_ms <= bound_s * 1000 + 1000, (key, last, true[key])


def what_went_wrong_was_said(cloud: CloudSide) -> None:
    faults = {(fault["sensor"], fault["fault"]) for status in cloud.heard.status for fault in status.get("faults", ())}
    assert {("air", "stuck"), ("rtc", "clock")} <= faults, faults
    assert "power" in {status.get("reset") for status in cloud.heard.status}


def the_heap_does_not_shrink(chip: Chip, start_us: int) -> None:
    """No allocation failed; and as much is free at the end of a day as after its first hour, within 1 KiB (medians of six
    hours: a collector that takes every word for an address frees a little more or less).
    """
    faults = chip.folder / "faults.log"
    assert "MemoryError" not in (faults.read_text() if faults.exists() else "")
    rows = [line.split() for line in (chip.folder / "heap.log").read_text().splitlines()]
    for phase in ("exchange", "measure"):
        free = [((int(us) - start_us) / HOUR_US, int(free)) for us, at, free in rows if at == phase]
        hour, day = (median(free for at, free in free if since <= at < since + 6) for since in (1, 18))
        assert day > hour - 1024, (phase, hour, day)
