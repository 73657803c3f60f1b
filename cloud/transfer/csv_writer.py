"""The long form as CSV, plain or packed: what `long_csv` reads back bit for bit.

A value is written with the fewest digits that give the same double again; a cell is quoted only where it must be.
"""

import gzip
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from functools import lru_cache
from pathlib import Path
from typing import IO, Protocol

import zstandard

from cloud.reference import Daily
from cloud.store.model import NOT_JUDGED, Point
from cloud.time_text import TimeText
from cloud.transfer.long_csv import COLUMNS

HEADER = ",".join(COLUMNS) + "\n"


class _Packer(Protocol):
    def pack(self, text: bytes) -> bytes:
        """What may be kept back is given by `close`."""

    def close(self) -> bytes:
        """The end of a member or frame; the next `pack` begins another."""


class _Plain:
    def pack(self, text: bytes) -> bytes:
        return text

    def close(self) -> bytes:
        return b""


class _Gzip:
    """One member a piece: members follow each other in a gzip file (RFC 1952, 2.2)."""

    def pack(self, text: bytes) -> bytes:
        return gzip.compress(text, 6, mtime=0)

    def close(self) -> bytes:
        return b""


class _Zstd:
    """Frames follow each other in a zstd file (RFC 8878, 3.1)."""

    def __init__(self) -> None:
        self._frame: zstandard.ZstdCompressionObj | None = None

    def pack(self, text: bytes) -> bytes:
        if self._frame is None:
            self._frame = zstandard.ZstdCompressor(level=6).compressobj()
        return self._frame.compress(text)

    def close(self) -> bytes:
        end = self._frame.flush() if self._frame is not None else b""
        self._frame = None
        return end


def packer_for(name: str) -> _Packer:
    """By the end of a file's name."""
    return _Gzip() if name.endswith(".gz") else _Zstd() if name.endswith((".zst", ".zstd")) else _Plain()


class CsvWriter:
    """A Writer to an open binary file."""

    def __init__(self, file: IO[bytes], packer: _Packer, begin: bool) -> None:
        self._file = file
        self._packer = packer
        self._text = TimeText()
        if begin:
            self._put(HEADER)

    def write(self, points: Sequence[Point]) -> None:
        if points:
            self._put("".join(self._rows(points)))

    def write_days(self, days: Sequence[Daily]) -> None:
        """Daily reference series: the time is a date."""
        rows = (f"{d.station},{d.day},{d.series},{d.value!r},{d.source},{_cell(d.quality)},,\n" for d in days)
        self._put("".join(rows))

    def checkpoint(self) -> int:
        self._file.write(self._packer.close())
        self._file.flush()
        os.fsync(self._file.fileno())
        return self._file.tell()

    def finish(self) -> None:
        self._file.write(self._packer.close())
        self._file.flush()

    def _rows(self, points: Sequence[Point]) -> Iterator[str]:
        text = self._text
        for point in points:
            before = f"{point.station},{text(point.time_ms)},"
            generation = "" if point.generation is None else point.generation
            seq = "" if point.seq is None else point.seq
            quality = point.quality
            for channel, value in point.values.items():
                judged = _cell(quality.get(channel, NOT_JUDGED))
                yield f"{before}{channel},{float(value)!r},{point.device},{judged},{generation},{seq}\n"

    def _put(self, text: str) -> None:
        self._file.write(self._packer.pack(text.encode()))


def open_csv(stack: ExitStack, part: Path, safe_bytes: int) -> CsvWriter:
    """Appends behind what is safe."""
    file = stack.enter_context(part.open("r+b" if safe_bytes else "wb"))
    file.truncate(safe_bytes)
    file.seek(safe_bytes)
    return CsvWriter(file, packer_for(part.name.removesuffix(".part")), begin=not safe_bytes)


@lru_cache(maxsize=4096)
def _cell(text: str) -> str:
    return '"' + text.replace('"', '""') + '"' if any(c in text for c in ',"\r\n') else text
