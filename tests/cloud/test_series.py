"""Intervals and aggregates: against hand-made figures, and against the plain definition for anything."""

import math
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.calendar import EVERY, Calendar, EveryError, day_start, zone_of
from cloud.counters import increments
from cloud.series import AggregateError, Row, aggregate, aggregates_of
from cloud.store.model import Value
from schemas.quantities import BY_NAME, QUANTITIES

BERLIN = ZoneInfo("Europe/Berlin")
HOUR = 3_600_000
T0 = 1_795_300_200_000 // HOUR * HOUR


def ms(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp() * 1000)


def text(time_ms: int) -> str:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=time_ms)).isoformat().replace("+00:00", "Z")


def values(*numbers: float, quality: str = "S", step_ms: int = 900_000, device: str = "d") -> list[Value]:
    return [Value(T0 + n * step_ms, number, quality, device) for n, number in enumerate(numbers)]


def one(quantity: str, agg: str, given: list[Value], include: str = "ok") -> float | None:
    (row,) = aggregate(given, BY_NAME[quantity], "P1D", BERLIN, [agg], include)  # type: ignore[arg-type]
    return row.aggregates[0]


# -- calendar


@pytest.mark.parametrize(
    ("every", "moment", "start", "end"),
    [
        ("PT1M", "2026-11-22T10:15:59.999Z", "2026-11-22T10:15:00Z", "2026-11-22T10:16:00Z"),
        ("PT15M", "2026-11-22T10:44:00Z", "2026-11-22T10:30:00Z", "2026-11-22T10:45:00Z"),
        ("PT3H", "2026-11-22T10:15:00Z", "2026-11-22T08:00:00Z", "2026-11-22T11:00:00Z"),
        ("P1D", "2026-11-22T23:30:00Z", "2026-11-22T23:00:00Z", "2026-11-23T23:00:00Z"),
        ("P1D", "2026-07-01T21:59:59Z", "2026-06-30T22:00:00Z", "2026-07-01T22:00:00Z"),
        ("P1W", "2026-11-22T10:00:00Z", "2026-11-15T23:00:00Z", "2026-11-22T23:00:00Z"),
        ("P1M", "2026-03-29T10:00:00Z", "2026-02-28T23:00:00Z", "2026-03-31T22:00:00Z"),
        ("P1Y", "2026-12-31T23:00:00Z", "2026-12-31T23:00:00Z", "2027-12-31T23:00:00Z"),
        # 29 March 2026, 02:00 becomes 03:00; 25 October 2026, 03:00 becomes 02:00.
        ("P1D", "2026-03-29T10:00:00Z", "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z"),
        ("PT3H", "2026-03-29T00:30:00Z", "2026-03-28T23:00:00Z", "2026-03-29T01:00:00Z"),
        ("PT1H", "2026-03-29T01:30:00Z", "2026-03-29T01:00:00Z", "2026-03-29T02:00:00Z"),
        ("P1D", "2026-10-25T10:00:00Z", "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z"),
        ("PT3H", "2026-10-25T01:30:00Z", "2026-10-24T22:00:00Z", "2026-10-25T02:00:00Z"),
        ("PT1H", "2026-10-25T00:30:00Z", "2026-10-25T00:00:00Z", "2026-10-25T01:00:00Z"),
        ("PT1H", "2026-10-25T01:30:00Z", "2026-10-25T01:00:00Z", "2026-10-25T02:00:00Z"),
    ],
)
def test_an_interval_in_berlin(every: str, moment: str, start: str, end: str) -> None:
    assert [text(border) for border in Calendar(every, BERLIN).bounds(ms(moment))] == [start, end]


def test_hours_of_a_zone_with_half_an_hour() -> None:
    start, end = Calendar("PT1H", ZoneInfo("Asia/Kolkata")).bounds(ms("2026-11-22T10:15:00Z"))
    assert (text(start), text(end)) == ("2026-11-22T09:30:00Z", "2026-11-22T10:30:00Z")


@pytest.mark.parametrize(
    ("zone", "around"),
    [
        ("Europe/Berlin", "2026-03-29T01:00:00Z"),
        ("Europe/Berlin", "2026-10-25T01:00:00Z"),
        ("Australia/Lord_Howe", "2026-04-04T15:00:00Z"),  # 30 minutes back
        ("Australia/Lord_Howe", "2026-10-03T15:30:00Z"),
        ("Africa/Cairo", "2026-04-23T22:00:00Z"),  # at midnight, forward
        ("America/Havana", "2026-11-01T05:00:00Z"),  # 01:00 becomes 00:00
        ("Atlantic/Azores", "2026-10-25T01:00:00Z"),
        ("America/Sao_Paulo", "2018-02-18T02:00:00Z"),  # midnight becomes 23:00
        ("Pacific/Apia", "2011-12-30T10:00:00Z"),  # a day is left out
        ("Europe/Berlin", "1893-03-31T23:06:32Z"),  # local mean time becomes Central European: within the hour
        ("Pacific/Chatham", "2026-09-26T14:00:00Z"),  # 02:45 becomes 03:45
        ("Pacific/Chatham", "2026-04-04T14:00:00Z"),
        ("UTC", "2026-01-01T00:00:00Z"),
    ],
)
@pytest.mark.parametrize("every", EVERY)
def test_intervals_touch_and_never_overlap_around_a_clock_change(zone: str, around: str, every: str) -> None:
    calendar = Calendar(every, ZoneInfo(zone))
    moments = [ms(around) + step * 60_000 for step in range(-40 * 60, 40 * 60, 7)] + [ms(around) - 1, ms(around)]
    borders = sorted({calendar.bounds(moment) for moment in moments})
    assert all(first[1] == second[0] for first, second in pairwise(borders) if every not in ("PT1M", "PT5M"))
    assert all(first[1] <= second[0] for first, second in pairwise(borders))
    for moment in moments:
        start, end = calendar.bounds(moment)
        assert start <= moment < end
        assert calendar.bounds(start) == calendar.bounds(end - 1) == (start, end)


def test_days_begin_where_the_zone_says() -> None:
    assert text(day_start(datetime(2026, 3, 29).date(), BERLIN)) == "2026-03-28T23:00:00Z"
    assert text(day_start(datetime(2026, 3, 30).date(), BERLIN)) == "2026-03-29T22:00:00Z"


def test_what_is_no_interval_or_zone_is_told_what_is() -> None:
    with pytest.raises(EveryError, match="PT15M"):
        Calendar("PT7M", BERLIN)
    for name in ("Mars/Base", "", "../etc/passwd", "/etc/passwd", "Europe", "localtime", "posixrules", "right/UTC"):
        with pytest.raises(ValueError, match="Europe/Berlin"):
            zone_of(name)


# -- aggregates


def test_rows_are_whole_intervals_in_order() -> None:
    given = [Value(T0 + n * 900_000, float(n), "S", "d") for n in (0, 1, 2, 3, 4, 12)]
    assert list(aggregate(given, BY_NAME["air_temperature"], "PT1H", BERLIN, ["mean", "min", "max"])) == [
        Row(T0, T0 + HOUR, (1.5, 0.0, 3.0), 4, 0),
        Row(T0 + HOUR, T0 + 2 * HOUR, (4.0, 4.0, 4.0), 1, 0),
        Row(T0 + 3 * HOUR, T0 + 4 * HOUR, (12.0, 12.0, 12.0), 1, 0),
    ]


def test_both_days_of_the_clock_change() -> None:
    quantity = BY_NAME["air_temperature"]
    for first, hours in (("2026-03-28T23:00:00Z", 23), ("2026-10-24T22:00:00Z", 25)):
        given = [Value(ms(first) + n * 900_000, 1.0, "S", "d") for n in range(hours * 4 + 1)]
        days = list(aggregate(given, quantity, "P1D", BERLIN, ["mean"]))
        assert [row.count for row in days] == [hours * 4, 1]
        assert len(list(aggregate(given[:-1], quantity, "PT1H", BERLIN, ["mean"]))) == hours


def test_flagged_values_stay_out_but_are_counted() -> None:
    given = [*values(1.0, 2.0), Value(T0 + 1, 1000.0, "X range", "d"), Value(T0 + 2, 50.0, "B", "d")]
    given += [Value(T0 + 3, 3.0, "Q step", "d")]
    given.sort(key=lambda v: v.time_ms)
    quantity = BY_NAME["air_temperature"]
    assert next(aggregate(given, quantity, "PT1H", BERLIN, ["mean"])) == Row(T0, T0 + HOUR, (2.0,), 3, 2)
    assert next(aggregate(given, quantity, "PT1H", BERLIN, ["max"], "all")) == Row(T0, T0 + HOUR, (1000.0,), 5, 2)


def test_an_interval_of_nothing_but_flagged_values_is_told() -> None:
    given = values(99.0, quality="X range")
    assert list(aggregate(given, BY_NAME["co2"], "PT1H", BERLIN, ["mean", "min", "first"])) == [
        Row(T0, T0 + HOUR, (None, None, None), 0, 1)
    ]


def test_a_mean_wind_direction_is_on_the_circle() -> None:
    assert one("wind_direction", "mean", values(350.0, 10.0)) == 0.0
    assert one("wind_direction", "mean", values(350.0, 20.0)) == 5.0
    assert one("wind_direction", "mean", values(181.0, 179.0)) == 180.0
    assert one("wind_direction", "mean", values(0.0, 180.0)) is None


def test_a_mean_level_is_of_the_powers() -> None:
    assert one("sound_level", "mean", values(60.0, 60.0)) == 60.0
    assert one("sound_level", "mean", values(80.0, 0.0)) == pytest.approx(80 - 10 * math.log10(2))
    assert one("sound_level", "mean", values(70.0, 60.0)) == pytest.approx(67.4036, abs=1e-4)
    assert one("sound_level", "max", values(70.0, 60.0)) == 70.0


def test_increments_add_up_and_first_and_last_are_by_time() -> None:
    assert one("precipitation", "sum", values(0.1, 0.2, 0.0)) == 0.3
    assert one("air_temperature", "first", values(5.0, 1.0, 9.0)) == 5.0
    assert one("air_temperature", "last", values(5.0, 1.0, 9.0)) == 9.0


@pytest.mark.parametrize(
    ("readings", "difference"),
    [
        ([10.0], None),  # one reading tells no difference
        ([10.0, 10.0], 0.0),
        ([10.0, 10.2, 11.4], 1.4),
        ([100.0, 101.0, 0.4, 0.6], 1.6),  # started anew from zero
        ([259_999.8, 0.2], 0.4),  # rolled over at 260,000 mm
        ([100.0, 99.8, 100.0], 0.2),  # a correction downwards adds nothing
    ],
)
def test_a_counter_gives_its_difference(readings: list[float], difference: float | None) -> None:
    assert one("precipitation_total", "difference", values(*readings)) == difference


def test_a_swapped_counter_starts_anew() -> None:
    given = [Value(T0, 100.0, "S", "old"), Value(T0 + 1, 101.0, "S", "old"), Value(T0 + 2, 7.0, "S", "new")]
    given += [Value(T0 + 3, 7.5, "S", "new"), Value(T0 + 4, 5000.0, "S", "third"), Value(T0 + 5, 5000.5, "S", "third")]
    assert one("energy_total", "difference", given) == 2.0


def test_a_flagged_counter_reading_is_passed_over() -> None:
    given = [*values(10.0, 11.0), Value(T0 + 2 * 900_000, 9e8, "X spike", "d"), Value(T0 + 3 * 900_000, 12.0, "S", "d")]
    assert one("energy_total", "difference", given) == 2.0


def test_a_difference_belongs_where_it_was_noticed_and_nothing_is_lost_between_intervals() -> None:
    given = values(0.0, 1.0, 2.0, 4.0, 7.0, 7.0, 8.0)
    quantity = BY_NAME["heat_total"]
    rows = list(aggregate(given, quantity, "PT1H", BERLIN, ["difference"]))
    assert [row.aggregates for row in rows] == [(4.0,), (4.0,)]
    later = list(aggregate(given, quantity, "PT1H", BERLIN, ["difference"], start_ms=T0 + HOUR))
    assert later == rows[1:]


def test_a_counter_as_increments() -> None:
    given = values(10.0, 10.2, 10.2)
    found = [(v.value.time_ms, v.value.value) for v in increments(given, BY_NAME["precipitation_total"]) if v.shown]
    assert found == [(T0 + 900_000, 0.2), (T0 + 1_800_000, 0.0)]


def test_absurd_values_do_not_break_an_answer() -> None:
    given = values(1e308, 1e308, quality="X range")
    assert one("air_temperature", "mean", given, "all") is None
    assert one("sound_level", "mean", given, "all") == 3000.0
    assert one("wind_direction", "mean", given, "all") is not None


def test_only_what_makes_sense_is_an_aggregate() -> None:
    assert aggregates_of(BY_NAME["wind_gust"]) == ("max",)
    assert aggregates_of(BY_NAME["precipitation"]) == ("sum",)
    assert aggregates_of(BY_NAME["energy_total"]) == ("difference",)
    assert aggregates_of(BY_NAME["co2"], ["max", "mean", "max"]) == ("max", "mean")
    for name, agg in (("wind_direction", "min"), ("air_temperature", "sum"), ("co2", "median"), ("co2", "difference")):
        with pytest.raises(AggregateError, match="mean"):
            aggregate([], BY_NAME[name], "PT1H", BERLIN, [agg])
    for quantity in QUANTITIES:
        assert aggregates_of(quantity) == (quantity.aggregate,)


@given(
    st.lists(st.tuples(st.integers(0, 400_000_000), st.floats(-60, 60), st.sampled_from("SQXB")), max_size=60),
    st.sampled_from(EVERY),
)
def test_any_series_is_as_the_plain_definition_says(raw: list[tuple[int, float, str]], every: str) -> None:
    given = sorted((Value(T0 + t, v, q, "d") for t, v, q in raw), key=lambda v: v.time_ms)
    calendar = Calendar(every, BERLIN)
    rows = list(aggregate(given, BY_NAME["air_temperature"], every, BERLIN, ["mean", "min", "last"]))
    assert sum(row.count + row.flagged for row in rows) == len(given)
    assert [row.time_ms for row in rows] == sorted({calendar.bounds(v.time_ms)[0] for v in given})
    for row in rows:
        good = [v.value for v in given if row.time_ms <= v.time_ms < row.end_ms and v.quality in "SQ"]
        assert row.count == len(good)
        if good:
            assert row.aggregates == (
                pytest.approx(sum(good) / len(good), abs=1e-8),
                pytest.approx(min(good), abs=1e-9),
                pytest.approx(good[-1], abs=1e-9),
            )
        else:
            assert row.aggregates == (None, None, None)


def test_nothing_is_read_ahead() -> None:
    seen = []

    def source() -> object:
        for n in range(10):
            seen.append(n)
            yield Value(T0 + n * HOUR, 1.0, "S", "d")

    next(aggregate(source(), BY_NAME["co2"], "PT1H", BERLIN, ["mean"]))  # type: ignore[arg-type]
    assert seen == [0, 1]
