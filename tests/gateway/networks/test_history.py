"""Readings that a frame carries with a time of their own, and two decoders' word on one frame."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.networks.history import ENTRIES_MAX, Entry, Frame, map_frame, merged, moment
from gateway.networks.mapping import Named, Unmapped, names_and_values
from schemas.channels import split

RECEIVED = datetime(2026, 11, 22, 10, 15, tzinfo=UTC)
EPOCH_S = int(RECEIVED.timestamp())


def frame(decoded: dict[str, Any], **names: str) -> Frame:
    return map_frame(decoded, RECEIVED, {theirs: Named(ours) for theirs, ours in names.items()})


def test_objects_with_a_time_are_readings_of_their_own() -> None:
    result = frame(
        {
            "temperature": 3.5, "battery": "3.6 V",
            "history": [
                {"timestamp": EPOCH_S - 1200, "temperature": 2.5, "humidity": 90},
                {"timestamp": EPOCH_S - 600, "temperature": 3.0, "door": "open"},
            ],
        }
    )  # fmt: skip
    assert result.entries == (
        Entry(0, None, {"air_temperature": 3.5, "battery": 3.6}),
        Entry(1, RECEIVED - timedelta(minutes=20), {"air_temperature": 2.5, "relative_humidity": 90.0}),
        Entry(2, RECEIVED - timedelta(minutes=10), {"air_temperature": 3.0}),
    )
    assert result.unmapped == (Unmapped("history.door", "open", "not a number"),)


@pytest.mark.parametrize(
    "written",
    [
        EPOCH_S, float(EPOCH_S), EPOCH_S * 1000, str(EPOCH_S), f"{EPOCH_S}000", "2026-11-22T10:15:00Z",
        "2026-11-22T11:15:00+01:00", "2026-11-22 10:15:00", "2026-11-22T10:15:00.000000000Z",
    ],
)  # fmt: skip
@pytest.mark.parametrize("key", ["timestamp", "time", "ts", "Time"])
def test_times_as_decoders_write_them(key: str, written: Any) -> None:
    (entry,) = frame({"data": {"log": [{key: written, "temperature": 1}]}}).entries
    assert entry == Entry(1, RECEIVED, {"air_temperature": 1.0})


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        (0, "before 2000"), (946684799, "before 2000"), ("1970-01-01T00:05:00Z", "before 2000"), (-5, "before 2000"),
        (EPOCH_S + 601, "later than the frame"), (4294967295, "later than the frame"), ("soon", "not one that we can"),
        (1e300, "not one that we can"), ("nan", "not one that we can"),
    ],
)  # fmt: skip
def test_a_time_that_cannot_be_is_reported_with_all_that_came_with_it(written: Any, reason: str) -> None:
    item = {"timestamp": written, "temperature": 1, "more": {"humidity": 50}}
    result = frame({"history": [item, {"timestamp": EPOCH_S, "temperature": 2}]})
    assert [entry.index for entry in result.entries] == [2]  # numbered as they stand
    assert [one.name for one in result.unmapped] == [
        "history.timestamp",
        "history.temperature",
        "history.more.humidity",
    ]
    assert all(reason in one.reason for one in result.unmapped)


def test_ten_minutes_ahead_may_be_a_clock() -> None:
    assert len(frame({"history": [{"ts": EPOCH_S + 600, "temperature": 1}]}).entries) == 1


def test_a_list_without_times_is_several_places() -> None:
    result = frame({"soil_temperature": [5, 6], "data": [{"temperature": -4}], "odd": [{"time": None, "co2": 400}]})
    (entry,) = result.entries
    assert entry.values == {"soil_temperature": 5.0, "soil_temperature@ch2": 6.0, "air_temperature": -4.0}
    assert [one.name for one in result.unmapped] == ["odd.1.co2"]


def test_those_without_a_time_keep_their_place_beside_those_with_one() -> None:
    result = frame({"soil_temperature": [{"ts": EPOCH_S, "soil_temperature": 1}, 5]})
    assert [entry.values for entry in result.entries] == [{"soil_temperature@ch2": 5.0}, {"soil_temperature": 1.0}]


def test_the_list_names_what_is_only_a_value() -> None:
    result = frame({"soil_moisture": [{"ts": EPOCH_S, "value": 0.2, "unit": "m3/m3", "salinity": 3}]})
    assert result.entries == (Entry(1, RECEIVED, {"soil_moisture": 20.0}),)
    assert [one.name for one in result.unmapped] == ["soil_moisture.salinity"]


def test_an_operators_names_hold_for_the_history_too() -> None:
    decoded = {"t": 1, "history": [{"ts": EPOCH_S, "t": 2, "u": 3, "v": 4}]}
    names = {"t": "water_temperature", "history.u": "co2", "history.v": ""}
    result = frame(decoded, **names)
    assert [entry.values for entry in result.entries] == [
        {"water_temperature": 1.0},
        {"water_temperature": 2.0, "co2": 3.0},
    ]
    assert result.unmapped == ()


def test_a_soil_probe_is_one_in_its_history_too() -> None:
    result = frame({"moisture": 20, "history": [{"ts": EPOCH_S, "temperature": 8}]})
    assert [one.reason for one in result.unmapped] == ["air or soil? this device has a soil probe"]


def test_more_than_one_message_holds() -> None:
    result = frame({"h": [{"ts": EPOCH_S - n, "co2": 400 + n} for n in range(ENTRIES_MAX + 2)]})
    assert [entry.index for entry in result.entries] == list(range(1, ENTRIES_MAX + 1))
    assert [one.name for one in result.unmapped] == ["h.ts", "h.co2"] * 2


def test_the_first_decoder_is_right_and_the_second_adds() -> None:
    first = Frame((Entry(0, None, {"air_temperature": 3.4}),))
    second = Frame((Entry(0, None, {"air_temperature": 3.0, "battery": 3.6}), Entry(1, RECEIVED, {"co2": 400.0})))
    result = merged(first, second)
    assert result.entries == (
        Entry(0, None, {"battery": 3.6, "air_temperature": 3.4}),
        Entry(1, RECEIVED, {"co2": 400.0}),
    )
    assert result.unmapped == (Unmapped("air_temperature", 3.0, "another decoder says 3.4"),)
    assert merged(second, second).entries == second.entries


def test_current_values_that_have_a_time_elsewhere_are_no_second_reading() -> None:
    timed = Frame((Entry(1, RECEIVED, {"air_temperature": 3.4}),))
    now = Frame((Entry(0, None, {"air_temperature": 3.4}),))
    assert merged(timed, now) == timed


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["time", "ts", "temperature", "battery", "x", "value"]), inner, max_size=4)
    ),
    max_leaves=20,
)


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(["history", "temperature", "soil_moisture", "y"]), JSON, max_size=4))
def test_any_object_gives_readings_or_reasons(decoded: dict[str, Any]) -> None:
    result = map_frame(decoded, RECEIVED)
    indexes = [entry.index for entry in result.entries]
    assert indexes == sorted(set(indexes))
    for entry in result.entries:
        assert entry.values
        assert (entry.time is None) == (entry.index == 0)
        for channel in entry.values:
            split(channel)
    taken = sum(len(entry.values) for entry in result.entries) + len(entry_times(result))
    assert taken + len(result.unmapped) >= sum(1 for _ in names_and_values(decoded)) - empty_times(decoded)


def entry_times(result: Frame) -> list[datetime]:
    return [entry.time for entry in result.entries if entry.time]


def empty_times(decoded: Any) -> int:
    """Times of objects that have nothing but a time that can be: they say nothing."""
    inner = decoded.values() if isinstance(decoded, dict) else decoded if isinstance(decoded, list) else ()
    own = isinstance(decoded, dict) and any(moment(decoded.get(key)) for key in ("time", "ts"))
    return own + sum(map(empty_times, inner))
