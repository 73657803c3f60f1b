"""Every driver against its chip's double under MicroPython: true values, and a fault with a code for what goes wrong."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edge.sensors.chips import CHIPS
from simulators.board.host import START_US, Chip
from simulators.board.truth import rain, rain_nm_per_hour, truth, wind
from tests.conftest import ROOT

Out = dict[str, Any]
Run = Callable[..., list[Out]]
HOUR_US = 3600 * 1_000_000
FOREVER = [0, START_US * 2]
# How far from what is true now: the chip's resolution, and what changed since it measured.
NEAR = {
    "air_temperature": 0.07, "relative_humidity": 0.1, "air_pressure": 0.01, "co2": 1.1, "pm1": 0.6, "pm2_5": 0.6,
    "pm10": 0.6, "battery": 0.002, "illuminance": 60, "soil_moisture": 0.2, "wind_direction": 11.3, "wind_speed": 0.1,
}  # fmt: skip
# Its double may reckon with Bosch's 32-bit shifts, which are up to 9 Pa off what the formula means (test_sensors.py).
NEAR_680 = NEAR | {"air_pressure": 0.09}
ON_I2C = {
    "bme280": 0x76, "bme680": 0x77, "sht4x": 0x44, "sht3x": 0x45, "scd4x": 0x62, "scd30": 0x61, "sps30": 0x69,
    "max17048": 0x36, "bh1750": 0x23, "veml7700": 0x10,
}  # fmt: skip
ON_UART = ("pms", "sds011", "mhz19")
WITH_CHECK_SUM = ("sht4x", "sht3x", "scd4x", "scd30", "sps30", "pms", "sds011", "mhz19", "ds18b20")
ROM, OTHER = "28010203040506a5", "28aabbccddeeff00"


@pytest.fixture
def run(micropython: str, tmp_path: Path) -> Run:
    """`run(parts, code, **chip)`: what the code measured on a board with these parts at noon."""

    def go(parts: list[Out], code: str, **change: Any) -> list[Out]:
        chip = Chip(tmp_path / "chip", micropython)
        chip.change(**{"true_us": START_US + 12 * HOUR_US, "parts": parts, **change})
        script = tmp_path / "script.py"
        script.write_text("from tests.firmware.driver_bench import *\n" + code)
        return [json.loads(line) for line in chip.start(script).splitlines()]

    return go


def part(chip: str, **more: Any) -> Out:
    if chip in ON_I2C:
        return {"chip": chip, "bus": "i2c0", "address": ON_I2C[chip], **more}
    if chip == "ds18b20":
        return {"chip": chip, "bus": "onewire0", "rom": ROM, **more}
    return {"chip": chip, "bus": "uart0", **more}


def code(chip: str, options: str = "", times: int = 1) -> str:
    where = part(chip)
    return (
        f"one = driver({chip!r}, board().bus({where['bus']!r}), {where.get('address')}{options})\n"
        f"for _ in range({times}): measure(one)\n"
    )


def near(out: Out, bounds: dict[str, float] = NEAR) -> None:
    assert out["fault"] is None, out
    assert out["values"], out
    for quantity, value in out["values"].items():
        if quantity in out["truth"]:
            assert value == pytest.approx(out["truth"][quantity], abs=bounds[quantity], rel=0), out


EVERY = sorted({*ON_I2C, *ON_UART, "ds18b20"})


@pytest.mark.parametrize("chip", EVERY)
def test_it_tells_what_is_true(run: Run, chip: str) -> None:
    out = run([part(chip)], code(chip, times=3) + "time.sleep(7200)\n" + "measure(one)\n")
    assert len(out) == 4
    for one in out:
        near(one, NEAR_680 if chip == "bme680" else NEAR)
        assert set(one["values"]) == set(CHIPS[chip].quantities)
        assert max(one["ms"]) <= (2700 if chip in ON_UART else 1000)  # a frame comes when it comes


@pytest.mark.parametrize("chip", EVERY)
def test_one_that_is_not_there(run: Run, chip: str) -> None:
    [out] = run([part(chip, faults={"missing": FOREVER})], code(chip))
    assert out["fault"] == "missing"
    assert sum(out["ms"]) <= 4500


@pytest.mark.parametrize("chip", EVERY)
def test_one_that_goes_and_comes_back(run: Run, chip: str) -> None:
    """A plug that is out for an hour costs that hour; nothing the driver remembers is in the way afterwards."""
    noon = START_US + 12 * HOUR_US
    gone = {"missing": [noon + HOUR_US, noon + 2 * HOUR_US]}
    text = code(chip) + "for _ in range(2):\n    time.sleep(5400)\n    measure(one)\n"
    out = run([part(chip, faults=gone)], text)
    bounds = NEAR_680 if chip == "bme680" else NEAR
    near(out[0], bounds)
    assert out[1]["fault"] == "missing"
    near(out[2], bounds)


@pytest.mark.parametrize("chip", WITH_CHECK_SUM)
def test_a_wrong_check_sum_is_no_value(run: Run, chip: str) -> None:
    [out] = run([part(chip, faults={"bad_crc": FOREVER})], code(chip))
    assert (out["values"], out["fault"]) == (None, "crc")


@pytest.mark.parametrize("chip", sorted(set(EVERY) - {"bh1750"}))  # two bytes without a check sum are always a light
def test_rubbish_is_no_value(run: Run, chip: str) -> None:
    noon = START_US + 12 * HOUR_US
    text = code(chip) + "time.sleep(7200)\nmeasure(one)\n"
    out = run([part(chip, faults={"garbage": [noon + HOUR_US, START_US * 2]})], text)
    near(out[0], NEAR_680 if chip == "bme680" else NEAR)
    assert out[1]["values"] is None
    assert out[1]["fault"] in ("crc", "self_test", "range", "timeout", "bus")


@pytest.mark.parametrize("chip", sorted(ON_I2C))
def test_a_bus_held_low_is_a_fault_and_quick(run: Run, chip: str) -> None:
    [out] = run([part(chip)], code(chip), held_low={"i2c0": FOREVER})
    assert out["fault"] == "bus"
    assert sum(out["ms"]) < 500


SENSORS = """
from firmware.device.sensors import Sensors
config = {"sensors": {"air": {"chip": "sht4x", "bus": "i2c0", "address": 0x44, "options": {}}}}
class One:
    def __init__(self): self.sensors = Sensors(board(), config, {})
    def start(self, ambient): return self.sensors.start("air", ambient)
    def read(self, ambient): return self.sensors.read("air", ambient)
    def stop(self): self.sensors.stop("air")
one = One()
"""


def test_a_bus_held_low_by_a_chip_is_clocked_free(run: Run) -> None:
    """UM10204, 3.1.16: nine clock pulses end any byte. Then the measurement goes on as if nothing had been."""
    [out] = run([part("sht4x", faults={"hung": FOREVER})], SENSORS + "measure(one)\n")
    near(out)
    assert sum(out["ms"]) < 500


def test_a_bus_that_does_not_come_free_is_told_quickly(run: Run) -> None:
    [out] = run([part("sht4x")], SENSORS + "measure(one)\n", held_low={"i2c0": FOREVER})
    assert out["fault"] == "bus"
    assert sum(out["ms"]) < 500


def test_one_missing_chip_leaves_the_bus_alone(run: Run) -> None:
    text = SENSORS + "bus = board().i2c(0)\nmeasure(one)\nprint(json.dumps(board().i2c(0) is bus))\n"
    out, untouched = run([part("sht4x", faults={"missing": FOREVER})], text)
    assert out["fault"] == "missing"
    assert untouched is True


@pytest.mark.parametrize("chip", ["bme280", "bme680"])
def test_another_chip_at_the_address_is_told(run: Run, chip: str) -> None:
    """A BMP280 (0x58) answers where a BME280 is expected, with the same registers and no humidity."""
    text = (
        code(chip, times=0)
        + f"""
part("i2c0", {ON_I2C[chip]})._registers[0xD0] = 0x58
measure(one)
"""
    )
    [out] = run([part(chip)], text)
    assert out["fault"] == "self_test"
    assert "0x58" in out["detail"]


def test_a_mhz19_is_told_whether_to_calibrate_itself(run: Run) -> None:
    for wanted in (True, False):
        text = (
            code("mhz19", f", self_calibration={wanted}")
            + """
print(json.dumps(part("uart0").kept["self_calibration"]))
"""
        )
        out, told = run([part("mhz19")], text)
        near(out)
        assert told is wanted


def test_a_reply_to_a_setting_is_no_measurement(run: Run) -> None:
    """SDS011: 0xC5 has the bytes of a measurement and means other things; it is skipped, also when it comes last."""
    text = (
        code("sds011", times=0)
        + """
chip = part("uart0")
frame = chip.next_frame
def answering(after_us, until_us):
    found = frame(after_us, until_us)
    return found and (found[0], found[1] + bytes((0xAA, 0xC5, 8, 1, 1, 0, 0xA1, 0x60, 0x0B, 0xAB)))
chip.next_frame = answering
measure(one)
"""
    )
    [out] = run([part("sds011")], text)
    near(out)


def test_two_thermometers_on_a_wire_are_distinct(run: Run) -> None:
    noon = START_US + 12 * HOUR_US
    here, there = truth("air_temperature", "5cm", noon, 1), {}
    for name in ("2m", "roof", "yard", "wall", "tree"):
        there[name] = abs(truth("air_temperature", name, noon, 1) - here)
    other = max(there, key=lambda name: there[name])
    parts = [part("ds18b20", place="5cm"), part("ds18b20", rom=OTHER, place=other)]
    roms = "roms = sorted([bytes(r) for r in board().bus('onewire0').scan()])\nfrom binascii import hexlify\n"
    text = roms + "".join(
        f"measure(driver('ds18b20', board().bus('onewire0'), rom=hexlify(roms[{i}]).decode()), place={place!r})\n"
        for i, place in enumerate(("5cm", other))
    )
    first, second = run(parts, text)
    near(first)
    near(second)
    assert abs(first["values"]["air_temperature"] - second["values"]["air_temperature"]) > 0.1
    [both] = run(parts, code("ds18b20"))
    assert both["fault"] == "config"  # which one is meant has to be said
    assert "28" in both["detail"]


def test_a_rom_that_is_none_is_refused_at_once(run: Run) -> None:
    for rom in ("28", "zz", "10010203040506a5", "2801020304050600"):
        text = f"""
try:
    driver("ds18b20", None, rom={rom!r})
    print('"taken"')
except ValueError:
    print('"refused"')
"""
        assert run([], text) == ["refused"], rom


def test_85_degrees_after_power_on_are_no_value(run: Run) -> None:
    """A chip that loses its supply while it converts has 85 °C in its register."""
    text = (
        code("ds18b20", times=0)
        + """
chip = part("onewire0")
written = chip.written
chip.written = lambda byte: None if byte == 0x44 else written(byte)
measure(one)
"""
    )
    [out] = run([part("ds18b20")], text)
    assert (out["values"], out["fault"]) == (None, "self_test")


def test_a_scd4x_is_told_the_pressure_and_its_settings_each_time(run: Run) -> None:
    """Settings are gone when the sensors' supply was off, so handing them over once is not enough."""
    text = (
        code("scd4x", ", self_calibration=False, altitude_m=87", times=0)
        + """
chip = part("i2c0", 0x62)
for pressure in (1003.4, None):
    chip.kept.clear()  # its supply was off
    measure(one, {} if pressure is None else {"air_pressure": pressure})
    print(json.dumps(chip.kept))
"""
    )
    first, with_pressure, second, without = run([part("scd4x")], text)
    assert first["fault"] is None
    assert second["fault"] is None
    assert with_pressure == {"pressure": 1003, "self_calibration": 0, "altitude": 87}
    assert without == {"self_calibration": 0, "altitude": 87}


def test_a_scd40_that_measures_periodically_is_stopped(run: Run) -> None:
    text = (
        code("scd4x", ", single_shot=False", times=2)
        + """
print(json.dumps("periodic" in part("i2c0", 0x62).kept))
"""
    )
    first, second, running = run([part("scd4x", options={"model": "scd40"})], text)
    near(first)
    near(second)
    assert running is False


def test_a_scd4x_that_still_measures_from_before_a_reset_is_stopped_first(run: Run) -> None:
    text = code("scd4x", times=0) + "board().bus('i2c0').writeto(0x62, b'\\x21\\xb1')\ntime.sleep(1)\nmeasure(one)\n"
    [out] = run([part("scd4x")], text)
    near(out)


def test_a_scd4x_that_is_never_ready_times_out(run: Run) -> None:
    text = (
        code("scd4x", times=0)
        + """
part("i2c0", 0x62)._is_fresh = lambda: False
measure(one)
"""
    )
    [out] = run([part("scd4x")], text)
    assert out["fault"] == "timeout"
    assert out["ms"][1] < 2000


def test_a_scd30_writes_its_setting_once(run: Run) -> None:
    """It goes to the chip's own flash."""
    text = (
        code("scd30", times=3)
        + """
print(json.dumps(part("i2c0", 0x61).writes))
"""
    )
    assert run([part("scd30")], text)[-1] == 1


def test_the_sun_does_not_blind_the_light_sensors(run: Run) -> None:
    for chip in ("bh1750", "veml7700"):
        for lux in (0, 3, 90, 2000, 60000, 110000):
            text = (
                code(chip, times=0)
                + f"""
chip = part("i2c0", {ON_I2C[chip]})
chip.truth = lambda quantity: {lux}
measure(one)
"""
            )
            [out] = run([part(chip)], text)
            assert out["fault"] is None, (chip, lux, out)
            assert out["values"]["illuminance"] == pytest.approx(lux, rel=0.01, abs=2), (chip, lux)
        text = text.replace(f"quantity: {lux}", "quantity: 900000")
        [out] = run([part(chip)], text)
        assert out["fault"] == "range" or out["values"]["illuminance"] > 110000


def test_bytes_between_the_frames_of_a_uart(run: Run) -> None:
    for chip in ON_UART:
        text = (
            code(chip, times=0)
            + """
chip = part("uart0")
frame = chip.next_frame
def noisy(after_us, until_us):
    found = frame(after_us, until_us)
    return found and (found[0], b"\\x42\\xaa\\xff\\x00\\x42\\x4d\\x00" + found[1] + b"\\x86\\x42")
chip.next_frame = noisy
measure(one)
"""
        )
        [out] = run([part(chip)], text)
        near(out)


def test_dust_sensors_sleep_between_and_clean_air_is_zero(run: Run) -> None:
    for chip in ("pms", "sds011"):
        text = (
            code(chip, times=0)
            + """
chip = part("uart0")
chip.truth = lambda quantity: 0
measure(one)
print(json.dumps(chip.kept.get("asleep")))
measure(one)
"""
        )
        first, asleep, second = run([part(chip)], text)
        assert asleep == 1
        for out in (first, second):
            assert out["fault"] is None
            assert set(out["values"].values()) == {0}


def test_an_sps30_sleeps_and_wakes(run: Run) -> None:
    text = (
        code("sps30")
        + """
print(json.dumps(part("i2c0", 0x69).kept.get("asleep")))
measure(one)
"""
    )
    first, sleeps, second = run([part("sps30")], text)
    near(first)
    assert sleeps == 1
    near(second)


@pytest.mark.parametrize("chip", ["battery", "soil", "vane"])
def test_voltages(run: Run, chip: str) -> None:
    pin = "board().bus_pins('adc', 0)"
    text = f"one = driver({chip!r}, board().bus('adc0'))\n"
    [number] = run([], f"print({pin})\n")
    where = {"chip": chip, "pin": number, "options": {"divider": 2} if chip == "battery" else {}}
    [good] = run([where], text + "measure(one)\n")
    [open_] = run([where | {"faults": {"missing": FOREVER}}], text + "measure(one)\n")
    near(good)
    assert open_["fault"] == "missing"


ON_WIRE = {"chip": "sps30", "bus": "uart0"}
SPS30 = "one = driver('sps30', board().bus('uart0'))\n"


def test_an_sps30_on_uart(run: Run) -> None:
    text = (
        SPS30
        + """
for _ in range(2):
    measure(one)
    print(json.dumps(part("uart0").kept.get("asleep")))
one.start({})  # and a reset while its fan runs: the new driver finds it measuring
time.sleep(2)
measure(driver("sps30", board().bus("uart0")))
"""
    )
    first, asleep, second, again, third = run([ON_WIRE], text)
    assert asleep == 1
    assert again == 1
    for out in (first, second, third):
        near(out)
        assert set(out["values"]) == {"pm1", "pm2_5", "pm10"}


@pytest.mark.parametrize(("fault", "codes"), [("missing", ("missing",)), ("bad_crc", ("crc",)), ("garbage", ("crc",))])
def test_an_sps30_on_uart_that_is_not_well(run: Run, fault: str, codes: tuple[str, ...]) -> None:
    [out] = run([ON_WIRE | {"faults": {fault: FOREVER}}], SPS30 + "measure(one)\n")
    assert out["values"] is None
    assert out["fault"] in codes
    assert sum(out["ms"]) < 3000


STATION = "from tests.firmware.station_bench import cycles\n"


def test_a_stuck_a_missing_and_a_rubbishing_sensor_cost_their_own_values(run: Run) -> None:
    """Two hours and three quarters are twelve readings; then what never changes is told."""
    parts = [
        part("sht4x", faults={"stuck": FOREVER}), part("bme280"), part("sht3x", faults={"missing": FOREVER}),
        part("scd4x", faults={"bad_crc": FOREVER}),
    ]  # fmt: skip
    config = """{
        "a": {"chip": "sht4x", "bus": "i2c0", "place": "2m"}, "b": {"chip": "bme280", "bus": "i2c0"},
        "c": {"chip": "sht3x", "bus": "i2c0", "address": 0x45, "place": "5m"},
        "d": {"chip": "scd4x", "bus": "i2c0", "only": ["co2"]},
    }"""
    out = run(parts, STATION + f"for one in cycles({config}, 13): print(json.dumps(one))\n")
    assert len(out) == 13
    for n, (values, faults) in enumerate(out):
        assert {"air_temperature@2m", "air_temperature", "air_pressure"} <= set(values)
        assert not {"air_temperature@5m", "co2"} & set(values)
        assert faults == {"c": "missing", "d": "crc"} | ({"a": "stuck"} if n >= 11 else {})


@pytest.mark.parametrize(("gone", "told"), [({}, True), ({"missing": FOREVER}, False)])
def test_a_co2_sensor_is_told_the_pressure_of_the_same_cycle(run: Run, gone: Out, told: bool) -> None:
    """Its name comes first, and it is started after the barometer all the same; without one it is measured without."""
    config = """{"air": {"chip": "scd4x", "bus": "i2c0", "only": ["co2"]}, "baro": {"chip": "bme280", "bus": "i2c0"}}"""
    text = (
        STATION
        + f"""
for one in cycles({config}, 1): print(json.dumps(one))
print(json.dumps(part("i2c0", 0x62).kept))
"""
    )
    (values, faults), settings = run([part("scd4x"), part("bme280", faults=gone)], text)
    assert "co2" in values
    if told:
        assert faults == {}
        assert settings["pressure"] == round(values["air_pressure"])
        assert abs(values["co2"] - truth("co2", "", START_US + 12 * HOUR_US, 1)) < 2
    else:
        assert faults == {"baro": "missing"}
        assert "pressure" not in settings


PULSES = """
from firmware.device.pulses import Counter
class Nvs:
    kept, full = {}, False
    def get(self, key, default=None): return self.kept.get(key, default)
    def set(self, key, value):
        if self.full: raise OSError(28)
        self.kept[key] = value
nvs = Nvs()
counter = Counter(board().bus("pulse0"), nvs, "rain")
"""


def test_a_rain_gauge_counts_up_and_its_total_is_durable_first(run: Run) -> None:
    [pin] = run([], "print(board().bus_pins('pulse', 0))\n")
    first = START_US // HOUR_US
    wet = next(hour for hour in range(first + 1, first + 5000) if rain_nm_per_hour(hour, "", 1) > 500_000)
    text = (
        PULSES
        + """
one = driver("rain", counter, mm_per_tip=0.2)
for _ in range(3):
    time.sleep(1000)
    measure(one)
    print(json.dumps(nvs.kept.get("rain", 0)))
counter.total += 1
nvs.full = True
measure(one)
"""
    )
    begun_us = wet * HOUR_US
    out = run([{"chip": "rain", "pin": pin}], text, true_us=begun_us)
    train = rain("", 1)
    for reading, kept in zip(out[:6:2], out[1:6:2], strict=True):
        tips = train.count(reading["true_us"]) - train.count(begun_us)
        assert reading["values"]["precipitation_total"] == pytest.approx(0.2 * tips)
        assert kept == tips
    assert tips > 0
    assert out[6]["fault"] == "self_test"  # what a loss of power could take back is not told


def test_an_anemometer_tells_mean_and_gust(run: Run) -> None:
    [pin] = run([], "print(board().bus_pins('pulse', 0))\n")
    text = PULSES + 'one = driver("wind", counter, seconds=30)\nfor _ in range(2): measure(one)\n'
    for one in run([{"chip": "wind", "pin": pin}], text):
        train = wind("", 1, one["true_us"])
        pulses = train.count(one["true_us"]) - train.count(one["true_us"] - 30_000_000)
        assert pulses > 10
        assert one["values"]["wind_speed"] == pytest.approx(pulses / 30 * 2 / 3, abs=0.03)  # a pulse more or less
        assert one["values"]["wind_speed"] <= one["values"]["wind_gust"] <= one["values"]["wind_speed"] + 0.5
        assert one["wait_ms"] == 30000
    still = PULSES + 'measure(driver("wind", counter, seconds=30, offset_m_s=0.3))\n'
    [calm] = run([], still)
    assert calm["values"] == {"wind_speed": 0, "wind_gust": 0}


def test_buses_that_do_what_they_like(micropython: str, tmp_path: Path) -> None:
    chip = Chip(tmp_path / "chip", micropython)
    chip.change(true_us=START_US)
    out = chip.start(ROOT / "tests" / "firmware" / "driver_fuzz.py", timeout_s=100).splitlines()
    assert out[-1].endswith(" 0 wrong"), "\n".join(out[-30:])
    assert int(out[-1].split()[0]) > 3000


def test_every_chip_of_the_table_has_a_driver() -> None:
    here = {path.stem for path in (ROOT / "firmware" / "device" / "drivers").glob("*.py")} - {"__init__"}
    assert here == set(CHIPS)
