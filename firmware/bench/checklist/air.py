"""What air can be: dew point, standard pressure by height, distance on the globe. Pure.

Sources: Magnus' formula with Sonntag's constants over water (WMO-No. 8, Annex 4.B: −45 to 60 °C); the ICAO standard
atmosphere; the hypsometric equation; haversine on a sphere of 6,371 km.
"""

import math

LOWEST_SEA_LEVEL_HPA, HIGHEST_SEA_LEVEL_HPA = 950.0, 1065.0  # Germany's records are 954.4 and 1060.8 (DWD)
_GRAVITY_BY_GAS = 0.0341632  # K/m: g / R of dry air


def dew_point_degc(temperature_degc: float, humidity_percent: float) -> float:
    """°C at which this air would be saturated. Humidity below 0.1 % counts as 0.1."""
    x = math.log(max(0.1, humidity_percent) / 100) + 17.62 * temperature_degc / (243.12 + temperature_degc)
    return 243.12 * x / (17.62 - x)


def at_sea_level_hpa(pressure_hpa: float, elevation_m: float, temperature_degc: float) -> float:
    """Pressure that the same air column would have at the sea, with half of the standard lapse rate in between."""
    mean_k = temperature_degc + 273.15 + 0.0065 * elevation_m / 2
    return pressure_hpa * math.exp(_GRAVITY_BY_GAS * elevation_m / mean_k)


def distance_km(a: tuple[float, float], b: tuple[float, float]) -> float:
    """Between two (longitude, latitude)."""
    (lon_a, lat_a), (lon_b, lat_b) = (tuple(map(math.radians, place)) for place in (a, b))
    half = math.sin((lat_b - lat_a) / 2) ** 2 + math.cos(lat_a) * math.cos(lat_b) * math.sin((lon_b - lon_a) / 2) ** 2
    return 2 * 6371.0 * math.asin(math.sqrt(half))
