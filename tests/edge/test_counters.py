"""Frame counters: whatever a sender has counted, the receiver reads it back, and old ones are told from new ones."""

from hypothesis import given
from hypothesis import strategies as st

from edge.lorawan.counters import (
    EXHAUSTED,
    FCNT_MAX,
    NEW,
    REPLAY,
    RETRANSMISSION,
    classify,
    earlier,
    reconstruct,
)

COUNT = st.integers(0, FCNT_MAX)


@given(COUNT, st.integers(0, 65534))
def test_up_to_65534_lost_frames_are_bridged(expected: int, lost: int) -> None:
    sent = expected + lost
    full = reconstruct(expected, sent & 0xFFFF)
    assert full == sent
    assert classify(expected, full) == (NEW if sent <= FCNT_MAX else EXHAUSTED)


@given(COUNT, st.integers(0, 0xFFFF))
def test_what_is_read_fits_the_air_and_is_the_nearest(expected: int, fcnt16: int) -> None:
    full = reconstruct(expected, fcnt16)
    assert full & 0xFFFF == fcnt16
    assert expected - 1 <= full < expected + 65535 + (expected == 0)


@given(st.integers(1, FCNT_MAX))
def test_the_last_one_again_is_a_retransmission(expected: int) -> None:
    assert reconstruct(expected, (expected - 1) & 0xFFFF) == expected - 1
    assert classify(expected, expected - 1) == RETRANSMISSION


@given(st.integers(2, FCNT_MAX), st.data())
def test_old_ones_are_found_and_are_replays(expected: int, data: st.DataObject) -> None:
    old = data.draw(st.integers(max(0, expected - 65536), expected - 2))
    assert earlier(expected, old & 0xFFFF) == old
    assert classify(expected, old) == REPLAY


@given(COUNT, st.integers(0, 0xFFFF))
def test_earlier_is_below_or_nothing(expected: int, fcnt16: int) -> None:
    full = earlier(expected, fcnt16)
    assert full == -1 or (full < expected and full & 0xFFFF == fcnt16 and expected - full <= 65536)
    assert (full == -1) is (expected <= fcnt16)
