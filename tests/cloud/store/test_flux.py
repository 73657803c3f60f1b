"""What goes into a Flux script, and its answers wherever they are cut."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.store.influx_flux import FluxError, ms, quoted, rows
from cloud.store.order import by_device

ANSWER = (
    b",result,table,_time,_value,station\r\n"
    b",0 0,0,2026-11-22T00:00:00Z,1.5,markt\r\n,0 0,1,2026-11-23T00:00:00Z,2,ufer\r\n"
    b"\r\n,result,table,station,_time,_value\r\n,1 0,0,markt,2026-11-22T00:00:00.25Z,+Inf\r\n\r\n"
)
ROWS = [
    ("markt", "2026-11-22T00:00:00Z", "1.5"),
    ("ufer", "2026-11-23T00:00:00Z", "2"),
    ("markt", "2026-11-22T00:00:00.25Z", "+Inf"),
]
COLUMNS = ("station", "_time", "_value")


@given(st.lists(st.integers(0, len(ANSWER)), max_size=5))
def test_rows_wherever_the_answer_is_cut(cuts: list[int]) -> None:
    marks = [0, *sorted(cuts), len(ANSWER)]
    pieces = [ANSWER[a:b] for a, b in itertools.pairwise(marks)]
    assert list(rows(pieces, COLUMNS)) == ROWS


def test_no_rows_and_no_end_of_line() -> None:
    assert list(rows([], COLUMNS)) == []
    assert list(rows([b"\r\n"], COLUMNS)) == []
    assert list(rows([ANSWER.rstrip()], COLUMNS)) == ROWS


def test_an_error_in_the_middle_is_one() -> None:
    found = rows([ANSWER, b",error,reference\r\n,engine: out of memory,897\r\n"], COLUMNS)
    with pytest.raises(FluxError):
        list(found)


def test_what_is_no_answer_of_flux_is_not_taken_for_one() -> None:
    with pytest.raises(ValueError, match="station"):
        list(rows([b"<html>\r\n"], COLUMNS))


@pytest.mark.parametrize(
    ("text", "literal"),
    [("klima", '"klima"'), ('a"b', '"a\\"b"'), ("a\\", '"a\\\\"'), ("${exit}", '"\\${exit}"')],
)
def test_a_name_is_a_literal_whatever_it_is(text: str, literal: str) -> None:
    assert quoted(text) == literal


@pytest.mark.parametrize(
    ("text", "time_ms"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("2026-11-22T00:30:00.25Z", 1_795_307_400_250),
        ("2026-11-22T00:30:00.001999999Z", 1_795_307_400_001),
        ("1969-12-31T23:59:59.5Z", -500),
    ],
)
def test_times(text: str, time_ms: int) -> None:
    assert ms(text) == time_ms


@given(st.lists(st.tuples(st.integers(0, 5), st.sampled_from("cab")), unique=True), st.lists(st.integers(0, 20)))
def test_rows_of_a_moment_come_by_device_and_in_one_part(found: list[tuple[int, str]], cuts: list[int]) -> None:
    by_time = sorted(found, key=lambda row: row[0])
    marks = [0, *sorted(min(cut, len(found)) for cut in cuts), len(found)]
    parts = list(by_device([by_time[a:b] for a, b in itertools.pairwise(marks) if a < b], 1))
    assert [row for part in parts for row in part] == sorted(found)
    times = [{row[0] for row in part} for part in parts]
    assert sum(map(len, times)) == len(set().union(*times))
