"""What the pages show, worded and ready for the templates. Pure."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import quote

from cloud.api.times import utc_text
from cloud.pages.wording import Wording
from cloud.store.model import Latest
from schemas.channels import split
from schemas.models import Station
from schemas.quantities import COUNTER, QUANTITIES

STALE_MS = 3_600_000
COLUMNS_MAX = 5  # of the overview; the rest is on the station's page
_TECHNICAL = ("battery",)
_ORDER = {quantity.name: n for n, quantity in enumerate(QUANTITIES)}
_MARKS = {"Q": "questioned", "X": "failed", "B": "failed"}


@dataclass(frozen=True, slots=True)
class Figure:
    """One newest value. `mark` is "", "questioned" or "failed"."""

    channel: str
    label: str
    value: str
    unit: str
    time: str  # RFC 3339
    time_text: str
    age: str
    mark: str
    reasons: str
    stale: bool
    csv: str
    technical: bool


@dataclass(frozen=True, slots=True)
class Line:
    """One station of the overview; `cells` by column, None where it has no such value."""

    station: Station
    district: str  # empty where it says nothing new
    cells: tuple[Figure | None, ...]
    newest: Figure | None
    more: int


@dataclass(frozen=True, slots=True)
class Overview:
    """The page `/`."""

    labels: tuple[str, ...]
    lines: tuple[Line, ...]
    current: int
    as_of: str


def overview(stations: Iterable[Station], newest: Iterable[Latest], words: Wording, now_ms: int) -> Overview:
    """Stations by name, with columns for what most of them measure."""
    newest = list(newest)
    by_station: dict[str, list[Latest]] = {}
    for one in newest:
        by_station.setdefault(one.station, []).append(one)
    columns = _columns(newest)
    lines = []
    for station in sorted(stations, key=lambda station: (station.name.casefold(), station.station)):
        figures = station_figures(by_station.get(station.station, []), words, now_ms)
        by_channel = {one.channel: one for one in figures}
        cells = tuple(by_channel.get(channel) for channel in columns)
        last = max(figures, key=lambda figure: figure.time, default=None)
        shown = sum(cell is not None for cell in cells)
        more = sum(not one.technical for one in figures) - shown
        lines.append(Line(station, district(station), cells, last, more))
    labels = tuple(words.channel(channel) for channel in columns)
    current = sum(line.newest is not None and not line.newest.stale for line in lines)
    return Overview(labels, tuple(lines), current, words.date_time(now_ms))


def district(station: Station) -> str:
    """Where the station stands, unless its name says it already."""
    name = station.district or ""
    return "" if name.strip().casefold() == station.name.strip().casefold() else name


def station_figures(newest: Iterable[Latest], words: Wording, now_ms: int) -> list[Figure]:
    """In the order of the table of quantities, what only technicians look at last."""
    figures = [_figure(one, words, now_ms) for one in newest]
    return sorted(figures, key=lambda one: (one.technical, _ORDER[one.channel.partition("@")[0]], one.channel))


def _figure(one: Latest, words: Wording, now_ms: int) -> Figure:
    quantity, _ = split(one.channel)
    letter, _, reasons = one.quality.partition(" ")
    profile = "&profile=de" if words.lang == "de" else ""
    return Figure(
        channel=one.channel,
        label=words.channel(one.channel),
        value=words.value(quantity, one.value),
        unit=words.unit(quantity),
        time=utc_text(one.time_ms),
        time_text=words.date_time(one.time_ms),
        age=words.age(one.time_ms, now_ms),
        mark=_MARKS.get(letter, ""),
        reasons=reasons,
        stale=now_ms - one.time_ms > STALE_MS,
        csv=f"/v1/stations/{quote(one.station)}/series/{quote(one.channel, safe='@')}?format=csv{profile}",
        technical=quantity.name in _TECHNICAL,
    )


def _columns(newest: Iterable[Latest]) -> list[str]:
    counts = Counter(one.channel for one in newest if _in_overview(one.channel))
    common = [channel for channel, _ in sorted(counts.items(), key=lambda item: (-item[1], _ORDER[item[0]]))]
    return sorted(common[:COLUMNS_MAX], key=_ORDER.__getitem__)


def _in_overview(channel: str) -> bool:
    quantity, place = split(channel)
    return not place and quantity.kind != COUNTER and quantity.name not in _TECHNICAL
