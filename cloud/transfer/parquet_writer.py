"""The long form as Apache Parquet, for dataframes and data lakes: typed columns, units in the file's own metadata.

pyarrow is large and optional (`pip install 'klimanetz[parquet]'`). A Parquet file ends with its index, so one that was
interrupted begins again. https://parquet.apache.org/docs/file-format/
"""

import json
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from cloud.store.model import NOT_JUDGED, Point
from schemas.channels import split

ROWS_PER_GROUP = 100_000
METADATA_KEY = b"klimanetz"
SOURCE = "klimanetz, values as stored; times are UTC"


class ParquetMissing(Exception):
    """pyarrow is not installed."""

    def __init__(self) -> None:
        super().__init__("Parquet needs pyarrow, which is not installed: pip install 'klimanetz[parquet]', or use CSV")


class ParquetWriter:
    """A Writer to a path."""

    def __init__(self, stack: ExitStack, path: Path, channels: Sequence[str]) -> None:
        """`channels`: all that may come, for their units. Raises ParquetMissing."""
        pa, parquet = library()
        self._pa = pa
        self._schema = _schema(pa, channels)
        self._file = stack.enter_context(parquet.ParquetWriter(path, self._schema, compression="zstd"))
        self._columns: list[list[Any]] = [[] for _ in self._schema]

    def write(self, points: Sequence[Point]) -> None:
        stations, times, channels, values, devices, qualities, generations, seqs = self._columns
        for point in points:
            for channel, value in point.values.items():
                stations.append(point.station)
                times.append(point.time_ms)
                channels.append(channel)
                values.append(float(value))
                devices.append(point.device)
                qualities.append(point.quality.get(channel, NOT_JUDGED))
                generations.append(point.generation)
                seqs.append(point.seq)
        if len(times) >= ROWS_PER_GROUP:
            self._group()

    def checkpoint(self) -> int:
        return 0  # begins again: see above

    def finish(self) -> None:
        if self._columns[0]:
            self._group()

    def _group(self) -> None:
        pa = self._pa
        arrays = [
            pa.array(column, field.type.value_type).dictionary_encode().cast(field.type)
            if pa.types.is_dictionary(field.type)
            else pa.array(column, field.type)
            for column, field in zip(self._columns, self._schema, strict=True)
        ]
        self._file.write_table(pa.Table.from_arrays(arrays, schema=self._schema))
        for column in self._columns:
            column.clear()


def _schema(pa: Any, channels: Sequence[str]) -> Any:
    word = pa.dictionary(pa.int32(), pa.string())
    units = {channel: split(channel)[0].unit for channel in channels}
    told = {"source": SOURCE, "units": units, "missing": "rows that are not there"}
    return pa.schema(
        [
            pa.field("station", word, nullable=False),
            pa.field("time", pa.timestamp("ms", tz="UTC"), nullable=False),
            pa.field("quantity", word, nullable=False),
            pa.field("value", pa.float64(), nullable=False),
            pa.field("device", word, nullable=False),
            pa.field("quality", word, nullable=False),
            pa.field("generation", pa.int64()),
            pa.field("seq", pa.int64()),
        ],
        metadata={METADATA_KEY: json.dumps(told, ensure_ascii=False).encode()},
    )


def library() -> tuple[Any, Any]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ModuleNotFoundError:
        raise ParquetMissing from None
    return pyarrow, pyarrow.parquet
