"""Files as services and cities really published them, with figures that others counted."""

import json
from collections import Counter
from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from cloud.store import open_store
from cloud.transfer.rows import ValueRow
from cloud.transfer.sources import look_through
from cloud.transfer.times import rfc3339_ms
from tests.cloud.transfer.helpers import Desk, rows_of

pytestmark = pytest.mark.shared
CET = timezone(timedelta(hours=1))


@pytest.fixture
def files(shared_data: Path) -> Path:
    return shared_data / "climate" / "dwd_files"


@pytest.fixture
def expected(files: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((files / "dwd_files_expected.json").read_text())
    return found


def at(desk: Desk, station: str, time: str) -> dict[str, float]:
    ms = rfc3339_ms(time)
    return {channel: value for t, channel, value, _, _ in desk.stored(station) if t == ms}


def test_hourly_wind_of_a_station_that_moved(files: Path, expected: dict[str, Any], tmp_path: Path) -> None:
    desk, told = Desk(tmp_path), expected["observations_recent_FF_akt.zip"]
    (done,) = desk.take(files / "observations_recent_FF_akt.zip", stations=["dwd-04911"])
    for end in ("first", "last"):
        found = at(desk, "dwd-04911", told[end]["timestamp"])
        assert found == {name: told[end][name] for name in ("wind_speed", "wind_direction")}
    times = sorted({t for t, *_ in desk.stored("dwd-04911")})
    assert len(times) == told["n_records"]
    border = rfc3339_ms("2019-01-01T00:00:00Z")
    assert sum(t < border for t in times) == told["before_2019"]
    fifth = datetime.fromtimestamp(times[5] / 1000, UTC).isoformat().replace("+00:00", "Z")
    assert at(desk, "dwd-04911", fifth) == {"wind_direction": told["record_5"]["wind_direction"]}
    assert done.missing == {"F": 1}
    _, beside = look_through([files / "observations_recent_FF_akt.zip"])
    place, current = beside.places["04911"].newest, told["metadata_current"]
    assert (place.latitude, place.longitude, place.elevation_m) == (current["lat"], current["lon"], current["height"])
    assert len(beside.places["04911"].places) == 6


def test_radiation_of_ten_minutes_adds_up_to_hours(files: Path, expected: dict[str, Any], tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    names = ("10minutenwerte_SOLAR_01766_akt.zip", "Meta_Daten_zehn_min_sd_01766.zip")
    (done,) = desk.take(*(files / name for name in names), stations=["dwd-01766"])
    stored = desk.stored("dwd-01766")
    assert Counter(channel for _, channel, *_ in stored) == dict.fromkeys(
        ("solar_irradiance", "solar_irradiance@diffuse"), expected[names[0]]["rows"]
    )
    assert {quality for *_, quality, _ in stored} == {"S dwd-qn2"}
    assert done.not_taken == ("SD_10", "LS_10")
    assert at(desk, "dwd-01766", "2023-06-09T06:10:00Z")["solar_irradiance"] == pytest.approx(17.7 * 10_000 / 600)
    _, beside = look_through([files / names[1]])
    assert beside.places["01766"].moves() == ["1989-10-01", "2009-10-14"]
    assert [(base.parameter, base.mez) for base in beside.bases["01766"]][:1] == [("DS_10", False)]
    assert ("SD_10", True) in [(base.parameter, base.mez) for base in beside.bases["01766"]]


def test_the_list_of_stations(files: Path, expected: dict[str, Any]) -> None:
    _, beside = look_through([files / "station_list.html"])
    told = expected["station_list.html"]
    assert len(beside.wmo_to_dwd) == told["wmo_to_dwd"]
    assert beside.wmo_to_dwd["10501"] == "00003"
    assert beside.wmo_to_dwd["F263"] == "05745"
    assert beside.wmo_to_dwd["10315"] == told["10315->"]


def test_current_observations(files: Path, tmp_path: Path) -> None:
    sources, _ = look_through([files / "01049-BEOB_20200406.csv"])
    assert sources[0].station_id == "01049"
    with sources[0].open() as opened:
        rows = rows_of(opened.parser)
    assert all(isinstance(row, ValueRow) for row in rows)
    assert len({row.time_ms for row in rows if isinstance(row, ValueRow)}) == 25


def test_a_year_of_a_real_station(shared_data: Path, tmp_path: Path) -> None:
    folder = shared_data / "climate" / "station_10min_2023"
    facts = json.loads((folder / "station_10min_facts.json").read_text())
    desk = Desk(tmp_path, open_store(f"sqlite:///{tmp_path}/series.db"))
    desk.take(*sorted(folder.glob("*.csv.gz")), said=["bed"], stations=["bed"])
    stored = desk.stored("bed")
    for name, channel, low, high in (("T_BED", "air_temperature", -20, 50), ("H_BED", "relative_humidity", 0, 100)):
        told = facts[name]
        series = [(t, value) for t, c, value, *_ in stored if c == channel]
        values = [value for _, value in series]
        assert (len(series), min(values), max(values)) == (told["rows"], told["min"], told["max"])
        outside = [[_local(t), value] for t, value in series if not low <= value <= high]
        assert (len(outside), outside) == (told["out_of_range"], told["out_of_range_first"])
        gaps = [[_local(a), _local(b)] for (a, _), (b, _) in pairwise(series) if b - a > 600_000]
        assert gaps[: len(told["gaps"])] == told["gaps"], gaps
        assert told["expected_rows_if_complete"] - len(series) == sum(_steps(a, b) for a, b in gaps)
    rain = [(t, value) for t, c, value, *_ in stored if c == "precipitation"]
    assert (len(rain), round(sum(v for _, v in rain), 1)) == (facts["P_BED"]["rows"], facts["P_BED"]["sum_mm"])
    months: Counter[str] = Counter()
    for t, value in rain:
        months[_local(t)[:7]] += value  # type: ignore[assignment]
    assert {month: round(mm, 1) for month, mm in months.items()} == facts["P_BED"]["monthly_mm_local"]


def _steps(before: str, after: str) -> int:
    """How many rows of ten minutes are missing between two."""
    return int((datetime.fromisoformat(after) - datetime.fromisoformat(before)).total_seconds()) // 600 - 1


def _local(time_ms: int) -> str:
    return datetime.fromtimestamp(time_ms / 1000, CET).isoformat()
