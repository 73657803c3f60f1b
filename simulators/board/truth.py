"""What is true around a simulated chip at a moment: smooth, pure, the same on both interpreters. No clock.

Not weather (that is simulators.weather): a course of the day and the year with a place and a seed in it, so that
every reading of a test can be compared with what it should have been.
"""

from math import pi, sin

# mean, half the swing of a day, half the swing of a year
_COURSES = {
    "air_temperature": (10.0, 5.0, 9.0),
    "relative_humidity": (65.0, -15.0, -8.0),
    "air_pressure": (1003.0, 1.5, 4.0),
    "co2": (450.0, 40.0, 10.0),
    "pm1": (6.0, 3.0, 1.0),
    "pm2_5": (9.0, 4.0, 2.0),
    "pm10": (15.0, 6.0, 3.0),
    "soil_moisture": (28.0, 1.0, 6.0),
    "wind_speed": (3.0, 1.5, 0.5),
    "wind_direction": (180.0, 60.0, 20.0),
    "illuminance": (20000.0, 19000.0, 900.0),
    "battery": (3.9, 0.02, 0.05),
}
_DAY_US = 86400000000
TIP_MM = 0.2794
_SHOWER_US = 6 * 3600 * 1000000  # one begins every so often, and lasts an hour
_TIP_EVERY_US = 150 * 1000000


def value(quantity, place, true_us, seed=1):
    """In the quantity's unit."""
    if quantity == "precipitation_total":
        return tips(true_us) * TIP_MM
    mean, day, year = _COURSES[quantity]
    shift = (sum([ord(c) for c in place]) + seed) % 97 / 97
    return (
        mean
        + day * sin(2 * pi * (true_us % _DAY_US / _DAY_US - 0.3))
        + year * sin(2 * pi * (true_us / _DAY_US % 365 / 365 - 0.3))
        + abs(day) * 0.2 * sin(2 * pi * (true_us % 3300000000 / 3300000000 + shift))
    )


def tips(true_us):
    """How often a rain gauge has tipped since 2026 began."""
    since = true_us - 1767225600000000
    whole, rest = divmod(since, _SHOWER_US)
    return whole * 24 + min(24, rest // _TIP_EVERY_US)


def next_tip_us(true_us):
    """The moment of the first tip after a moment."""
    n = tips(true_us) + 1
    whole, rest = divmod(n - 1, 24)
    return 1767225600000000 + whole * _SHOWER_US + (rest + 1) * _TIP_EVERY_US
