"""Export and import are an exact round trip on both stores: every value bit for bit, time, quality, device, count."""

import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cloud.store import Point, PointKey, Store, open_store
from cloud.transfer.csv_writer import open_csv
from cloud.transfer.exporting import PartFile, Wanted, to_file
from cloud.transfer.parquet_writer import ParquetWriter
from tests.cloud.store.conftest import influx_server, reopen
from tests.cloud.store.conftest import store as a_store
from tests.cloud.transfer.helpers import Desk

__all__ = ["a_store", "influx_server", "reopen"]

CHANNELS = ["air_temperature", "soil_moisture@30cm", "precipitation", "co2@hof"]
OPEN = {"csv": open_csv, "parquet": lambda stack, part, _: ParquetWriter(stack, part, CHANNELS)}
STATIONS = ("markt", "Ufer_1.b-2")
FAR_MS = 9_100_000_000_000
_reason = st.text(st.characters(codec="ascii", categories=["L", "N", "P", "S"]), min_size=1, max_size=5)
_quality = st.builds(
    lambda letter, reasons: " ".join([letter, *reasons]), st.sampled_from("VSCZQXGB"), st.lists(_reason, max_size=2)
) | st.sampled_from(['Q "a",b', "X range"])
_channels = st.dictionaries(
    st.sampled_from(CHANNELS),
    st.tuples(st.floats(allow_nan=False, allow_infinity=False), _quality),
    min_size=1,
)
_point = st.builds(
    lambda station, device, time_ms, values, generation, seq: Point(
        station, device, time_ms, {c: v for c, (v, _) in values.items()}, {c: q for c, (_, q) in values.items()},
        generation, seq,
    ),
    st.sampled_from(STATIONS),
    st.sampled_from(["kn-1", "import", "A.b_c-9"]),
    st.integers(-5_000_000_000_000, FAR_MS) | st.integers(0, 3),
    _channels,
    st.none() | st.integers(0, 2**40),
    st.none() | st.integers(0, 2**53),
)  # fmt: skip


def contents(store: Store) -> dict[tuple[str, str, int], tuple[dict[str, tuple[bytes, str]], int | None, int | None]]:
    return {
        (p.station, p.device, p.time_ms): (
            {c: (struct.pack(">d", v), p.quality[c]) for c, v in p.values.items()}, p.generation, p.seq,
        )
        for station in STATIONS
        for p in store.points(station, -(2**62), 2**62)
    }  # fmt: skip


def emptied(store: Store) -> Store:
    store.delete([PointKey(*key) for key in contents(store)])
    return store


@pytest.fixture
def other(tmp_path: Path) -> Callable[[], Store]:
    return lambda: open_store(f"sqlite:///{tmp_path}/other.db")


@pytest.mark.timeout(240)
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(points=st.lists(_point, max_size=12), name=st.sampled_from(["x.csv", "x.csv.gz", "x.csv.zst", "x.parquet"]))
def test_there_and_back(
    a_store: Store, tmp_path_factory: pytest.TempPathFactory, points: list[Point], name: str
) -> None:
    folder = tmp_path_factory.mktemp("trip")
    store = emptied(a_store)
    store.write(points)
    before = contents(store)
    wanted = Wanted(STATIONS, None, -FAR_MS, FAR_MS + 1)
    form = "parquet" if name.endswith(".parquet") else "csv"
    values, _ = to_file(store, wanted, PartFile(folder / name, wanted, form), OPEN[form])
    desk = Desk(folder, emptied(store))
    (done,) = desk.take(folder / name, stations=STATIONS, now_ms=2 * FAR_MS)
    assert contents(store) == before
    assert done.state.values == values == sum(len(values) for values, _, _ in before.values())
    desk.take(folder / name, stations=STATIONS, now_ms=2 * FAR_MS)
    assert contents(store) == before, "once more changes nothing"
