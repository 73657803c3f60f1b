"""The air that a simulated board is in, as simulated stations around it measure it: both are in one town.

The rule: the board's parts see `simulators.board.truth`; stations that shall be its neighbours see the same, at
their own height. Pressure there is that of the standard atmosphere, as in simulators/weather.py.
"""

from simulators.board.truth import truth
from simulators.weather import Place, Weather

SEED = 1  # of simulators/board/world.py, where nothing else is said
BOARD_ELEVATION_M = 92.0  # where what a board's barometer sees is meant
_US = 1_000_000


def weather_around(time_s: float, place: Place, seed: int = SEED) -> Weather:
    """The air at a place, as `simulators.weather.weather_at`; `seed` is the board's whatever is given."""
    us = int(time_s * _US)
    warmth, damp, pressure = (
        truth(name, place.name, us, SEED) for name in ("air_temperature", "relative_humidity", "air_pressure")
    )
    return Weather(round(warmth, 2), round(min(100.0, damp), 1), round(pressure * _thinner(place.elevation_m), 1))


def _thinner(elevation_m: float) -> float:
    def share(metres: float) -> float:
        return float((1 - 2.25577e-5 * metres) ** 5.25588)

    return share(elevation_m) / share(BOARD_ELEVATION_M)
