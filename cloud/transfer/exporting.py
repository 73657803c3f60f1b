"""Export: stored points as rows of the long form, station by station and by time, streamed.

To a file it is written beside it as `.part`, with a note of how much is safe after every checkpoint, and renamed at the
end: a file under its own name is whole, and an interrupted export goes on behind the last checkpoint. A checkpoint lies
between two points in time, and what is packed is closed there (gzip members and zstd frames may follow each other).
"""

import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from cloud.store.model import Point

CHECKPOINT_VALUES = 200_000
PIECE_VALUES = 10_000
VERSION = 1


class PointReader(Protocol):
    """What the export asks of a store."""

    def channels(self, station: str) -> list[str]: ...

    def points(
        self, station: str, start_ms: int, end_ms: int, channels: Sequence[str] | None = None
    ) -> Iterator[Point]: ...


class Writer(Protocol):
    """A format, appending to a file. `checkpoint` makes all that was written safe and says how many bytes that is,
    0 where the format cannot go on behind it.
    """

    def write(self, points: Sequence[Point]) -> None: ...

    def checkpoint(self) -> int: ...

    def finish(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Wanted:
    """[start, end) of these channels (None: all) of these stations."""

    stations: tuple[str, ...]
    channels: tuple[str, ...] | None
    start_ms: int
    end_ms: int


@dataclass(slots=True)
class Done:
    """How far an export is: everything before `time_ms` of station number `station` is written."""

    wanted: list[Any]
    station: int = 0
    time_ms: int | None = None
    values: int = 0
    bytes: int = 0
    version: int = VERSION


Told = Callable[[int, int], None]  # how far it is: number of the station, time in ms


def points_of(store: PointReader, wanted: Wanted, done: Done) -> Iterator[tuple[int, Point]]:
    """(number of the station, point), behind what is done."""
    for n, station in enumerate(wanted.stations):
        if n < done.station:
            continue
        start_ms = wanted.start_ms
        if n == done.station and done.time_ms is not None:
            start_ms = max(start_ms, done.time_ms)
        channels = None
        if wanted.channels is not None:
            channels = [channel for channel in store.channels(station) if channel in wanted.channels]
            if not channels:
                continue
        for point in store.points(station, start_ms, wanted.end_ms, channels):
            yield n, point


def stream(store: PointReader, wanted: Wanted, writer: Writer, told: Told | None = None) -> int:
    """To a pipe: no checkpoints. Returns how many values."""
    done = Done([])
    _pump(points_of(store, wanted, done), writer, done, told, None)
    writer.finish()
    return done.values


class PartFile:
    """The export to a file: `path.part`, `path.part.json`, and `path` at the end."""

    def __init__(self, path: Path, wanted: Wanted, form: str) -> None:
        self.path = path
        self.part = path.with_name(path.name + ".part")
        self._note = path.with_name(path.name + ".part.json")
        self._wanted = [*_listed(wanted), form]

    def begun(self) -> Done:
        """What an earlier run of the same export has made safe, the rest cut off."""
        done = Done(self._wanted)
        try:
            found = Done(**json.loads(self._note.read_text("utf-8")))
            if found.version == VERSION and found.wanted == self._wanted and self.part.stat().st_size >= found.bytes:
                done = found
        except (OSError, ValueError, TypeError):
            pass
        return done

    def safe(self, done: Done) -> None:
        new = self._note.with_suffix(".new")
        text = {name: getattr(done, name) for name in ("wanted", "station", "time_ms", "values", "bytes", "version")}
        new.write_text(json.dumps(text), "utf-8")
        os.replace(new, self._note)

    def finished(self) -> None:
        os.replace(self.part, self.path)
        self._note.unlink(missing_ok=True)


def to_file(
    store: PointReader, wanted: Wanted, file: PartFile, open_writer: Callable[[ExitStack, Path, int], Writer],
    told: Told | None = None,
) -> tuple[int, int]:  # fmt: skip
    """(values, of which an earlier run had written). `open_writer` appends behind so many bytes of the part."""
    done = file.begun()
    before = done.values
    with ExitStack() as stack:
        writer = open_writer(stack, file.part, done.bytes)
        _pump(points_of(store, wanted, done), writer, done, told, file)
        writer.finish()
    file.finished()
    return done.values, before


def _pump(
    points: Iterator[tuple[int, Point]], writer: Writer, done: Done, told: Told | None,
    file: PartFile | None,
) -> None:  # fmt: skip
    piece: list[Point] = []
    values = safe = done.values
    last: tuple[int, int] | None = None
    for n, point in points:
        here = (n, point.time_ms)
        if file is not None and values - safe >= CHECKPOINT_VALUES and here != last:
            writer.write(piece)
            piece = []
            size = writer.checkpoint()
            if size:
                done.station, done.time_ms, done.values, done.bytes = n, point.time_ms, values, size
                file.safe(done)
            safe = values
        last = here
        piece.append(point)
        values += len(point.values)
        if len(piece) >= PIECE_VALUES:
            writer.write(piece)
            piece = []
            if told is not None:
                told(n, point.time_ms)
    writer.write(piece)
    done.values = values


def _listed(wanted: Wanted) -> list[Any]:
    channels = None if wanted.channels is None else list(wanted.channels)
    return [list(wanted.stations), channels, wanted.start_ms, wanted.end_ms]
