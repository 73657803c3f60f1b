"""A small, believable weather: `weather_at(time, place, seed)` is pure, so any moment can be asked for at any time.

A yearly and a daily wave, weather systems of some days, and a little of the place itself; humidity follows
temperature, pressure follows the systems and the height. Rough figures: climate normals of Halle (Saale).
"""

import hashlib
import math
from dataclasses import dataclass

DAY_S = 86_400
YEAR_S = 365.2425 * DAY_S


@dataclass(frozen=True, slots=True)
class Place:
    """Where it is measured; `heat_island_k` is how much warmer a clear night is than in the fields."""

    name: str
    elevation_m: float = 100.0
    heat_island_k: float = 1.0


@dataclass(frozen=True, slots=True)
class Weather:
    """The true state of the air at one moment."""

    air_temperature: float  # °C
    relative_humidity: float  # %
    air_pressure: float  # hPa at the station


def weather_at(time_s: float, place: Place, seed: int) -> Weather:
    """The weather at a moment (seconds since 1970)."""
    year = math.cos(2 * math.pi * (time_s / YEAR_S - 200 / 365.25))  # warmest around 19 July
    day = math.cos(2 * math.pi * (time_s / DAY_S - 13.5 / 24))  # warmest around 14:30 local time
    system = _smooth(time_s / (3.5 * DAY_S), f"system-{seed}")
    cloud = 0.5 + 0.5 * _smooth(time_s / (0.8 * DAY_S), f"cloud-{seed}")
    local = 0.4 * _smooth(time_s / 5400, f"{place.name}-{seed}")
    swing = (3.2 + 1.8 * year) * (1.2 - 0.8 * cloud)
    night = max(0.0, -day) * (1 - cloud) * place.heat_island_k
    temperature = 10.0 + 9.5 * year + 4.5 * system + swing * day + night + local - 0.0065 * (place.elevation_m - 100)
    humidity = 78 - 6 * year - 3.1 * (swing * day + night) + 10 * (cloud - 0.5) + 2 * local
    pressure = (1015 - 9 * system - 2 * cloud) * (1 - 2.25577e-5 * place.elevation_m) ** 5.25588
    return Weather(round(temperature, 2), round(min(100.0, max(15.0, humidity)), 1), round(pressure, 1))


def _smooth(x: float, key: str) -> float:
    """Smooth noise in -1..1 with one random value at every whole x."""
    low = math.floor(x)
    part = x - low
    ease = part * part * (3 - 2 * part)
    return _random(f"{key}/{low}") * (1 - ease) + _random(f"{key}/{low + 1}") * ease


def _random(key: str) -> float:
    return int.from_bytes(hashlib.blake2b(key.encode(), digest_size=6).digest(), "big") / 2**47 - 1
