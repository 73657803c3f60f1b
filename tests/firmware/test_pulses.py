"""Contacts are counted: awake, in light and in deep sleep, bouncing, stuck, and across a loss of power."""

import json
from pathlib import Path
from typing import Any

import pytest

from simulators.board import truth
from simulators.board.host import Chip
from tests.firmware.images import code_of, own_lines
from tests.simulators.board_run import ALWAYS, Run, part, runner

HERE = Path(__file__).parent
HOUR_US = 3_600_000_000
PLACE = "roof"
SEED = 1


def wet_hour() -> int:
    """When the first spell begins with an hour of at least twelve tips."""
    hour = truth.RAIN_SINCE_US // HOUR_US + 1
    while truth.rain_nm_per_hour(hour, PLACE, SEED) < 12 * 279_400:
        hour += 1
    return hour * HOUR_US


WET_US = wet_hour()


def tips(from_us: int, to_us: int) -> int:
    train = truth.rain(PLACE, SEED)
    return train.count(to_us) - train.count(from_us)


def gauge(pin: int = 6, **more: Any) -> dict[str, Any]:
    return part("rain", f"pin{pin}", place=PLACE, **({"options": {"bounces": 3}} | more))


@pytest.fixture
def both(tmp_path: Path, micropython: str) -> tuple[Chip, Run]:
    chip, run = runner(tmp_path, micropython)
    chip.change(true_us=WET_US)
    return chip, run


COUNTER = """
from firmware.device.pulses import Counter, arm, by_pin, closed_now, until_open
from firmware.device.store import Nvs
from simulators.board import timeline
pin = Pin(6, Pin.IN, Pin.PULL_UP)
counter = Counter(pin, Nvs(), "p_rain", 20)
"""


def test_awake_each_tip_counts_once_though_the_contact_bounces(both: tuple[Chip, Run]) -> None:
    _, run = both
    out = run(COUNTER + "for _ in range(6):\n    time.sleep(3600)\nprint(timeline.true_us, counter.total)", gauge())
    now_us, total = map(int, out[0].split())
    assert total == tips(WET_US, now_us) >= 12


def test_after_six_dry_days_a_tip_still_counts(both: tuple[Chip, Run]) -> None:
    """The ticks have wrapped half way then, and a difference of them is negative."""
    chip, run = both
    span = [WET_US + HOUR_US, WET_US + HOUR_US + 8 * 24 * HOUR_US]
    code = COUNTER + "for _ in range(24 * 40):\n    time.sleep(3600)\nprint(timeline.true_us, counter.total)"
    now_us, total = map(int, run(code, gauge(faults={"missing": span}))[0].split())
    wet = tips(WET_US, span[0]) + tips(span[1], now_us)
    assert chip.true_s * 1e6 < now_us
    assert tips(span[1], now_us) > 10
    assert not any(tips(us - 200_000, us) for us in span), "no contact is closed when the fault begins or ends"
    assert total == wet


def test_a_tip_ends_a_light_sleep_and_is_counted(both: tuple[Chip, Run]) -> None:
    _, run = both
    code = COUNTER + """
woken = 0
while timeline.true_us < %d:
    until_open({"rain": pin})
    arm({"rain": pin}, "esp32s3")
    machine.lightsleep(900000)
    if by_pin():
        woken += len(closed_now({"rain": pin}))
        counter.woken()
print(timeline.true_us, counter.total, woken)
""" % (WET_US + 3 * HOUR_US)  # fmt: skip
    now_us, total, woken = map(int, run(code, gauge())[0].split())
    assert total == tips(WET_US, now_us) == woken >= 12


def test_asleep_no_edge_is_seen_where_nothing_is_armed(both: tuple[Chip, Run]) -> None:
    """What the double promises: without it the tests above would prove nothing."""
    _, run = both
    assert run(COUNTER + "machine.lightsleep(3600000)\nprint(counter.total)", gauge()) == ["0"]


@pytest.mark.parametrize(
    ("chip", "names"), [("esp32", ["a", "b"]), ("esp32s3", ["a", "b", "c"]), ("esp32c3", ["a", "b", "c"])]
)
def test_each_chip_wakes_of_any_of_its_contacts(both: tuple[Chip, Run], chip: str, names: list[str]) -> None:
    numbers = {"esp32": (4, 25, 26), "esp32s3": (4, 6, 7), "esp32c3": (0, 4, 5)}[chip]
    _, run = both
    code = (
        COUNTER.split("pin = Pin")[0]
        + f"""
pins = {{}}
for name, number in zip("abc", {numbers}):
    pins[name] = Pin(number, Pin.IN, Pin.PULL_UP)
print(sorted(arm(pins, {chip!r})))
machine.lightsleep(3600000)
print(by_pin(), timeline.true_us)
"""
    )
    second = gauge(numbers[1])
    said, woken = run(code, second, model=chip)
    assert said == str(names)
    assert woken == f"True {truth.rain(PLACE, SEED).next_after(WET_US)}"


def test_a_contact_that_stays_closed_does_not_keep_the_chip_awake(both: tuple[Chip, Run]) -> None:
    _, run = both
    code = (
        COUNTER
        + "until_open({'rain': pin})\nprint(arm({'rain': pin}, 'esp32s3'))\nmachine.lightsleep(3600000)\nprint(by_pin(), timeline.true_us)"
    )
    armed, woken = run(code, gauge(faults={"held_low": ALWAYS}))
    assert armed == "[]"
    assert woken.split()[0] == "False"
    assert int(woken.split()[1]) > WET_US + HOUR_US


def test_gusts_of_an_anemometer(both: tuple[Chip, Run]) -> None:
    _, run = both
    code = COUNTER.replace("20)", "2)") + "counter.begin()\ntime.sleep(30)\nprint(*counter.end())"
    pulses, ms, most = map(int, run(code, part("wind", "pin6", place=PLACE, options={"bounces": 1}))[0].split())
    train = truth.wind(PLACE, SEED, WET_US)
    assert pulses == train.count(WET_US + 30_000_000) - train.count(WET_US) > 20
    assert 30_000 <= ms <= 30_050
    assert most == pytest.approx(pulses / 10, abs=1), "the wind blows evenly for a minute"


CONFIG = {"interval_s": 900, "radio": "lorawan", "sensors": {"rain": {"chip": "rain", "bus": "pulse0"}}}


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The firmware as bytecode: a chip's heap has no room for a compiler beside it."""
    return code_of("heltec_v3", CONFIG, tmp_path_factory.mktemp("image"))


@pytest.fixture
def chip(tmp_path: Path, micropython: str, image: Path) -> Chip:
    chip = Chip(tmp_path / "chip", micropython, image)
    chip.change(true_us=WET_US)
    return chip


def station(chip: Chip, tmp_path: Path, until_us: int, sleep: str = "deep", **state: Any) -> list[tuple[int, int]]:
    """(true µs, tips that it has counted) before each sleep of the firmware."""
    config = CONFIG | {"sleep": sleep}
    script = tmp_path / "provision.py"
    script.write_text(f"with open('/flash/config.json', 'w') as file:\n    file.write({json.dumps(config)!r})\n")
    chip.change(**state)
    chip.start(script)
    if sleep != "deep":
        chip.change(power_cuts=[[until_us, 0]])
    lines = [line for printed in chip.run(HERE / "pulse_station.py", until_us / 1e6) for line in own_lines(printed)]
    return [(int(line.split()[0]), int(line.split()[1])) for line in lines]


@pytest.mark.parametrize("sleep", ["deep", "light", "awake"])
def test_the_firmware_counts_every_tip(chip: Chip, tmp_path: Path, sleep: str) -> None:
    told = station(chip, tmp_path, WET_US + 2 * HOUR_US, sleep, parts=[gauge()])
    assert len(told) >= 7
    assert told[-1][1] >= 12
    assert [total for _, total in told] == [tips(WET_US, us) for us, _ in told]


def test_a_loss_of_power_costs_the_tips_since_the_last_reading(chip: Chip, tmp_path: Path) -> None:
    cut_us = WET_US + 40 * 60_000_000
    told = station(chip, tmp_path, WET_US + 2 * HOUR_US, parts=[gauge()], power_cuts=[[cut_us, 60_000_000]])
    totals = [total for _, total in told]
    assert totals == sorted(totals), "it never goes back"
    last_us = max(us for us, _ in told if us < cut_us)
    again_us = min(us for us, _ in told if us > cut_us)
    lost = tips(WET_US, told[-1][0]) - told[-1][1]
    assert 0 < lost <= tips(last_us, again_us)


def test_a_stuck_gauge_does_not_rain(chip: Chip, tmp_path: Path) -> None:
    told = station(chip, tmp_path, WET_US + HOUR_US, parts=[gauge(faults={"held_low": ALWAYS})])
    assert 6 <= len(told) <= 12, "told twice a cycle: it measures when it should, and does not wake all the time"
    assert {total for _, total in told} == {0}
