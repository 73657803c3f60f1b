"""Rows of cells from CSV text, with the line that each stands on, whatever is wrong with one of them. Pure.

A row is one line: none of our columns can hold a line break, so a quote that nobody closes costs its line and does not
swallow the file. Text is decoded with `surrogateescape`, so that a byte that is not UTF-8 costs its row. RFC 4180
(https://www.rfc-editor.org/rfc/rfc4180), with `;` as well as `,`, a byte order mark, and blank lines.
"""

import csv
from collections.abc import Callable, Iterable, Iterator

from cloud.transfer.rows import BadRow, Row, UnreadableFile, reason_of

Cells = tuple[int, list[str]]


class CsvText:
    """Header and rows of a CSV; lines are counted from 1."""

    def __init__(self, lines: Iterable[str]) -> None:
        """Raises UnreadableFile for a file without a line."""
        self._lines = iter(lines)
        self._header_line = 0
        for first in self._lines:
            self._header_line += 1
            first = first.removeprefix("\ufeff")
            if first.strip(" \t\r\n,;"):
                break
        else:
            raise UnreadableFile("the file is empty")
        self.delimiter = ";" if first.count(";") > first.count(",") else ","
        try:
            self.header = [name.strip() for name in self._split(first)]
        except csv.Error as error:
            raise UnreadableFile(f"its first line is not CSV ({error})") from None

    def __iter__(self) -> Iterator[Cells | BadRow]:
        """Rows as wide as the header, those that are not as BadRow; blank lines are passed over."""
        width, delimiter = len(self.header), self.delimiter
        for number, line in enumerate(self._lines, self._header_line + 1):
            if '"' in line:
                try:
                    cells = self._split(line)
                except csv.Error:
                    yield BadRow(number, "not CSV: a quote is not closed, or stands inside a cell")
                    continue
            else:
                cells = line.rstrip("\r\n").split(delimiter)
            if len(cells) == width:
                yield number, cells
            elif line.strip(" \t\r\n,;\x1a"):
                cut = "; is the file cut off here?" if len(cells) < width else ""
                yield BadRow(number, f"{len(cells)} cells under {width} columns{cut}")

    def _split(self, line: str) -> list[str]:
        return next(csv.reader([line.rstrip("\r\n")], delimiter=self.delimiter, strict=True))


def parsed(text: Iterable[Cells | BadRow], read: Callable[[int, list[str]], Iterable[Row]]) -> Iterator[Row]:
    """What `read` makes of each row; one that it refuses with ValueError is a BadRow with that reason."""
    for row in text:
        if isinstance(row, BadRow):
            yield row
            continue
        line, cells = row
        try:
            yield from read(line, cells)
        except ValueError as error:
            yield BadRow(line, reason_of(error))
