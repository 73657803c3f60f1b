"""Exports: streamed, whole or not there, and going on where they were stopped."""

import gzip
import io
import json
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
import pytest
import zstandard

from cloud.store import Point, Store, open_store
from cloud.transfer import exporting
from cloud.transfer.csv_writer import CsvWriter, open_csv, packer_for
from cloud.transfer.exporting import PartFile, Wanted, stream, to_file
from cloud.transfer.parquet_writer import ParquetWriter

T = 1_767_225_600_000  # 2026-01-01T00:00:00Z
ALL = Wanted(("markt", "ufer"), None, T, T + 10**9)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = open_store(f"sqlite:///{tmp_path}/series.db")
    values = [{"air_temperature": n / 10, "battery": 3.9} for n in range(300)]
    for station in ("ufer", "markt"):
        for device in ("a", "b"):  # one after the other: the store gives them in the order in which it met them
            store.write([Point(station, device, T + 60_000 * n, values[n], {"battery": "S"}, 1, n) for n in range(300)])
    yield store
    store.close()


def text_of(store: Store, wanted: Wanted = ALL) -> str:
    out = io.BytesIO()
    stream(store, wanted, CsvWriter(out, packer_for(""), begin=True))
    return out.getvalue().decode()


def test_rows_station_by_station_and_by_time(store: Store) -> None:
    lines = text_of(store).splitlines()
    assert lines[:3] == [
        "station,time,quantity,value,device,quality,generation,seq",
        "markt,2026-01-01T00:00:00Z,air_temperature,0.0,a,Z,1,0",
        "markt,2026-01-01T00:00:00Z,battery,3.9,a,S,1,0",
    ]
    assert len(lines) == 1 + 2 * 2 * 2 * 300
    assert [line.split(",")[0] for line in lines[1:]] == ["markt"] * 1200 + ["ufer"] * 1200


def test_what_is_asked_for_and_no_more(store: Store) -> None:
    wanted = Wanted(("ufer",), ("battery", "co2"), T + 60_000, T + 120_000)
    assert text_of(store, wanted).splitlines()[1:] == [
        f"ufer,2026-01-01T00:01:00Z,battery,3.9,{device},S,1,1" for device in ("a", "b")
    ]
    assert text_of(store, Wanted(("markt",), ("co2",), T, T + 1)).count("\n") == 1


def _unpack(path: Path) -> str:
    packed = path.read_bytes()
    if path.suffix == ".gz":
        return gzip.decompress(packed).decode()
    if path.suffix == ".zst":
        reader = zstandard.ZstdDecompressor().stream_reader(io.BytesIO(packed), read_across_frames=True)
        return reader.read().decode()
    return packed.decode()


class Stopping:
    """A store whose reading stops after so many points."""

    def __init__(self, store: Store, after: int) -> None:
        self.store, self.left = store, after
        self.read = 0

    def channels(self, station: str) -> list[str]:
        return self.store.channels(station)

    def points(self, *asked: object) -> Iterator[Point]:
        for point in self.store.points(*asked):  # type: ignore[arg-type]
            if self.left == 0:
                raise KeyboardInterrupt
            self.left -= 1
            self.read += 1
            yield point


@pytest.mark.parametrize("name", ["x.csv", "x.csv.gz", "x.csv.zst"])
@pytest.mark.parametrize("after", [3, 250, 601, 1000])
def test_an_interrupted_export_goes_on(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, after: int
) -> None:
    monkeypatch.setattr(exporting, "CHECKPOINT_VALUES", 202)  # full between two devices of one moment
    monkeypatch.setattr(exporting, "PIECE_VALUES", 70)
    path = tmp_path / name
    with pytest.raises(KeyboardInterrupt):
        to_file(Stopping(store, after), ALL, PartFile(path, ALL, "csv"), open_csv)
    assert not path.exists(), "a file under its own name is whole"
    with (tmp_path / f"{name}.part").open("ab") as part:
        part.write(b"what was written behind the last checkpoint" * 10_000)
    rest = Stopping(store, -1)
    values, before = to_file(rest, ALL, PartFile(path, ALL, "csv"), open_csv)
    assert (values, before > 0) == (2400, after > 101)
    assert rest.read <= 1200 - max(0, after - 200), "it does not begin again"
    assert _unpack(path) == text_of(store)
    assert sorted(p.name for p in tmp_path.glob("x.*")) == [name]


def test_another_question_begins_again(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporting, "CHECKPOINT_VALUES", 200)
    path = tmp_path / "x.csv"
    with pytest.raises(KeyboardInterrupt):
        to_file(Stopping(store, 800), ALL, PartFile(path, ALL, "csv"), open_csv)
    other = Wanted(("markt",), ("battery",), T, T + 10**9)
    assert to_file(store, other, PartFile(path, other, "csv"), open_csv) == (600, 0)
    assert path.read_text() == text_of(store, other)


@pytest.mark.parametrize("note", ["{", "[]", json.dumps({"wanted": 1, "colour": 2})])
def test_a_note_that_cannot_be_used_is_no_obstacle(store: Store, tmp_path: Path, note: str) -> None:
    (tmp_path / "x.csv.part").write_text("old")
    (tmp_path / "x.csv.part.json").write_text(note)
    to_file(store, ALL, PartFile(tmp_path / "x.csv", ALL, "csv"), open_csv)
    assert (tmp_path / "x.csv").read_text() == text_of(store)


def test_parquet_has_types_units_and_the_same_rows(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    to_file(store, ALL, PartFile(path, ALL, "parquet"), lambda stack, part, _: ParquetWriter(stack, part, ["battery"]))
    table = pa.parquet.read_table(path)
    assert table.schema.field("time").type == pa.timestamp("ms", tz="UTC")
    assert table.schema.field("value").type == pa.float64()
    assert table.schema.field("seq").type == pa.int64()
    for name in ("station", "quantity", "device", "quality"):
        assert pa.types.is_dictionary(table.schema.field(name).type)
    told = json.loads(table.schema.metadata[b"klimanetz"])
    assert told["units"] == {"battery": "V"}
    rows = zip(*(table[name].to_pylist() for name in table.column_names), strict=True)
    text = [f"{s},{t:%Y-%m-%dT%H:%M:%SZ},{c},{v!r},{d},{q},{g},{n}" for s, t, c, v, d, q, g, n in rows]
    assert text == text_of(store).splitlines()[1:]


def test_parquet_begins_again(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporting, "CHECKPOINT_VALUES", 200)
    path = tmp_path / "x.parquet"
    writer = lambda stack, part, _: ParquetWriter(stack, part, ["battery"])  # noqa: E731
    with pytest.raises(KeyboardInterrupt):
        to_file(Stopping(store, 800), ALL, PartFile(path, ALL, "parquet"), writer)
    assert not path.exists()
    assert to_file(store, ALL, PartFile(path, ALL, "parquet"), writer) == (2400, 0)
    assert pa.parquet.read_table(path).num_rows == 2400
