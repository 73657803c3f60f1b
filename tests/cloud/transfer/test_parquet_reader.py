"""Parquet files of other people: what is not the long form, cut off, or without a time zone is said."""

from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cloud.transfer.opening import parts_of, text_of
from cloud.transfer.rows import UnreadableFile


def written(path: Path, **columns: list[Any]) -> Path:
    pq.write_table(pa.table(columns), path)
    return path


def lines(path: Path) -> list[str]:
    (part,) = parts_of(path)
    with text_of(part) as text:
        return [line.rstrip("\n") for line in text]


def test_rows_are_those_of_the_long_form(tmp_path: Path) -> None:
    times = pa.array([1_795_342_500_123, None], pa.timestamp("ms", tz="UTC"))
    path = written(
        tmp_path / "x.parquet",
        station=["a,b", "c"],
        time=times,
        quantity=["co2", "co2"],
        value=[0.1, 4e-7],
        n=[1, None],
    )
    assert lines(path) == ["station,time,quantity,value,n", '"a,b",2026-11-22T10:15:00.123Z,co2,0.1,1', "c,,co2,4e-07,"]


def test_a_time_without_a_zone_is_refused_as_in_csv(tmp_path: Path) -> None:
    path = written(
        tmp_path / "x.parquet", station=["markt"], time=[datetime(2026, 11, 22, 10)], quantity=["co2"], value=[400.0]
    )
    assert lines(path)[1] == "markt,2026-11-22T10:00:00,co2,400.0"


@pytest.mark.parametrize(("cut", "says"), [(8, "cut off or damaged"), (40, "cut off or damaged")])
def test_a_file_that_is_cut_off_is_told_of(tmp_path: Path, cut: int, says: str) -> None:
    path = written(tmp_path / "x.parquet", station=["a"], value=[1.0])
    path.write_bytes(path.read_bytes()[:-cut])
    with pytest.raises(UnreadableFile, match=says):
        lines(path)


def test_lists_are_no_values(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFile, match="column 'value' holds lists"):
        lines(written(tmp_path / "x.parquet", station=["a"], value=[[1.0, 2.0]]))
