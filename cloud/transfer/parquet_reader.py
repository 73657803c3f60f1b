"""A Parquet file as the text of the long form, so that what reads CSV checks, counts lines and goes on in it just so.

Row group by row group, so a file may be larger than memory. Numbers are written with all their digits, times in UTC
with milliseconds; a time without a zone stays without one, and is refused as in CSV.
"""

import csv
import io
from collections.abc import Iterator
from datetime import datetime
from typing import IO, Any

from cloud.transfer.parquet_writer import ParquetMissing, library
from cloud.transfer.rows import UnreadableFile
from schemas.models import utc_text

MAGIC = b"PAR1"
_ROWS = 10_000


class ParquetText(io.RawIOBase):
    """Bytes of CSV. Raises UnreadableFile, at once or while it is read."""

    def __init__(self, file: IO[bytes], name: str) -> None:
        self._pieces = _pieces(file, name)
        self._ready = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._ready:
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._ready = memoryview(piece)
        count = min(len(buffer), len(self._ready))
        buffer[:count] = self._ready[:count]
        self._ready = self._ready[count:]
        return count


def _pieces(file: IO[bytes], name: str) -> Iterator[bytes]:
    try:
        pa, parquet = library()
    except ParquetMissing as error:
        raise UnreadableFile(f"{name}: {error}") from None
    try:
        opened = parquet.ParquetFile(file)
        nested = [field.name for field in opened.schema_arrow if pa.types.is_nested(field.type)]
        if nested:
            raise UnreadableFile(f"{name}: column '{nested[0]}' holds lists or structures; one value a row is meant")
        yield _text([opened.schema_arrow.names])
        for batch in opened.iter_batches(batch_size=_ROWS):
            columns = [_cells(column) for column in batch.columns]
            yield _text(zip(*columns, strict=True))
    except (pa.ArrowException, OSError) as error:
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UnreadableFile(f"{name} is cut off or damaged ({first}): fetch it again") from None


def _cells(column: Any) -> list[str]:
    return [_cell(value) for value in column.to_pylist()]


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, datetime):
        return utc_text(value) if value.tzinfo is not None else value.isoformat()
    return str(value)


def _text(rows: Any) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()
