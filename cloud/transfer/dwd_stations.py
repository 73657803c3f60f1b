"""The German Weather Service's lists of stations: the text of columns beside its data, and the table in HTML. Pure.

`…_Beschreibung_Stationen.txt` has columns as wide as the dashes under their names, Latin-1. `statliste_d.html` has a
row for each kind of observation; there the service's number and the WMO's stand side by side (kinds SY and MN).
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from html.parser import HTMLParser

from cloud.transfer.dwd_tables import name_of, padded
from cloud.transfer.rows import UnreadableFile

_WITH_WMO = ("SY", "MN")
_ROW = re.compile(r"\s*(\d{1,5})\s+(\d{8})\s+(\d{8})\s+(-?[\d.]+)\s+(-?\d+\.\d+)\s+(-?\d+\.\d+)\s+(\S.*)")
_STATES = (
    "Baden-Württemberg", "Bayern", "Berlin", "Brandenburg", "Bremen", "Hamburg", "Hessen", "Mecklenburg-Vorpommern",
    "Niedersachsen", "Nordrhein-Westfalen", "Rheinland-Pfalz", "Saarland", "Sachsen", "Sachsen-Anhalt",
    "Schleswig-Holstein", "Thüringen",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Listed:
    """A station as a list has it, at its last place."""

    dwd_id: str
    name: str
    latitude: float
    longitude: float
    elevation_m: float | None


@dataclass(frozen=True, slots=True)
class StationList:
    """`wmo_to_dwd` and `dwd_to_wmo`: of several rows the last."""

    stations: dict[str, Listed]
    wmo_to_dwd: dict[str, str]
    dwd_to_wmo: dict[str, str]


def from_text(lines: Iterable[str]) -> StationList:
    """Raises UnreadableFile."""
    found: dict[str, Listed] = {}
    name_end: int | None = None
    for number, line in enumerate(lines, 1):
        line = line.rstrip("\r\n\x1a ")
        if not line or line.lower().startswith("stations_id"):
            continue
        if set(line) <= {"-", " "}:
            ends = [dash.end() for dash in re.finditer("-+", line)]
            name_end = ends[6] if len(ends) > 6 else None
            continue
        row = _ROW.fullmatch(line)
        if row is None:
            raise UnreadableFile(f"line {number} is no row of a list of stations")
        name = _name(line, row.start(7), name_end)
        dwd_id = padded(row[1])
        found[dwd_id] = Listed(dwd_id, name_of(name), float(row[5]), float(row[6]), float(row[4]))
    if not found:
        raise UnreadableFile("it lists no station")
    return StationList(found, {}, {})


def _name(line: str, start: int, end: int | None) -> str:
    """The columns of a name and of its state; where the file has lost its columns, what stands before the state."""
    rest = line[start:]
    if re.search(r"\s{2,}", rest):
        return re.split(r"\s{2,}", rest)[0]
    words = re.sub(r" Frei$", "", rest)
    for state in sorted(_STATES, key=len, reverse=True):
        if words.endswith(" " + state):
            return words.removesuffix(" " + state).rstrip()
    return (line[start:end] if end and end > start else words).strip()


def from_html(lines: Iterable[str]) -> StationList:
    """Raises UnreadableFile."""
    reader = _Table()
    for line in lines:
        reader.feed(line)
    reader.close()
    stations: dict[str, Listed] = {}
    wmo_to_dwd: dict[str, str] = {}
    dwd_to_wmo: dict[str, str] = {}
    for cells in reader.rows:
        if len(cells) < 7 or not cells[1].isdigit():
            continue
        name, dwd_id, kind, wmo = cells[0], padded(cells[1]), cells[2], cells[3]
        try:
            height = float(cells[6]) if cells[6] else None
            stations[dwd_id] = Listed(dwd_id, name_of(name), float(cells[4]), float(cells[5]), height)
        except ValueError:
            raise UnreadableFile(f"the row of '{name}' ({dwd_id}) has no place that can be read") from None
        if kind in _WITH_WMO:
            wmo_to_dwd[wmo] = dwd_id
            dwd_to_wmo[dwd_id] = wmo
    if not stations:
        raise UnreadableFile("it lists no station")
    return StationList(stations, wmo_to_dwd, dwd_to_wmo)


class _Table(HTMLParser):
    """The cells of every row."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.rows: list[list[str]] = []
        self._inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "tr":
            self.rows.append([])
        elif tag == "td" and self.rows:
            self.rows[-1].append("")
            self._inside = True

    def handle_endtag(self, tag: str) -> None:
        if tag == "td":
            self.rows[-1][-1] = self.rows[-1][-1].strip()
            self._inside = False

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.rows[-1][-1] += data
