"""What `from` and `to` may say."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.api.problems import BadParameter
from cloud.api.times import GermanText, Window, moment, utc_text, window
from cloud.calendar import Calendar
from tests.cloud.api.conftest import HOUR, NOW_MS

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2026-11-22T10:15:00Z", "2026-11-22T10:15:00Z"),
        ("2026-11-22t10:15:00z", "2026-11-22T10:15:00Z"),
        ("2026-11-22T11:15:00+01:00", "2026-11-22T10:15:00Z"),
        ("2026-11-22T11:15:00 01:00", "2026-11-22T10:15:00Z"),  # the + came as a blank
        ("2026-11-22T05:15:00-05:00", "2026-11-22T10:15:00Z"),
        ("2026-11-22T10:15:00.250Z", "2026-11-22T10:15:00.250Z"),
        ("2026-11-22T10:15Z", "2026-11-22T10:15:00Z"),
        ("2026-11-22", "2026-11-21T23:00:00Z"),
        ("2026-07-01", "2026-06-30T22:00:00Z"),
        ("1969-12-31T23:59:59.999Z", "1969-12-31T23:59:59.999Z"),
        ("2024-02-29", "2024-02-28T23:00:00Z"),
    ],
)
def test_a_time_or_a_date(text: str, utc: str) -> None:
    assert utc_text(moment("from", text, BERLIN)) == utc


@pytest.mark.parametrize(
    "text",
    [
        "yesterday",
        "2026-11-22T10:15:00",
        "2026-13-01",
        "2026-02-30",
        "22.11.2026",
        "1795344300",
        "2026-11-22T25:00:00Z",
        "2026-W47",
        "20261122",
        "2026-11-22T10:15:00+25:00",
        "0001-01-01",
        "9999-12-31",
        "２０２６-11-22",
    ],
)
def test_what_is_neither_says_what_is(text: str) -> None:
    with pytest.raises(BadParameter, match="from"):
        moment("from", text, BERLIN)


@given(st.integers(-(10**12), 4 * 10**12))
def test_what_we_write_we_read(time_ms: int) -> None:
    assert moment("to", utc_text(time_ms), BERLIN) == time_ms


@given(st.lists(st.integers(1_774_700_000_000, 1_774_900_000_000) | st.integers(-(10**12), 4 * 10**12)))
def test_german_local_time(times_ms: list[int]) -> None:
    text = GermanText(BERLIN)
    assert text(NOW_MS) == "22.11.2026 11:45:00"
    for time_ms in times_ms:
        local = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=time_ms)
        assert text(time_ms) == local.astimezone(BERLIN).strftime("%d.%m.%Y %H:%M:%S")


def test_defaults_and_whole_intervals() -> None:
    day = 24 * HOUR
    assert window(None, None, None, BERLIN, NOW_MS) == Window(NOW_MS + 1 - day, NOW_MS + 1)
    hours = window(None, None, Calendar("PT1H", BERLIN), BERLIN, NOW_MS)
    assert (utc_text(hours.start_ms), utc_text(hours.end_ms)) == ("2026-11-15T10:00:00Z", "2026-11-22T11:00:00Z")
    days = window("2026-11-20T12:00:00Z", "2026-11-21", Calendar("P1D", BERLIN), BERLIN, NOW_MS)
    assert (utc_text(days.start_ms), utc_text(days.end_ms)) == ("2026-11-19T23:00:00Z", "2026-11-20T23:00:00Z")


@pytest.mark.parametrize(
    ("start", "end", "says"),
    [
        ("2026-11-22", "2026-11-21", "not before"),
        ("2026-11-22", "2026-11-22", "next day"),
        ("2027-01-01", None, "future"),
    ],
)
def test_an_empty_window_is_an_error(start: str, end: str | None, says: str) -> None:
    with pytest.raises(BadParameter, match=says):
        window(start, end, None, BERLIN, NOW_MS)
