"""Which of the files that we read a file is, by what stands in it, and what is read together with what.

A zip of the German Weather Service brings values and metadata; metadata may also come as a zip of their own, and a list
of stations as a file: whatever is given in one command is looked through first (`Beside`), then values are read.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from cloud.transfer import dwd_beob, dwd_meta, dwd_stations, istsos_csv
from cloud.transfer.dwd_meta import Geography, TimeBase
from cloud.transfer.dwd_product import Product
from cloud.transfer.dwd_stations import Listed
from cloud.transfer.dwd_tables import padded
from cloud.transfer.long_csv import LongCsv
from cloud.transfer.opening import Moved, Part, head_of, nothing, parts_of, text_of
from cloud.transfer.rows import Row, Tally, UnreadableFile

READS = "long CSV (station,time,quantity,value), files of the German Weather Service, or istSOS CSV; see docs/data.md"
LATIN_1 = "latin-1"
_IGNORED = ("metadaten_", "beschreibung", "description", "__macosx")  # beside the values in a zip


class Parser(Protocol):
    """What reads a kind of file; `not_taken` are columns that are not kept here."""

    @property
    def not_taken(self) -> tuple[str, ...]: ...

    def rows(self, tally: Tally) -> Iterator[Row]: ...


class Lines:
    """Lines of text, the last one read remembered: a row that is not taken is kept as it came."""

    def __init__(self, text: Iterator[str]) -> None:
        self._coming = text
        self.text = ""

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        self.text = next(self._coming)
        return self.text


@dataclass(frozen=True, slots=True)
class Opened:
    """A file being read."""

    parser: Parser
    lines: Lines
    header: str  # as it came; of several lines the last


@dataclass(frozen=True, slots=True)
class Source:
    """Values to be read, as often as needed."""

    part: Part
    kind: str
    foreign: bool  # its stations have numbers or names of somebody else's
    parser: Callable[[Iterator[str]], Parser]
    encoding: str = "utf-8"
    station_id: str | None = None  # where the whole file is of one: the service's number

    @contextmanager
    def open(self, moved: Moved = nothing) -> Iterator["Opened"]:
        """Raises UnreadableFile, also while rows are read."""
        with text_of(self.part, self.encoding, moved) as text:
            lines = Lines(text)
            try:
                parser = self.parser(lines)
            except UnreadableFile as error:
                raise UnreadableFile(f"{self.part.name}: {error}") from None
            yield Opened(parser, lines, lines.text)


@dataclass(slots=True)
class Beside:
    """What files say of stations, by the German Weather Service's number."""

    places: dict[str, Geography] = field(default_factory=dict)
    listed: dict[str, Listed] = field(default_factory=dict)
    wmo_to_dwd: dict[str, str] = field(default_factory=dict)
    bases: dict[str, list[TimeBase]] = field(default_factory=dict)
    lists: list[str] = field(default_factory=list)  # files that say where stations are
    passed_over: list[str] = field(default_factory=list)  # what else lay in a zip


def look_through(paths: list[Path], device: str | None = None) -> tuple[list[Source], Beside]:
    """The sources of values in the order of the files, and all that stands beside. Raises UnreadableFile, OSError."""
    beside = Beside()
    found: list[Source] = []
    for path in paths:
        parts = parts_of(path)
        here = [source for part in parts for source in _look(part, beside, device, len(parts) > 1)]
        if not here and path.name not in beside.lists:
            raise UnreadableFile(f"{path.name} holds no data: give {READS}")
        found += here
    return found, beside


def _look(part: Part, beside: Beside, device: str | None, among_others: bool) -> list[Source]:
    head = head_of(part)
    if head[:2] in ("\udcff\udcfe", "\udcfe\udcff"):
        raise UnreadableFile(f"{part.name} is in UTF-16; save it as 'CSV UTF-8'")
    first = next((line for line in head.removeprefix("\ufeff").splitlines() if line.strip(" ,;")), "")
    start = first.strip().lower().replace(" ", "")
    if start.startswith("stations_id;mess_datum"):
        return [_product(part, head, beside, device)]
    if start.startswith("stations_id;stationshoehe;"):
        with text_of(part, LATIN_1) as lines:
            found = _named(part, dwd_meta.geography, lines)
        beside.places[found.dwd_id] = found
        beside.lists.append(part.path.name)
    elif start.startswith("stations_id;von_datum;") and ";parameter;" in start:
        with text_of(part, LATIN_1) as lines:
            bases = dwd_meta.time_bases(lines)
        beside.bases.setdefault(_number_in(head) or "", []).extend(bases)
    elif start.startswith("stations_idvon_datum") or (start.startswith("<") and "stations_id" in head.lower()):
        return _stations(part, start, beside, among_others)
    elif start.startswith("surfaceobservations;"):
        number = dwd_beob.number_in(head)
        return [
            Source(
                part, "DWD current observations", True, lambda lines: dwd_beob.Beob(lines, device), station_id=number
            )
        ]
    elif start.startswith(istsos_csv.START):
        return [Source(part, "istSOS CSV", True, lambda lines: istsos_csv.IstSos(lines, device))]
    elif _is_long(first):
        return [Source(part, "long CSV", False, lambda lines: LongCsv(lines, device))]
    elif part.member is None:
        raise UnreadableFile(f"{part.name} is no file that can be imported: give {READS}")
    elif not part.member.rpartition("/")[2].lower().startswith(_IGNORED):
        beside.passed_over.append(part.name)
    return []


def _product(part: Part, head: str, beside: Beside, device: str | None) -> Source:
    dwd_id = _number_in(head)

    def parser(text: Iterator[str]) -> Parser:
        return Product(text, beside.bases.get(dwd_id or "", ()), device)

    kind = Path(part.member or part.path.name).stem.rstrip("0123456789_")
    return Source(part, f"DWD {kind}", True, parser, LATIN_1, dwd_id)


def _number_in(head: str) -> str | None:
    """The station of the first row, by the service's number."""
    firsts = (line.partition(";")[0].strip() for line in head.splitlines())
    return next((padded(first) for first in firsts if first.isdigit()), None)


def _stations(part: Part, start: str, beside: Beside, among_others: bool) -> list[Source]:
    if among_others:  # the metadata in a zip come as HTML too
        return []
    with text_of(part, LATIN_1) as lines:
        found = _named(part, dwd_stations.from_html if start.startswith("<") else dwd_stations.from_text, lines)
    beside.listed.update(found.stations)
    beside.wmo_to_dwd.update(found.wmo_to_dwd)
    beside.lists.append(part.path.name)
    return []


def _is_long(first: str) -> bool:
    """Whether a first line means to be the header of the long form, even if it is not quite."""
    columns = {cell.strip(' "').lower() for cell in first.replace(";", ",").split(",")}
    return len(columns) > 2 and bool({"station", "quantity", "value"} & columns)


def _named(part: Part, read, lines):  # type: ignore[no-untyped-def]
    try:
        return read(lines)
    except UnreadableFile as error:
        raise UnreadableFile(f"{part.name}: {error}") from None
