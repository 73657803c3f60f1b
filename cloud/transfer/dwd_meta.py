"""What stands beside the values in a zip of the German Weather Service: where a station stood, and in which time. Pure.

`Metadaten_Geographie_<id>.txt` has a row for each place since the station began: a station that moves keeps its number.
`Metadaten_Parameter_…_<id>.txt` says of each parameter and period whether its times are UTC or MEZ (UTC+1, all year).
Both are Latin-1, with `;`, and blank where nothing is known.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from cloud.time_text import DAY_MS
from cloud.transfer.dwd_tables import name_of, padded
from cloud.transfer.rows import UnreadableFile
from cloud.transfer.times import day_ms, digits_date

MEZ_MS = 3_600_000
UTC_SINCE = "2000-01-01"  # values of ten minutes and finer: MEZ before, where the metadata say nothing
_TIME_BASE = re.compile(r"Zeitbezug ist (MEZ|UTC)|^(?:in|HHMM|HH)\s+(MEZ|UTC)$")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a station stood, from a day on; `until` is the last day, None: still there."""

    since: str
    until: str | None
    latitude: float
    longitude: float
    elevation_m: float | None
    name: str


@dataclass(frozen=True, slots=True)
class TimeBase:
    """The times of one parameter in a period, both days included."""

    parameter: str
    since: str
    until: str
    mez: bool


@dataclass(frozen=True, slots=True)
class Geography:
    """A station of the service and its places, oldest first."""

    dwd_id: str
    places: tuple[Place, ...]

    @property
    def newest(self) -> Place:
        return self.places[-1]

    def moves(self) -> list[str]:
        """The days on which it came to another spot; rows that only change something else are none."""
        spots = [(place.latitude, place.longitude, place.elevation_m) for place in self.places]
        return [self.places[n].since for n in range(1, len(spots)) if spots[n] != spots[n - 1]]


def geography(lines: Iterable[str]) -> Geography:
    """Raises UnreadableFile."""
    dwd_id, places = "", []
    for line, cells in _cells(lines):
        try:
            dwd_id = padded(cells["stations_id"])
            height = cells["stationshoehe"]
            places.append(
                Place(
                    digits_date(cells["von_datum"]),
                    digits_date(cells["bis_datum"]) if cells["bis_datum"] else None,
                    float(cells["geogr.breite"]),
                    float(cells["geogr.laenge"]),
                    float(height) if height else None,
                    name_of(cells["stationsname"]),
                )
            )
        except (KeyError, ValueError) as error:
            raise UnreadableFile(f"line {line} of its geography cannot be read ({error})") from None
    if not places:
        raise UnreadableFile("its geography names no place")
    return Geography(dwd_id, tuple(sorted(places, key=lambda place: place.since)))


def time_bases(lines: Iterable[str]) -> list[TimeBase]:
    """What the parameters' descriptions say of times; a row that says nothing of them is passed over."""
    found = []
    for _, cells in _cells(lines):
        said = [_TIME_BASE.search(cells.get(name, "")) for name in ("zusatz-info", "datenquelle (strukturversion=sv)")]
        base = next((one[1] or one[2] for one in said if one), None)
        try:
            if base:
                since, until = digits_date(cells["von_datum"]), digits_date(cells["bis_datum"])
                found.append(TimeBase(cells["parameter"].upper(), since, until, base == "MEZ"))
        except (KeyError, ValueError):
            continue
    return found


class Clock:
    """How far ahead of UTC a parameter's times are, by date."""

    def __init__(self, bases: Iterable[TimeBase], fine: bool) -> None:
        """`fine`: values of ten minutes or less."""
        self._told: dict[str, list[tuple[int, int, int]]] = {}
        for base in bases:
            span = (day_ms(base.since), day_ms(base.until) + DAY_MS, MEZ_MS if base.mez else 0)
            self._told.setdefault(base.parameter, []).append(span)
        self._mez_before_ms = day_ms(UTC_SINCE) if fine else -(2**62)

    def ahead_ms(self, parameter: str, time_ms: int) -> int:
        """`time_ms` is as the file has it."""
        for since, until, ahead in self._told.get(parameter, ()):
            if since <= time_ms < until:
                return ahead
        return MEZ_MS if time_ms < self._mez_before_ms else 0


def _cells(lines: Iterable[str]) -> Iterable[tuple[int, dict[str, str]]]:
    header: list[str] = []
    for number, line in enumerate(lines, 1):
        cells = [cell.strip() for cell in line.strip("\r\n").split(";")]
        if not header:
            header = [cell.lower() for cell in cells] if len(cells) > 1 else []
        elif len(cells) >= len(header) - 1 and cells[0].isdigit():
            yield number, dict(zip(header, cells, strict=False))
