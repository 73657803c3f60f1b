"""The energy model adds up, grows with what costs, agrees with what others saw, and says what it cannot answer."""

import subprocess
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from edge import energy
from edge.energy import EnergyError, budget, too_strong, years
from edge.energy_figures import BOARDS, CELLS, SENSORS
from edge.sensors.chips import CHIPS
from firmware.contents import boards, drivers

ROOT = Path(__file__).resolve().parents[2]


def lora(**what: Any) -> energy.Budget:
    question: dict[str, Any] = {
        "board": "heltec_v3",
        "carrier": "lorawan",
        "interval_s": 900,
        "sensors": ("sht4x",),
        "sf": 9,
        "payload_bytes": 24,
    }
    return budget(**question | what)


def test_one_cycle_by_hand() -> None:
    """ESP32-S3 with SX1262 at SF7: 24 bytes are 82.176 ms on air; the windows are 8 symbols and 20 ms."""
    air_s, first_s, second_s = 0.082176, 8 * 0.001024 + 0.02, 8 * 0.032768 + 0.02
    radio_s = air_s + 2 + second_s
    radio_mas = air_s * 47 + (first_s + second_s) * 10.8 + radio_s * 31.7
    awake_s = 2.5 + 0.010 + radio_s
    found = lora(sf=7)
    assert found.awake_s == pytest.approx(awake_s)
    by_name = dict(found.parts)
    assert by_name["radio"] == pytest.approx(96 * radio_mas / 3600)
    assert by_name["starting and working"] == pytest.approx(96 * 2.5 * 54.6 / 3600)
    assert by_name["between readings"] == pytest.approx(0.015 * 24 * (1 - awake_s / 900))
    assert by_name["sensors"] == pytest.approx((96 * 0.35 * 0.009 + 0.08e-3 * 86400) / 3600)
    assert found.mah_day == pytest.approx(sum(by_name.values()))
    assert found.peak_ma == pytest.approx(31.7 + 47)
    assert years(found.mah_day, "18650") == pytest.approx(3200 * 0.7 / (found.mah_day * 365.25 + 3200 * 0.25))


def test_it_grows_with_every_thing_that_costs() -> None:
    for series in (
        [lora(sf=sf).mah_day for sf in range(7, 13)],
        [lora(interval_s=interval).mah_day for interval in (3600, 1800, 900, 300, 60)],
        [lora(payload_bytes=payload).mah_day for payload in (10, 24, 51)],
        [
            lora(sensors=sensors).mah_day
            for sensors in ((), ("sht4x",), ("sht4x", "scd4x"), ("sht4x", "scd4x", "sps30"))
        ],
        [lora(sleep_ua=sleep).mah_day for sleep in (0, 15, 100, 11380)],
        [lora(sleep=sleep, interval_s=60).mah_day for sleep in ("light", "deep", "awake")],
        [lora(sleep=sleep, interval_s=900).mah_day for sleep in ("deep", "light", "awake")],
        [lora(sensors=("bme280",)).mah_day, lora(sensors=("bme280", "wind")).mah_day],
    ):
        assert all(less < more for less, more in pairwise(series)), series


def test_who_does_not_sleep_deeply_does_not_start_anew() -> None:
    assert lora(sleep="light").awake_s == pytest.approx(lora().awake_s - 2)
    assert dict(lora(sleep="awake").parts)["between readings"] > 31.7 * 24 * 0.99
    assert lora(sleep="light", sensors=("rain",)).mah_day <= lora(sleep="light").mah_day  # no ULP


def test_sensors_warm_up_together() -> None:
    assert lora(sensors=("sps30", "scd4x", "sht4x")).awake_s == lora(sensors=("sps30",)).awake_s


def test_it_agrees_with_what_others_have_seen() -> None:
    # ESP32 with LMIC, every 10 minutes, 4 bytes, SF7: "running for 4 months already on a pair of 18650 cells"
    # (thethingsnetwork.org/forum/t/59647)
    seen = budget("lilygo_lora32", "lorawan", 600, ("ds18b20",), 7, 4)
    assert years(seen.mah_day, "18650x2") > 4 / 12
    # A LoPy under MicroPython is awake for 8 s every 15 minutes, and 19 Ah are far from 10 years
    # (forum.pycom.io/topic/6555)
    awake = 8 * 54.6 * 96 / 3600
    assert 19000 / awake / 365 < 5
    assert lora(sf=7).mah_day < awake
    # ESP32-S3 with SX1262, measured with a power profiler: 25 µA asleep, 37 to 50 mA at work (Tech500,
    # EoRa-PI-Foundation)
    assert 37 <= energy.CHIPS["esp32s3"].wait_ma + energy.RADIOS["sx1262"].listen_ma <= 50
    # A cheap DevKitC is no field device: 11 mA asleep, a few days of an 18650
    devkit = budget("esp32_devkit", "mqtt", 900, ("sht4x",))
    assert devkit.mah_day > 270


def test_wifi_costs_more_than_lora() -> None:
    wifi = budget("heltec_v3", "mqtt", 900, ("sht4x",))
    assert wifi.mah_day > 2 * lora(sf=7).mah_day
    assert wifi.peak_ma == 340
    assert too_strong(wifi, "D-LiSOCl2")
    assert not too_strong(wifi, "18650")
    assert not too_strong(lora(), "D-LiSOCl2")


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ({"board": "arduino"}, "unknown board 'arduino': one of esp32_c3"),
        ({"sensors": ("bmp999",)}, "unknown sensor 'bmp999': one of battery"),
        ({"sleep": "never"}, "unknown sleep 'never': one of deep, light, awake"),
        ({"board": "esp32_c3", "carrier": "mqtt", "sensors": ("wind",)}, "esp32c3 has no ULP, each turn of the wind"),
        ({"board": "esp32_c3"}, "esp32_c3 has no LoRa radio"),
        ({"interval_s": 4}, r"a cycle takes 5\.1 s, longer than the interval of 4 s"),
        ({"interval_s": 60, "sensors": ("mhz19",)}, r"a cycle takes 65\.0 s, longer"),
    ],
)
def test_what_it_cannot_answer_it_says(what: dict[str, Any], said: str) -> None:
    with pytest.raises(EnergyError, match=said):
        lora(**what)


def test_an_unknown_cell_is_said() -> None:
    with pytest.raises(EnergyError, match="unknown cell 'AAA': one of 18650"):
        years(1, "AAA")


def test_the_tables_are_whole() -> None:
    assert set(BOARDS) == set(boards())
    assert set(drivers()) <= set(SENSORS) == set(CHIPS)
    assert all(0 < cell.usable <= 1 and 0 <= cell.yearly_loss < 1 for cell in CELLS.values())
    assert all(sensor.active_s >= 0 and sensor.volts in (3.3, 5.0) for sensor in SENSORS.values())
    source = (ROOT / "edge" / "energy_figures.py").read_text()
    for name in (*SENSORS, *CELLS):
        assert f'"{name}": ' in source


def test_micropython_reckons_the_same(micropython: str) -> None:
    code = """
from edge.energy import budget, years
b = budget("heltec_v3", "lorawan", 900, ("sht4x", "sps30", "rain"), 10, 24)
print("%.6f %.6f %.6f" % (b.mah_day, b.awake_s, years(b.mah_day, "D-LiSOCl2")))
"""
    done = subprocess.run(
        [micropython, "-X", "heapsize=192k", "-c", code],
        env={"MICROPYPATH": f"{ROOT}:.frozen"}, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    found = lora(sensors=("sht4x", "sps30", "rain"), sf=10)
    expected = f"{found.mah_day:.6f} {found.awake_s:.6f} {years(found.mah_day, 'D-LiSOCl2'):.6f}"
    assert done.stdout.strip() == expected
