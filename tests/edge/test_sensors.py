"""Raw counts to values: collected vectors on both interpreters, makers' examples, and whatever else comes in."""

import struct
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.sensors import bme280, bme680, crc, ds18b20, gauge, hpma115, light, mcu680, mhz19, pms, scd, sds, sht, sps30
from edge.sensors import weather as w
from edge.sensors.fault import FAULTS, SensorFault
from tests.conftest import ROOT
from tests.edge import sensor_vectors


@pytest.mark.shared
@pytest.mark.parametrize("which", ["python", "micropython"])
def test_every_collected_row_converts_as_stated(which: str, shared_data: Path, request: pytest.FixtureRequest) -> None:
    program = sys.executable if which == "python" else request.getfixturevalue("micropython")
    files = sorted(str(path) for path in (shared_data / "sensors").glob("*.json"))
    ran = subprocess.run(
        [program, str(ROOT / "tests" / "edge" / "sensor_vectors.py"), *files], capture_output=True, text=True,
        timeout=60, env={"PYTHONPATH": str(ROOT), "MICROPYPATH": "%s:.frozen" % ROOT},
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout + ran.stderr
    held = int(ran.stdout.split(" rows hold, 0 wrong")[0].split()[-1])
    assert held >= 61, ran.stdout  # a file that was not read would hold too


# Inputs and results of public examples.
ROWS = [
    # Plantower, clean air: PyPMS captured data (MIT)
    {"id": "pms", "sensor": "PMSx003", "frame_hex": "424d001c00000007000700000007000700bd003f002a001b000000009700029f",
     "expected": {"pm01": 0, "pm25": 7, "pm10": 7, "n0_3": 1.89}},
    {"id": "sds", "sensor": "SDS011", "frame_hex": "aac000000100a16002ab", "expected": {"pm25": 0.0, "pm10": 0.1}},
    {"id": "sps", "sensor": "SPS30", "expected": {"pm01": 5.2, "pm25": 9.5, "pm10": 13.3, "diam": 0.8},
     "frame_hex": "7e0003002840a78320411777bb414a5f8341548ddd41d2833e427d33fc85422617224229a4d9422a29bc3f55b7e79e7e"},
    # SCD4x datasheet, section 3.5.2
    {"id": "scd", "sensor": "SCD4x", "frame_hex": "01f4336667a25eb93c", "expected": {"co2": 500, "temperature": 25.0}},
    # DS18B20 datasheet, table 1
    {"id": "ds", "sensor": "DS18B20-raw16", "frame_hex": "ff5e", "expected": {"temperature": -10.125}},
]  # fmt: skip


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["id"])
def test_public_examples(row: dict) -> None:  # type: ignore[type-arg]
    assert sensor_vectors.check(row) is None


def test_bosch_by_its_own_example() -> None:
    """BMP280 datasheet (BST-BMP280-DS001), section 3.12: the same formulas for temperature and pressure."""
    c = {
        "T1": 27504, "T2": 26435, "T3": -1000, "P1": 36477, "P2": -10685, "P3": 3024, "P4": 2855, "P5": 140, "P6": -7,
        "P7": 15500, "P8": -14600, "P9": 6000,
    }  # fmt: skip
    fine = bme280.temperature_fine(c, 519888)
    assert (round(fine), round(fine / 5120, 2)) == (128422, 25.08)
    assert bme280.pressure_pa(c, 415148, fine) == pytest.approx(100653.27, abs=0.05)


@given(st.integers(420_000, 560_000).filter(lambda n: n != bme280.SKIPPED_20), st.integers(200_000, 450_000))
def test_bme680_by_the_other_form_of_its_formula(adc_t: int, adc_p: int) -> None:
    """The fixed-point form (BST-BME680-DS001, section 3.3.2) in exact fractions, where a shift loses nothing."""
    c = {
        "t1": 26041, "t2": 26469, "t3": 3, "p1": 35850, "p2": -10329, "p3": 88, "p4": 6966, "p5": -149, "p6": 30,
        "p7": 31, "p8": -1071, "p9": -2603, "p10": 30, "h1": 760, "h2": 1010, "h3": 0, "h4": 45, "h5": 20, "h6": 120,
        "h7": -100,
    }  # fmt: skip
    a = Fraction(adc_t, 8) - 2 * c["t1"]
    fine = a * c["t2"] / 2**11 + (a / 2) ** 2 / 2**12 * 16 * c["t3"] / 2**14
    a = fine / 2 - 64000
    b = ((a / 4) ** 2 / 2**11 * c["p6"] / 4 + 2 * a * c["p5"]) / 4 + 65536 * c["p4"]
    a = ((a / 4) ** 2 / 2**13 * 32 * c["p3"] / 8 + c["p2"] * a / 2) / 2**18
    p = (1048576 - adc_p - b / 2**12) * 3125 / ((32768 + a) * c["p1"] / 2**15) * 2
    x, y = c["p9"] * ((p / 8) ** 2 / 2**13) / 2**12, p / 4 * c["p8"] / 2**13
    p += (x + y + (p / 256) ** 3 * c["p10"] / 2**17 + 128 * c["p7"]) / 16
    celsius, pascal, _ = bme680.compensate(c, adc_t, adc_p, 20000)
    assert celsius == pytest.approx(float(fine / 5120), abs=1e-9)
    assert pascal == pytest.approx(float(p), abs=1e-6)


def test_calibration_is_read_from_its_registers() -> None:
    low = (
        struct.pack("<HhhHhhhhhhhh", 28176, 26220, 350, 38237, -10824, 3024, 7799, -99, -7, 9900, -10230, 4285)
        + b"\x00\x4b"
    )
    high = struct.pack("<hB", 366, 0) + bytes((309 >> 4, 309 & 15 | (-5 & 15) << 4, (-5 & 0xFFF) >> 4, 30))
    c = bme280.calibration(low, high)
    assert (c["T1"], c["P9"], c["H1"], c["H2"], c["H4"], c["H5"], c["H6"]) == (28176, 4285, 75, 366, 309, -5, 30)
    for nothing in (bytes(26), b"\xff" * 26):
        with pytest.raises(SensorFault):
            bme280.calibration(nothing, high)


@pytest.mark.parametrize(
    ("call", "code"),
    [
        (lambda: bme280.compensate({}, 0x80000, 1, 1), "self_test"),
        (lambda: bme680.calibration(bytes(23), bytes(10)), "self_test"),
        (lambda: sht.sht4x(b"\xbe\xef\x91\xbe\xef\x92"), "crc"),
        (lambda: scd.scd4x(b"\x01\xf4\x33"), "crc"),
        (lambda: scd.scd4x_recalibration(b"\xff\xff" + bytes((crc.sensirion(b"\xff\xff"),))), "self_test"),
        (lambda: sps30.from_uart(sps30.frame(3)), "crc"),  # a request is no answer
        (lambda: pms.measured(bytes(32)), "crc"),
        (lambda: sds.measured(bytes.fromhex("aac508010100a1600bab")), "timeout"),
        (lambda: mhz19.co2_ppm(bytes(9)), "crc"),
        (lambda: ds18b20.celsius(b"\xff" * 9), "missing"),
        (lambda: ds18b20.celsius(bytes(9)), "bus"),
    ],
)
def test_what_cannot_be_believed_is_a_fault(call, code: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(SensorFault) as caught:
        call()
    assert caught.value.code == code


def test_the_two_honeywells() -> None:
    """An answer between garbage, and frames in which a C0 has PM4 where an S0 has PM10 (HPM series manual, table 7)."""
    s0, c0 = bytes.fromhex("40050400250010 82".replace(" ", "")), bytes.fromhex("400d0400040007000900170000000084")
    assert hpma115.measured(b"\x96\x96\x40" + s0 + b"\x40") == {"pm2_5": 37, "pm10": 16}
    assert hpma115.measured(b"\x00" + c0) == {"pm1": 4, "pm2_5": 7, "pm4": 9, "pm10": 23}
    body = b"\x42\x4d\x00\x1c" + struct.pack(">13H", 4, 7, 9, 23, *[0] * 9)
    sent = body + struct.pack(">H", sum(body))
    assert hpma115.measured(sent, "HPMA115C0") == {"pm1": 4, "pm2_5": 7, "pm4": 9, "pm10": 23}
    assert hpma115.measured(sent) == {"pm2_5": 7, "pm10": 9}


FRAMES = [
    (pms.find, bytes.fromhex("424d001c00000007000700000007000700bd003f002a001b000000009700029f")),
    (sds.find, bytes.fromhex("aac00600060058d93dab")),
    (mhz19.find, bytes.fromhex("ff86027c42000000ba")),
    (mcu680.find, bytes.fromhex("5a5a3f0f09760ac8018b8500190000ab3200055f")),
]


@pytest.mark.parametrize(("find", "frame"), FRAMES)
@given(st.binary(max_size=60), st.binary(max_size=60), st.integers(1, 20))
def test_a_frame_is_found_behind_garbage_and_in_pieces(
    find, frame: bytes, before: bytes, after: bytes, piece: int
) -> None:  # type: ignore[no-untyped-def]
    # What comes before may look like the head of a longer frame and hide this one; a second one is always found.
    stream, kept, got = before + frame + frame + after, b"", []
    for at in range(0, len(stream), piece):
        found, kept = find(kept + stream[at : at + piece])
        assert len(kept) < 60
        if found is not None:
            got.append(found)
    assert frame in got


READERS = [
    sht.sht3x, sht.sht4x, scd.scd4x, scd.scd30, scd.scd4x_ready, sps30.from_i2c, sps30.from_uart, pms.measured,
    sds.measured, hpma115.measured, mhz19.co2_ppm, mcu680.measured, ds18b20.celsius,
]  # fmt: skip


@pytest.mark.parametrize("reader", READERS)
@given(data=st.one_of(st.binary(max_size=70), st.builds(lambda n: b"\x00" * n, st.integers(0, 70)),
                      st.builds(lambda n: b"\xff" * n, st.integers(0, 70))))  # fmt: skip
def test_whatever_comes_is_a_value_or_a_fault(reader, data: bytes) -> None:  # type: ignore[no-untyped-def]
    code = None
    try:
        reader(data)
    except SensorFault as fault:
        code = fault.code
    assert code is None or code in FAULTS


@given(st.integers(0, 255), st.binary(max_size=40))
def test_sps30_frames_come_back(command: int, data: bytes) -> None:
    body = sps30.frame(command, data)
    assert body[1:-1].find(0x7E) < 0
    # an answer has a state between command and length
    inner = bytes((0, command, 0, len(data))) + data
    inner += bytes((~sum(inner) & 0xFF,))
    stuffed = b"".join(bytes((0x7D, b ^ 0x20)) if b in (0x7E, 0x7D, 0x11, 0x13) else bytes((b,)) for b in inner)
    assert sps30.unframe(b"\x7e" + stuffed + b"\x7e") == (command, data)


def test_wind_rain_soil_light_and_cells() -> None:
    assert w.rain_mm(10) == pytest.approx(2.794)
    assert w.wind_m_s(30, 10_000) == pytest.approx(2.0)
    assert w.wind_m_s(0, 10_000, 0.6, 0.3) == 0
    for i, ohm in enumerate(w.VANE_OHM):
        assert w.vane_deg(ohm / (ohm + 10_000)) == i * 22.5
    assert w.vane_deg(1.0) is None
    assert w.vane_deg(0.0) is None  # nothing is connected, or a short
    assert w.vane_deg(0.25, linear=True, north_deg=300) == pytest.approx(30)
    assert w.mean_deg([350, 10]) == pytest.approx(0, abs=1e-6) or w.mean_deg([350, 10]) == pytest.approx(360)
    assert w.soil_percent(1500, 2000, 1000, 0, 60) == 30
    assert w.soil_percent(3000, 2000, 1000) is None
    with pytest.raises(ValueError, match="same"):
        w.soil_percent(1, 2, 2)
    assert light.bh1750_lx(1200) == 1000
    assert light.veml7700_lx(100, 0.125, 100) == pytest.approx(53.76, rel=0.01)  # below 100 lx: no correction
    assert light.veml7700_lx(10_000, 0.125, 100) > 5376
    assert gauge.max17048_v(0xCB20) == pytest.approx(4.0625, abs=0.01)
    assert gauge.divided_v(800_000, 4.9) == pytest.approx(3.92)
