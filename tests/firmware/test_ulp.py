"""Counting by the ULP under real MicroPython: through deep sleep, resets and loss of power, on both chips."""

import ast
import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from edge.ulp import layout
from simulators.board.host import Chip, ChipStopped
from tests.firmware.images import code_of, own_lines

MAIN = Path(__file__).parent / "ulp_main.py"
WIND, RAIN = [250_000, 80_000], [20_000_000, 60_000]  # (period, closed) in µs
GPIOS = {"esp32": ("32", "33"), "esp32s3": ("6", "7")}


@pytest.fixture(params=["esp32", "esp32s3"])
def chip(request: pytest.FixtureRequest, tmp_path: Path, micropython: str) -> Chip:
    chip = Chip(tmp_path / "chip", micropython)
    chip.change(model=request.param, plan={"chip": request.param})
    return chip


def start(chip: Chip, **plan: Any) -> dict[str, list[float]]:
    """{contact: [total, ms since the last end, pulses, ms, most in three seconds]} of one start."""
    soc = chip.state["plan"]["chip"]
    first, second = GPIOS[soc]
    contacts = {first: plan.pop("wind", WIND), second: plan.pop("rain", RAIN)}
    chip.change(plan={"chip": soc, "contacts": contacts, "sleep_s": 60} | plan)
    lines = [line.split() for line in chip.start(MAIN).splitlines()]
    names = {"c" + first: "wind", "c" + second: "rain"}
    return {names[words[0]]: [float(word) for word in words[1:]] for words in lines}


def test_contacts_are_counted_while_the_chip_sleeps(chip: Chip) -> None:
    assert start(chip)["wind"][0] == 0
    got = start(chip)
    total, _, pulses, ms, most = got["wind"]
    assert (total, pulses) == (240, 240)
    assert ms == pytest.approx(60_000, abs=100)
    assert most == pytest.approx(12, abs=1)  # four a second, in three seconds
    assert got["rain"][0] == got["rain"][2] == 3
    for _ in range(3):
        got = start(chip)
    assert (got["wind"][0], got["rain"][0]) == (960, 12)
    assert got["wind"][2] == pytest.approx(240, abs=1)


def test_a_gust_of_six_seconds_is_seen_in_a_calm_quarter_of_an_hour(chip: Chip) -> None:
    start(chip, wind=[2_000_000, 800_000])
    begun = chip.state["true_us"] + 60_000_000
    start(chip, wind=[2_000_000, 800_000], sleep_s=900, gust=[begun + 400_000_000, begun + 406_000_000])
    got = start(chip, wind=[2_000_000, 800_000])["wind"]
    assert got[2] == pytest.approx(450 + 27, abs=2)
    assert got[4] == pytest.approx(15, abs=1)  # five a second instead of one in two


def test_the_total_survives_a_reset_without_a_gap(chip: Chip) -> None:
    start(chip)
    start(chip, reset=True)
    assert chip.state["reset"] == "hard"
    got = start(chip)
    assert got["wind"][0] == pytest.approx(240, abs=1)
    assert got["wind"][2] < 3


def test_a_loss_of_power_costs_what_was_not_stored(chip: Chip) -> None:
    start(chip)
    chip.change(power_cuts=[[chip.state["true_us"] + 30_000_000, 5_000_000]])
    stored = start(chip)["wind"][0]  # and counts another half of a minute, which the cut takes along
    assert stored == pytest.approx(240, abs=1)
    assert chip.state["reset"] == "power"
    got = start(chip)["wind"]
    assert got[0] == pytest.approx(stored, abs=1)
    assert got[1] < 100  # what was counted before the cut is no wind of this interval
    assert start(chip)["wind"][0] == pytest.approx(stored + 240, abs=1)


def test_what_memory_kept_half_over_a_loss_of_power_is_not_believed(chip: Chip) -> None:
    start(chip)
    chip.change(power_cuts=[[chip.state["true_us"] + 30_000_000, 1_000]])
    kept = chip.state["ulp"]
    stored = start(chip)["wind"][0]
    kept["memory"][layout.field(0, layout.LOW)] = 54_321
    chip.change(ulp=kept | {"run": None, "registers": {}})
    assert start(chip)["wind"][0] == pytest.approx(stored, abs=1)


def test_another_program_in_memory_is_replaced(chip: Chip) -> None:
    start(chip)
    start(chip)
    assert start(chip, debounce_ms=40)["wind"][0] == pytest.approx(240, abs=1)  # what NVS has
    assert start(chip, debounce_ms=40)["wind"][2] == pytest.approx(240, abs=1)


def test_a_ulp_that_stands_is_started_and_keeps_its_total(chip: Chip) -> None:
    start(chip)
    start(chip)
    assert start(chip, stop=True)["wind"][0] == pytest.approx(480, abs=1)
    assert start(chip)["wind"][2] == pytest.approx(240, abs=1)


def test_light_sleep_is_counted_like_deep_sleep(chip: Chip) -> None:
    got = start(chip, light_s=120)
    assert got["wind"][2] == pytest.approx(480, abs=1)


def test_a_contact_that_hangs_is_no_rain(chip: Chip) -> None:
    start(chip, rain=[3_600_000_000, 3_599_000_000])
    assert start(chip, rain=[3_600_000_000, 3_599_000_000])["rain"][0] <= 1
    assert start(chip, rain=[3_600_000_000, 3_599_000_000])["wind"][2] == pytest.approx(240, abs=1)


def test_pads_that_the_ulp_does_not_see_are_refused(tmp_path: Path, micropython: str) -> None:
    chip = Chip(tmp_path / "chip", micropython)
    chip.change(model="esp32", plan={"chip": "esp32", "contacts": {"34": WIND}, "sleep_s": 1})
    with pytest.raises(ChipStopped, match="GPIO34 of an esp32 is no pad of the ULP"):
        chip.start(MAIN)


CONFIG = {
    "interval_s": 300, "radio": "mqtt", "mqtt": {"host": "broker.example", "tls": False}, "wifi": {"ssid": "city"},
    "sensors": {"wind": {"chip": "wind", "bus": "pulse0"}, "rain": {"chip": "rain", "bus": "pulse1"}},
}  # fmt: skip


@pytest.mark.parametrize(("board", "sleep"), [("heltec_v3", "deep"), ("esp32_devkit", "deep"), ("heltec_v3", "light")])
def test_a_station_measures_wind_and_rain_of_its_whole_interval(
    board: str, sleep: str, tmp_path: Path, micropython: str
) -> None:
    config = CONFIG | {"sleep": sleep}
    chip = Chip(tmp_path / "chip", micropython, code_of(board, config, tmp_path / "image"))
    first, second = GPIOS["esp32" if board == "esp32_devkit" else "esp32s3"]
    now = chip.state["true_us"]
    # Two pulses a second are 1.33 m/s; for ten seconds in the second interval it is ten times as many.
    chip.change(
        board=board, model="esp32" if board == "esp32_devkit" else "esp32s3", contacts={first: [500_000, 200_000], second: RAIN}, gust=[now + 400_000_000, now + 410_000_000],
        power_cuts=[[now + 910_000_000, 1_000_000]],
    )  # fmt: skip
    script = tmp_path / "provision.py"
    script.write_text("with open('/flash/config.json', 'w') as file:\n    file.write(%r)\n" % json.dumps(config))
    chip.start(script)
    stored = []
    while chip.state["reset"] != "power" or not stored:
        stored += [dict(ast.literal_eval(line)) for line in own_lines(chip.start(MAIN.parent / "ulp_station.py"))]
    assert len(stored) == 4
    assert stored[0]["wind_speed"] == pytest.approx(1.33, abs=0.07)  # half a minute, to begin with
    assert stored[1]["wind_speed"] == pytest.approx(1.33, abs=0.01)
    assert stored[1]["wind_gust"] == pytest.approx(1.33, abs=0.25)
    assert stored[2]["wind_speed"] == pytest.approx(1.33 * (290 + 100) / 300, abs=0.02)
    assert stored[2]["wind_gust"] == pytest.approx(13.3, abs=0.6)
    assert stored[3]["wind_gust"] == pytest.approx(1.33, abs=0.25)
    tips = [round(one["precipitation_total"] / 0.2794) for one in stored]
    assert [after - before for before, after in pairwise(tips)] == pytest.approx([15, 15, 15], abs=1)
