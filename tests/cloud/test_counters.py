"""Running totals and rain of one and of several devices: hand-made figures, and what must hold for any readings."""

from collections.abc import Iterator, Sequence
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloud.calendar import Calendar
from cloud.counters import counted, increments, together
from cloud.series import FLAGGED, Row, add_up, aggregate
from cloud.shares import LIVE_MS, shared
from cloud.store.model import Before, Value
from schemas.quantities import BY_NAME

BERLIN = ZoneInfo("Europe/Berlin")
MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR
T0 = 1_795_305_600_000  # 2026-11-22T00:00:00Z, an hour after midnight in Berlin
TOTAL, RAIN = BY_NAME["precipitation_total"], BY_NAME["precipitation"]


def gauge(device: str, *readings: tuple[float, float], quality: str = "S") -> list[Value]:
    """(minutes since T0, value)"""
    return [Value(T0 + round(minute * MINUTE), value, quality, device) for minute, value in readings]


def by_time(*gauges: list[Value]) -> list[Value]:
    return sorted((one for readings in gauges for one in readings), key=lambda one: one.time_ms)


def difference(values: list[Value], every: str = "P1Y") -> list[float | None]:
    return [row.aggregates[0] for row in aggregate(values, TOTAL, every, BERLIN, ["difference"])]


# -- several devices


def test_two_gauges_side_by_side_are_their_mean() -> None:
    a = gauge("a", *((15 * n, 0.2 * n) for n in range(89)))  # 22 hours
    b = gauge("b", *((15 * n + 7, 500 + 0.3 * n) for n in range(89)))
    (both,) = difference(by_time(a, b))
    alone = (0.2 + 0.3) / 2 * 7 / 15  # the first and the last 7 minutes are told by one of them
    assert both == pytest.approx((0.2 + 0.3) / 2 * 88 + alone)


def test_the_same_gauge_twice_at_the_same_moments_is_that_gauge() -> None:
    readings = [(15 * n, 0.2 * n * n) for n in range(50)]
    assert difference(by_time(gauge("a", *readings), gauge("b", *readings)), "PT1H") == difference(
        gauge("a", *readings), "PT1H"
    )


def test_a_shower_counts_once_whatever_the_pace_of_each() -> None:
    for minute in range(120, 180):
        a = gauge("a", *((10 * n, 10.0 * (10 * n >= minute)) for n in range(31)))
        b = gauge("b", *((25 * n + 2, 10.0 * (25 * n + 2 >= minute)) for n in range(12)))
        (both,) = difference(by_time(a, b))
        assert both == pytest.approx(10.0)


def test_a_swap_adds_up_with_and_without_an_overlap() -> None:
    old = gauge("old", *((15 * n, 100 + 0.1 * n) for n in range(20)))
    for first, told in ((290, 285 + 285), (200, 485)):  # the old one's last reading is at 285, the new one's 285 later
        new = gauge("new", *((first + 15 * n, 0.1 * n) for n in range(20)))
        assert difference(by_time(old, new)) == [pytest.approx(told * 0.1 / 15)]


def test_while_one_is_silent_the_other_counts_whole_and_what_it_told_is_not_told_again() -> None:
    a = gauge("a", *((60 * n, float(n)) for n in (0, 1, 2, 40, 41)))
    b = gauge("b", *((60 * n + 1, float(n)) for n in range(42)))
    assert difference(by_time(a, b)) == [pytest.approx(41.0, abs=0.1)]
    assert difference(by_time(a, b), "PT1H")[10:30] == [pytest.approx(1.0)] * 20


def test_when_all_were_silent_the_first_to_come_back_tells_what_was_missed() -> None:
    a = gauge("a", (0, 0.0), (15, 1.0), (3000, 200.0), (3015, 201.0))
    b = gauge("b", (7, 0.0), (22, 1.0), (3007, 199.0), (3022, 200.0))
    assert difference(by_time(a, b)) == [pytest.approx(201.0, abs=2.0)]


def test_a_gauge_back_after_another_took_its_place_tells_the_time_between() -> None:
    a = gauge("a", (0, 0.0), (15, 1.0), (10_015, 101.0))
    b = gauge("b", *((5015 + 15 * n, 2.0 * n) for n in range(334)))
    (both,) = difference(by_time(a, b))
    assert both == pytest.approx(1 + 50 + 2 * 333, abs=0.5)


def test_an_interval_is_without_a_difference_only_where_nothing_was_known_before() -> None:
    a, b = gauge("a", *((15 * n, 1.0) for n in range(8))), gauge("b", *((15 * n + 7, 2.0) for n in range(8)))
    assert difference(by_time(a, b), "PT15M") == [None] + [0.0] * 7


def test_two_rain_gauges_are_their_mean_and_a_swap_loses_nothing() -> None:
    a, b = gauge("a", *((15 * n, 0.2) for n in range(1, 97))), gauge("b", *((15 * n, 0.4) for n in range(1, 97)))
    row = next(aggregate(by_time(a, b), RAIN, "P1Y", BERLIN, ["sum", "max"]))
    assert row.aggregates == (pytest.approx(96 * 0.3 - 0.1), 0.4)
    assert next(aggregate(a, RAIN, "P1Y", BERLIN, ["sum"])).aggregates == (pytest.approx(96 * 0.2),)
    later = [Value(one.time_ms + 2 * DAY, one.value, "S", "b") for one in b]
    (total,) = next(aggregate([*a, *later], RAIN, "P1Y", BERLIN, ["sum"])).aggregates
    assert total == pytest.approx(96 * 0.6)


def test_nobody_waits_for_a_device_that_is_gone() -> None:
    seen: list[Value] = []

    def readings() -> Iterator[Value]:
        for one in by_time(gauge("old", (0, 1.0), (15, 2.0)), gauge("new", *((15 * n, 3.0) for n in range(2, 999)))):
            seen.append(one)
            yield one

    rows = aggregate(readings(), TOTAL, "PT1H", BERLIN, ["difference"])
    next(rows)
    assert seen[-1].time_ms <= T0 + 75 * MINUTE + LIVE_MS


# -- both ways at once


def merged(direct: list[Value], totals: list[Value], every: str = "P1Y") -> list[Row]:
    both = together(counted(direct, RAIN), increments(totals, TOTAL))
    return list(add_up(both, RAIN, every, BERLIN, ["sum"]))


def test_a_swap_from_increments_to_totals_goes_on() -> None:
    old = gauge("old", *((15 * n, 0.1) for n in range(1, 11)))
    new = gauge("new", *((155 + 15 * n, 50 + 0.2 * n) for n in range(11)))
    (row,) = merged(old, new)
    assert (row.aggregates, row.count) == ((pytest.approx(1.0 + 2.0),), 20)


def test_what_is_sent_both_ways_counts_as_it_was_sent() -> None:
    direct = gauge("a", *((15 * n, 0.1) for n in range(1, 11)))
    totals = gauge("a", *((15 * n, 0.1 * n) for n in range(15)))
    (row,) = merged(direct, totals)
    assert (row.aggregates, row.count) == ((pytest.approx(1.4),), 14)
    failed = [one if n else Value(one.time_ms, 400.0, "X spike", "a") for n, one in enumerate(direct)]
    (row,) = merged(failed, totals)
    assert (row.aggregates, row.count, row.flagged) == ((pytest.approx(1.4),), 14, 1)


# -- whatever comes

_readings = st.lists(
    st.tuples(
        st.integers(0, 6 * DAY),
        st.one_of(st.floats(0, 500), st.integers(259_000, 260_000).map(float)),
        st.sampled_from("SSSX"),
        st.sampled_from("abc"),
    ),
    max_size=40,
)


def of(raw: list[tuple[int, float, str, str]]) -> list[Value]:
    unique = {(T0 + t, device): Value(T0 + t, value, quality, device) for t, value, quality, device in raw}
    return [unique[key] for key in sorted(unique)]


def known_before(values: list[Value], time_ms: int) -> list[Before]:
    """As Store.before says it."""
    good = [one for one in values if one.time_ms < time_ms and one.quality not in FLAGGED]
    lasts = {one.device: one for one in good}
    return [Before(min(o.time_ms for o in good if o.device == d), last) for d, last in lasts.items()]


def amounts(values: Sequence[Value]) -> list[tuple[int, str, float | None]]:
    return [(one.value.time_ms, one.value.device, one.amount) for one in shared(counted(values, TOTAL))]


@settings(max_examples=300)
@given(_readings, st.integers(-DAY, 7 * DAY), st.integers(1, 3 * DAY), st.sampled_from(["difference", "sum"]))
def test_a_range_asked_alone_has_the_rows_of_the_whole(
    raw: list[tuple[int, float, str, str]], start: int, length: int, agg: str
) -> None:
    quantity = TOTAL if agg == "difference" else RAIN
    values, calendar = of(raw), Calendar("PT6H", BERLIN)
    start_ms, end_ms = calendar.bounds(T0 + start)[0], calendar.bounds(T0 + start + length)[1]
    whole = [
        row
        for row in aggregate(values, quantity, "PT6H", BERLIN, [agg])
        if start_ms <= row.time_ms and row.end_ms <= end_ms
    ]
    read = [one for one in values if start_ms - LIVE_MS <= one.time_ms < end_ms + LIVE_MS]
    before = known_before(values, start_ms - LIVE_MS)
    alone = list(aggregate(read, quantity, "PT6H", BERLIN, [agg], "ok", start_ms, end_ms, before))
    assert [(row.time_ms, row.count, row.flagged) for row in alone] == [(r.time_ms, r.count, r.flagged) for r in whole]
    for one, other in zip(alone, whole, strict=True):
        assert one.aggregates == (pytest.approx(other.aggregates[0], abs=1e-6),)


@given(_readings)
def test_hours_add_up_to_their_days_and_nothing_is_added_twice(raw: list[tuple[int, float, str, str]]) -> None:
    values = of(raw)

    def total(every: str) -> float:
        return sum(one or 0.0 for one in difference(values, every))

    assert total("PT1M") == pytest.approx(total("P1D"), abs=1e-6)
    assert total("P1D") == pytest.approx(total("P1Y"), abs=1e-6)


@given(_readings)
def test_order_and_number_stay_and_shares_only_take_away(raw: list[tuple[int, float, str, str]]) -> None:
    values = of(raw)
    alone = [(one.value.time_ms, one.value.device, one.amount) for one in counted(values, TOTAL)]
    for (time_ms, device, share), (at_ms, name, whole) in zip(amounts(values), alone, strict=True):
        assert (time_ms, device) == (at_ms, name)
        assert (share is None) == (whole is None)
        assert share is None or whole is None or 0 <= share <= whole + 1e-9


@given(st.lists(st.tuples(st.integers(0, 9 * DAY), st.floats(0, 50)), unique_by=lambda one: one[0], max_size=30))
def test_one_device_loses_nothing(steps: list[tuple[int, float]]) -> None:
    level, values = 0.0, []
    for time, step in sorted(steps):
        level += step
        values.append(Value(T0 + time, level, "S", "d"))
    assert sum(one or 0.0 for _, _, one in amounts(values)) == pytest.approx(level - values[0].value if values else 0.0)


@given(st.floats(0.01, 5), st.floats(0.01, 5), st.integers(1, 120), st.integers(1, 120), st.integers(0, 60))
def test_side_by_side_the_rain_lies_between_the_two(
    rate_a: float, rate_b: float, pace_a: int, pace_b: int, late: int
) -> None:
    """Two gauges that count at a steady rate, mm an hour, for two days."""
    a = gauge("a", *((m, rate_a * m / 60) for m in range(0, 2880, pace_a)))
    b = gauge("b", *((m, rate_b * m / 60) for m in range(late, 2880, pace_b)))
    (both,) = difference(by_time(a, b))
    hours = (max(a[-1].time_ms, b[-1].time_ms) - T0) / HOUR
    assert both is not None
    assert min(rate_a, rate_b) * hours - 1e-6 <= both <= max(rate_a, rate_b) * hours + 1e-6
    middle = (rate_a + rate_b) / 2 * hours
    assert both == pytest.approx(middle, abs=abs(rate_a - rate_b) / 2 * (late + pace_a + pace_b) / 60 + 1e-6)
