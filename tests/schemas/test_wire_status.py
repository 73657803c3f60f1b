"""A device's status: what goes in comes out or is said to be missing, on both interpreters; no bytes do harm."""

import contextlib
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import wire_status
from schemas.channels import PLACE_ALPHABET
from schemas.models import Status as StatusModel
from schemas.wire_status import FAULTS, MORE, RESETS, Status, WireError, as_object, decode, encode

ROOT = Path(__file__).resolve().parents[2]
VECTORS = ROOT / "schemas" / "vectors" / "status_v1.json"
RUNNER = Path(__file__).parent / "run_status_vectors.py"
ROOM_AT_DR0 = 51
count = st.integers(0, 2**32 - 1)
statuses = st.builds(
    Status,
    st.text([chr(c) for c in range(32, 127)], min_size=1, max_size=16),
    st.integers(0, 0xFFFF),
    count,
    count,
    st.sampled_from(RESETS),
    count,
    count,
    count,
    st.none() | st.integers(0, 4094).map(lambda n: n / 100),
    st.lists(st.tuples(st.text(PLACE_ALPHABET, max_size=12), st.sampled_from(FAULTS[1:])), max_size=80),
    st.none() | st.tuples(st.integers(0, 0xFFFF), st.booleans(), st.text(max_size=40)),
)


@pytest.mark.parametrize("which", ["cpython", "micropython"])
def test_vectors(which: str, request: pytest.FixtureRequest) -> None:
    program = sys.executable if which == "cpython" else request.getfixturevalue("micropython")
    done = subprocess.run([program, RUNNER, ROOT, VECTORS], capture_output=True, text=True, timeout=60, check=True)
    (line,) = done.stdout.splitlines()
    assert int(line.removesuffix(" checks")) > 200


@given(statuses)
def test_it_fits_the_slowest_data_rate_and_says_what_is_missing(status: Status) -> None:
    payload = encode(status, ROOM_AT_DR0)
    assert len(payload) <= ROOM_AT_DR0
    told = decode(payload)
    assert told[:9] == status[:9]
    if told.answer:
        assert told.answer[:2] == status.answer[:2]
        assert status.answer[2].startswith(told.answer[2])
    else:
        assert status.answer is None
    if told.faults and told.faults[-1] == ("", MORE):
        assert told.faults[:-1] == status.faults[: len(told.faults) - 1]
        assert len(told.faults) <= len(status.faults)
    else:
        assert told.faults == status.faults


@given(st.binary(max_size=60))
def test_no_bytes_crash_it(payload: bytes) -> None:
    try:
        status = decode(payload)
    except WireError:
        return
    assert decode(encode(status, 300)) == status
    StatusModel.model_validate({"online": True, **as_object(status)})


@given(statuses, st.integers(0, 400))
def test_a_flipped_bit_is_refused_or_another_status(status: Status, at: int) -> None:
    payload = bytearray(encode(status, 300))
    payload[at // 8 % len(payload)] ^= 1 << at % 8
    with contextlib.suppress(WireError):
        assert decode(payload) != decode(encode(status, 300))


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        ({"firmware": ""}, "1 to 16 characters"),
        ({"firmware": "1.0.0-münchen"}, "ASCII"),
        ({"config": 65536}, "config has to be"),
        ({"uptime_s": -1}, "uptime_s has to be"),
        ({"reset": "lightning"}, "none of power, sleep"),
        ({"faults": [("Luft", "bus")]}, "no sensor's name"),
        ({"answer": (65536, True, "")}, "reference has to be"),
    ],
)
def test_what_is_no_status_is_refused(broken: dict[str, object], message: str) -> None:
    fields = ("1.0.0", 1, 2, 3, "power", 4, 5, 6, 3.9, [], None)
    status = Status(**{**dict(zip(Status._fields, fields, strict=True)), **broken})
    with pytest.raises(WireError, match=message):
        encode(status)


def test_what_only_a_later_firmware_knows_is_told_as_other() -> None:
    status = Status("1.0.0", 1, 2, 3, "power", 4, 5, 6, 99.0, [("air", "melted")], None)
    told = decode(encode(status))
    assert told.faults == [("air", "other")]
    assert told.battery == 40.94


def test_the_page_says_what_the_code_does() -> None:
    page = (ROOT / "docs" / "wire.md").read_text()
    codes = ", ".join(f"{n} `{name}`" for n, name in enumerate(FAULTS))
    assert f"Codes of faults: {codes}; the others are refused." in page
    assert ", ".join(f"{n} `{name}`" for n, name in enumerate(RESETS)) + "; 7 is refused" in page
    for field, widths in (
        ("uptime", wire_status.UPTIME_WIDTHS), ("boots", wire_status.BOOTS_WIDTHS),
        ("waiting", wire_status.COUNT_WIDTHS), ("forgotten", wire_status.COUNT_WIDTHS),
        ("free heap", wire_status.HEAP_WIDTHS),
    ):  # fmt: skip
        assert f"| {field} | sized {', '.join(map(str, widths))} |" in page


def test_an_ordinary_status_is_eighteen_bytes() -> None:
    assert len(encode(Status("1.0.0", 0xBEEF, 259_200, 3, "sleep", 12, 0, 81_234, 3.91, [], None))) == 18
