"""Longer than CI has time for: ten days of a station with faults by chance, again and again. `make soak`.

`SOAK_STATIONS`: how many stations (5); `SOAK_SEED`: which chance to begin with (1).
"""

import os
import random
import time
from pathlib import Path

import pytest

from simulators.board.host import Chip
from tests.firmware.cloud_side import DEVICE, cloud_side
from tests.firmware.images import code_of
from tests.firmware.test_week import (
    CONFIG,
    DAY_US,
    HOUR_US,
    MAIN,
    everything_is_there_once_in_time,
    parts,
    provision,
    truth,
)
from tests.gateway.helpers import EUI, otaa

DAYS = 10
FIRST = int(os.environ.get("SOAK_SEED", "1"))
SEEDS = range(FIRST, FIRST + int(os.environ.get("SOAK_STATIONS", "5")))
FAULTS = ("missing", "bad_crc", "stuck")


@pytest.mark.mosquitto
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", SEEDS)
def test_days_with_faults_by_chance(
    seed: int, micropython: str, mosquitto: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dice = random.Random(seed)
    start_us = (int(time.time()) - (DAYS + 3) * 86_400) * 1_000_000

    def spans(most: int, longest_us: int) -> list[list[int]]:
        begins = sorted(start_us + dice.randrange(HOUR_US, DAYS * DAY_US) for _ in range(dice.randrange(most + 1)))
        return [[begin, begin + dice.randrange(1, longest_us)] for begin in begins]

    faults = {fault: span for fault in FAULTS if (span := next(iter(spans(1, DAY_US)), None))}
    cuts = [[begin, end - begin] for begin, end in spans(6, 6 * HOUR_US)]
    jumps = [[begin, dice.randrange(-5 * HOUR_US, 5 * HOUR_US)] for begin, _ in spans(3, HOUR_US)]
    config = CONFIG | {"interval_s": dice.choice([300, 600, 900, 1800])}
    chip = Chip(tmp_path / "chip", micropython, code_of("heltec_v3", config, tmp_path / "image"))
    with cloud_side(mosquitto, tmp_path, otaa(DEVICE), start_us // 1000 - 1000, monkeypatch) as cloud:
        chip.change(
            true_us=start_us, parts=parts(air=faults), power_cuts=cuts, rtc_jumps=jumps,
            air={"server": cloud.core.address, "gateway": EUI, "snr_db": dice.uniform(-2, 8), "seed": seed,
                 "loss": dice.uniform(0, 0.2), "outages": spans(4, DAY_US)},
            awake_ppm=dice.randrange(-40, 40), sleep_ppm=dice.randrange(-30_000, 30_000),
        )  # fmt: skip
        provision(chip, config, tmp_path)
        chip.run(MAIN, start_us / 1e6 + DAYS * 86_400)
        measured = truth(chip)
        assert measured
        chip.run(MAIN, start_us / 1e6 + (DAYS + 2) * 86_400)
        cloud.until_stored(measured)
        everything_is_there_once_in_time(chip, cloud)
