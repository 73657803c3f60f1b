"""A small Halle (Saale): where the simulated stations stand. Coordinates of the districts are approximate."""

from dataclasses import dataclass

from simulators.weather import Place

_DISTRICTS = (
    # name, latitude, longitude, elevation m, heat island K, local climate zone
    ("Marktplatz", 51.4828, 11.9697, 87, 2.6, "2"),
    ("Paulusviertel", 51.4951, 11.9768, 101, 2.1, "2"),
    ("Lutherviertel", 51.4632, 11.9775, 95, 1.9, "5"),
    ("Giebichenstein", 51.5025, 11.9560, 86, 1.4, "5"),
    ("Neustadt", 51.4795, 11.9210, 84, 1.8, "4"),
    ("Silberhöhe", 51.4445, 11.9560, 92, 1.5, "4"),
    ("Trotha", 51.5165, 11.9560, 80, 1.1, "8"),
    ("Kröllwitz", 51.5040, 11.9310, 104, 0.9, "6"),
    ("Büschdorf", 51.4770, 12.0230, 108, 0.8, "8"),
    ("Ammendorf", 51.4290, 11.9870, 83, 1.0, "6"),
    ("Dölauer Heide", 51.5010, 11.8970, 118, 0.2, "A"),
    ("Reideburg", 51.4860, 12.0460, 112, 0.4, "9"),
)
_UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", " ": "-"})


@dataclass(frozen=True, slots=True)
class Site:
    """A station's place."""

    station: str
    name: str
    latitude: float
    longitude: float
    place: Place
    lcz: str
    district: str


def sites(count: int) -> list[Site]:
    """The first `count` sites: the districts, then further sites among them."""
    return [_site(n) for n in range(count)]


def _site(n: int) -> Site:
    district, latitude, longitude, elevation, island, lcz = _DISTRICTS[n % len(_DISTRICTS)]
    ring = n // len(_DISTRICTS)
    name = f"{district} {ring + 1}" if ring else district
    # Further sites stand on a spiral around the district's centre, some 150 m from one another.
    shift = 0.0014 * ring
    place = Place(name, elevation, island)
    turn = (ring * 2.4) % 6.283
    east, north = shift * 1.6 * (turn % 2 - 1), shift * ((turn / 2) % 2 - 1)
    station = name.lower().translate(_UMLAUTS)
    return Site(station, name, round(latitude + north, 6), round(longitude + east, 6), place, lcz, district)
