"""Times of files, there and back."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.time_text import TimeText
from cloud.transfer.times import date_of, digits_date, digits_ms, rfc3339_ms


@given(st.integers(-9_200_000_000_000, 9_200_000_000_000))
def test_there_and_back(time_ms: int) -> None:
    assert rfc3339_ms(TimeText()(time_ms)) == time_ms


@given(st.datetimes(datetime(1700, 1, 1), datetime(2200, 1, 1), timezones=st.timezones()))
def test_any_offset_of_whole_minutes(moment: datetime) -> None:
    moment = moment.replace(microsecond=0)
    offset = moment.utcoffset()
    if offset is not None and offset.total_seconds() % 60 == 0:
        assert rfc3339_ms(moment.isoformat()) == round(moment.timestamp() * 1000)


def test_what_is_finer_than_a_millisecond_is_cut() -> None:
    assert rfc3339_ms("1970-01-01T00:00:00.0019Z") == 1
    assert rfc3339_ms("1970-01-01t00:00:01.5z") == 1500
    assert rfc3339_ms("1970-01-01 00:00:00-00:30") == 1_800_000


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026",
        "2026-13-01T00:00:00Z",
        "2026-01-01T00:00:60Z",
        "2026-01-01T0:00:00Z",
        "２026-01-01T00:00:00Z",
        "2026-01-01T00:00:00+1:00",
    ],
)
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(ValueError, match="RFC 3339"):
        rfc3339_ms(text)


def test_the_weather_service_s_digits() -> None:
    def ms(*of: int) -> int:
        return round(datetime(*of, tzinfo=UTC).timestamp() * 1000)  # type: ignore[misc, arg-type]

    assert digits_ms("2023041212") == ms(2023, 4, 12, 12)
    assert digits_ms("202304121250") == ms(2023, 4, 12, 12, 50)
    assert digits_ms("2023041212:50") == ms(2023, 4, 12, 12, 50)
    assert digits_ms("2023041224") == ms(2023, 4, 13)
    assert digits_date("20230412") == "2023-04-12"
    for text in ("20230230", "2023041225", "2023041224:10", "202304121", "", "2023-04-12"):
        with pytest.raises(ValueError):  # noqa: PT011
            digits_ms(text)
    with pytest.raises(ValueError):  # noqa: PT011
        digits_date("2023041")


def test_a_date_or_its_midnight() -> None:
    assert date_of("1990-07-01") == date_of("1990-07-01T00:00:00Z") == date_of("1990-07-01T00:00:00.000+02:00")
    assert date_of("1990-07-01T00:00:01Z") is None
    with pytest.raises(ValueError):  # noqa: PT011
        date_of("1990-02-30")
