"""The operators' table of channels: how decoders of their devices name what we measure (`KLIMANETZ_CHANNELS`).

A CSV file with the columns `name,channel,unit,codec`: their name (dots between levels, numbers in a list count from
1), our channel or nothing for what is to be ignored, their unit where the decoder writes none, and the codec or device
profile the row is limited to, or nothing. A limited row goes before a general one, any row before `vendor_names`. Every
bad row is named with line and reason; docs/networks.md explains the columns. Pure: the bytes are handed in.
"""

import csv
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from gateway.networks.mapping import Named, Names, conversion
from schemas.channels import ChannelError, split

COLUMNS = ("name", "channel", "unit", "codec")
NAME_MAX = 200


class ChannelTableError(ValueError):
    """The file is not a table of channels; the message names every bad row."""


@dataclass(frozen=True, slots=True)
class ChannelTable:
    """Names by codec or device profile (lower case), "" for those that hold for all."""

    by_codec: dict[str, dict[str, Named]] = field(default_factory=dict)

    def names(self, codecs: Iterable[str]) -> Names:
        """What holds for a device of these codecs and profiles, the first before the others."""
        limited = [self.by_codec[codec.lower()] for codec in codecs if codec and codec.lower() in self.by_codec]
        names: dict[str, Named] = dict(self.by_codec.get("", {}))
        for table in reversed(limited):
            names |= table
        return names


NO_TABLE = ChannelTable()


def parse_channel_table(data: bytes) -> ChannelTable:
    """The table in a file's bytes. Raises ChannelTableError."""
    by_codec: dict[str, dict[str, Named]] = {}
    lines: dict[tuple[str, str], int] = {}
    bad: list[str] = []
    for line, cells in _rows(data):
        name, codec = cells["name"], cells["codec"].lower()
        reason = _fault(cells)
        if not reason and (codec, name) in lines:
            reason = "'%s' is already on line %d" % (name, lines[codec, name])
        if reason:
            bad.append("line %d: %s" % (line, reason))
            continue
        lines[codec, name] = line
        by_codec.setdefault(codec, {})[name] = Named(cells["channel"], cells["unit"])
    if bad:
        raise ChannelTableError("; ".join(bad))
    return ChannelTable(by_codec)


def _fault(cells: dict[str, str]) -> str:
    """What is wrong with a row, "" if nothing is."""
    if not 0 < len(cells["name"]) <= NAME_MAX:
        return "the name has to have 1 to %d characters" % NAME_MAX
    if not cells["channel"]:
        return "a unit without a channel; leave both empty for what is to be ignored" if cells["unit"] else ""
    try:
        quantity, _ = split(cells["channel"])
    except ChannelError as error:
        return "%s; write a quantity of docs/api.md, with a place if there are several: soil_moisture@30cm" % error
    if cells["unit"] and conversion(cells["unit"], quantity.unit) is None:
        return "the unit %s cannot be turned into %s of %s" % (cells["unit"], quantity.unit, quantity.name)
    return ""


def _rows(data: bytes) -> Iterator[tuple[int, dict[str, str]]]:
    """(line, cells) as people's programs write them: with a byte order mark or not, commas or semicolons."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ChannelTableError("line %d: not UTF-8; save the file as 'CSV UTF-8'" % line) from None
    first = text.split("\n", 1)[0]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=";" if ";" in first else ",", strict=True)
    try:
        header = [name.strip().lower() for name in next(reader, [])]
        if header[:2] != list(COLUMNS[:2]) or not set(header) <= set(COLUMNS) or len(set(header)) != len(header):
            raise ChannelTableError("line 1: the columns have to be %s" % ",".join(COLUMNS))
        for fields in reader:
            if not any(cell.strip() for cell in fields):
                continue
            if len(fields) > len(header):
                raise ChannelTableError(
                    "line %d: %d cells under %d columns" % (reader.line_num, len(fields), len(header))
                )
            yield (
                reader.line_num,
                dict.fromkeys(COLUMNS, "") | dict(zip(header, (cell.strip() for cell in fields), strict=False)),
            )
    except csv.Error as error:
        raise ChannelTableError("line %d: %s" % (reader.line_num, error)) from None
