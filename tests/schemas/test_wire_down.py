"""Downlinks to our devices: what goes in comes out, on both interpreters, and nothing else does harm."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.wire_down import RANGES_MAX, WireError, decode_ack, decode_command, encode_ack, encode_command

ROOT = Path(__file__).resolve().parents[2]
VECTORS = ROOT / "schemas" / "vectors" / "down_v1.json"
RUNNER = Path(__file__).parent / "run_down_vectors.py"
Ranges = list[tuple[int, int, int]]


@st.composite
def stored(draw: Any) -> Ranges:
    """Ranges that do not touch, the newest first, in up to three generations."""
    ranges: Ranges = []
    for generation in draw(st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=3, unique=True)):
        at = 0
        for gap, length in draw(st.lists(st.tuples(st.integers(0, 2**20), st.integers(0, 2**18)), max_size=5)):
            ranges.append((generation, at + gap, at + gap + length))
            at += gap + length + 2
    return sorted(ranges, reverse=True)


@pytest.mark.parametrize("which", ["cpython", "micropython"])
def test_vectors(which: str, request: pytest.FixtureRequest) -> None:
    program = sys.executable if which == "cpython" else request.getfixturevalue("micropython")
    done = subprocess.run([program, RUNNER, ROOT, VECTORS], capture_output=True, text=True, timeout=60, check=True)
    (line,) = done.stdout.splitlines()
    assert int(line.removesuffix(" checks")) > 80


@given(stored(), st.integers(0, 60))
def test_as_many_ranges_as_fit_the_newest_first(ranges: Ranges, max_bytes: int) -> None:
    payload, told = encode_ack(ranges, max_bytes)
    assert len(payload) <= max_bytes
    assert told == ranges[: len(told)]
    if told:
        assert decode_ack(payload) == told
    if len(told) < len(ranges):
        assert len(encode_ack(ranges[: len(told) + 1], 10_000)[0]) > max_bytes


@given(stored(), st.integers(0, 0xFFFF))
def test_what_is_to_be_sent_again(ranges: Ranges, reference: int) -> None:
    payload, told = encode_command(reference, "resend", ranges, max_bytes=200)
    assert told == ranges
    if ranges:
        assert decode_command(payload) == (reference, "resend", ranges, "")
    else:
        assert payload == b""


@given(st.integers(0, 0xFFFF), st.text(max_size=80))
def test_a_configuration_travels_whole_or_not_at_all(reference: int, text: str) -> None:
    payload, _ = encode_command(reference, "configure", configuration=text)
    assert bool(payload) == (len(text.encode()) <= 48)
    if payload:
        assert decode_command(payload) == (reference, "configure", [], text)


@given(st.binary(max_size=60))
def test_no_bytes_crash_it(payload: bytes) -> None:
    for decode in (decode_ack, decode_command):
        try:
            found = decode(payload)
        except WireError:
            continue
        ranges = found if isinstance(found, list) else found.ranges
        assert all(0 <= first <= last < 2**33 for _, first, last in ranges)


def test_an_acknowledgement_of_a_whole_life_is_six_bytes() -> None:
    assert len(encode_ack([(1, 1, 4711)])[0]) == 6
    assert len(encode_ack([(2, 1, 200_000)])[0]) <= 7


@pytest.mark.parametrize(
    "ranges",
    [[(1, 5, 9), (1, 1, 4)], [(1, 5, 9), (1, 1, 6)], [(1, 5, 4)], [(1, -1, 4)], [(1, 0, 2**32)], [(2**32, 0, 1)]],
)
def test_what_is_no_set_of_ranges_is_refused(ranges: Ranges) -> None:
    with pytest.raises(WireError):
        encode_ack(ranges)


def test_a_list_that_never_ends_is_refused() -> None:
    many = [(1, 3 * n, 3 * n) for n in range(RANGES_MAX + 5)]
    payload, told = encode_ack(many, 1000)
    assert len(told) == RANGES_MAX
    with pytest.raises(WireError, match="the command 'reboot' is none of resend, configure, status"):
        encode_command(1, "reboot")
    assert len(decode_ack(payload)) == RANGES_MAX
