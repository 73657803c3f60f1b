"""Rows that were not taken, as they came, with line and reason: to be mended and imported again.

The file grows with the import and is cut back to what is noted when an interrupted one goes on.
"""

from contextlib import ExitStack
from pathlib import Path
from typing import IO

from cloud.transfer.rows import REJECTED, BadRow
from cloud.transfer.sources import Opened


class Rejects:
    """The file at `path`, of which so many bytes are safe already; it is made with the first row."""

    def __init__(self, stack: ExitStack, path: Path, opened: Opened, encoding: str, safe_bytes: int) -> None:
        self._lines = opened.lines
        self._encoding = encoding
        self._path = path
        self._stack = stack
        self._delimiter = ";" if opened.header.count(";") > opened.header.count(",") else ","
        self._header = opened.header.strip("\r\n\ufeff")
        self._keep = safe_bytes
        self._file: IO[bytes] | None = None

    def add(self, row: BadRow) -> None:
        if self._file is None:
            self._open()
        reason = '"' + row.reason.replace('"', '""') + '"'
        text = self._lines.text.rstrip("\r\n")
        self._put(f"{text}{self._delimiter}{row.line}{self._delimiter}{reason}\n")

    def flush(self) -> int:
        """How many bytes are safe."""
        if self._file is not None:
            self._file.flush()
            self._keep = self._file.tell()
        return self._keep

    def _open(self) -> None:
        self._file = self._stack.enter_context(self._path.open("r+b" if self._keep else "wb"))
        self._file.truncate(self._keep)
        self._file.seek(self._keep)
        if not self._keep:
            self._put(self._delimiter.join((self._header, *REJECTED)) + "\n")

    def _put(self, text: str) -> None:
        assert self._file is not None
        errors = "surrogateescape" if self._encoding == "utf-8" else "replace"
        self._file.write(text.encode(self._encoding, errors))
