"""Files as text lines: plain, gzip, zstd, Parquet, or a member of a zip, known by their first bytes, not their names.

Read in pieces, so a file may be larger than memory. What is broken on the way (a download that was cut off, a bad
checksum, a password) is UnreadableFile with the way out, whichever library notices it.
"""

import gzip
import hashlib
import io
import lzma
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import zstandard

from cloud.transfer.parquet_reader import MAGIC, ParquetText
from cloud.transfer.rows import UnreadableFile

_BROKEN = (EOFError, zipfile.BadZipFile, zlib.error, zstandard.ZstdError, gzip.BadGzipFile, lzma.LZMAError)
HASH_PIECE = 1 << 20
HEAD_BYTES = 65_536
Moved = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Part:
    """A file, or one member of a zip."""

    path: Path
    member: str | None = None

    @property
    def name(self) -> str:
        return self.path.name if self.member is None else f"{self.path.name}/{self.member}"


def nothing(_: int) -> None:
    """Nobody watches how far the reading is."""


@contextmanager
def explained(name: str) -> Iterator[None]:
    """Errors of reading as UnreadableFile."""
    try:
        yield
    except _BROKEN as error:
        raise UnreadableFile(f"{name} is cut off or damaged ({_plain(error)}): fetch it again") from None
    except RuntimeError as error:
        if "password" not in str(error):
            raise
        raise UnreadableFile(f"{name} is encrypted: unpack it first") from None
    except NotImplementedError as error:
        raise UnreadableFile(f"{name} is packed in a way that is not known here ({error}): unpack it first") from None


def parts_of(path: Path) -> list[Part]:
    """The file itself, or every file in a zip. Raises UnreadableFile, OSError."""
    with path.open("rb") as file:
        start = file.read(4)
    if start[:2] != b"PK":
        return [Part(path)]
    with explained(path.name), zipfile.ZipFile(path) as archive:
        return [Part(path, entry.filename) for entry in archive.infolist() if not entry.is_dir()]


@contextmanager
def text_of(part: Part, encoding: str = "utf-8", moved: Moved = nothing) -> Iterator[Iterator[str]]:
    """Lines with their ends. Raises UnreadableFile, OSError, also while they are being read."""
    with ExitStack() as stack, explained(part.name):
        raw = stack.enter_context(_Counted(part.path, moved))
        binary = stack.enter_context(_unpacked(raw, part))
        text = io.TextIOWrapper(binary, encoding, errors="surrogateescape")
        yield iter(text)  # an error in reading surfaces where the lines are used, and comes back here


def head_of(part: Part) -> str:
    """The beginning of the text. Raises UnreadableFile, OSError."""
    with explained(part.name), _Counted(part.path, nothing) as raw, _unpacked(raw, part) as binary:
        return binary.read(HEAD_BYTES).decode("utf-8", "surrogateescape")


def content_hash(path: Path) -> str:
    """SHA-256 of the file as it is: what makes it the same file wherever it lies."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(HASH_PIECE):
            digest.update(piece)
    return digest.hexdigest()


@contextmanager
def _unpacked(raw: "_Counted", part: Part) -> Iterator[IO[bytes]]:
    buffered = io.BufferedReader(raw, 1 << 18)
    start = buffered.peek(4)[:4]
    if part.member is not None:
        with zipfile.ZipFile(buffered) as archive, archive.open(part.member) as member:
            yield member
    elif start[:2] == b"\x1f\x8b":
        yield gzip.GzipFile(fileobj=buffered)  # type: ignore[misc]
    elif start == b"\x28\xb5\x2f\xfd":
        yield io.BufferedReader(_ZstdFrames(buffered), 1 << 18)
    elif start == MAGIC:
        yield io.BufferedReader(ParquetText(buffered, part.name), 1 << 18)
    else:
        yield buffered


class _ZstdFrames(io.RawIOBase):
    """Frames one after the other; unlike the library's reader it says when the last one is cut off."""

    def __init__(self, packed: IO[bytes]) -> None:
        self._packed = packed
        self._frame: Any = None
        self._coming = b""  # packed, of the next frame
        self._ready = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._ready:
            piece = self._coming or self._packed.read(1 << 17)
            self._coming = b""
            if not piece:
                if self._frame is not None:
                    raise EOFError("the last frame has no end")
                return 0
            if self._frame is None:
                self._frame = zstandard.ZstdDecompressor().decompressobj()
            self._ready = memoryview(self._frame.decompress(piece))
            if self._frame.eof:
                self._coming, self._frame = self._frame.unused_data, None
        count = min(len(buffer), len(self._ready))
        buffer[:count] = self._ready[:count]
        self._ready = self._ready[count:]
        return count


class _Counted(io.RawIOBase):
    """The file on the disk, telling how many of its bytes were read."""

    def __init__(self, path: Path, moved: Moved) -> None:
        self._file = path.open("rb", buffering=0)
        self._moved = moved
        self.name = str(path)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return self._file.seekable()

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def readinto(self, buffer: Any) -> int:
        count = self._file.readinto(buffer) or 0
        self._moved(count)
        return count

    def close(self) -> None:
        self._file.close()
        super().close()


def _plain(error: BaseException) -> str:
    return str(error).strip().lower() or type(error).__name__
