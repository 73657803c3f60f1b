"""How wrong a sensor that is in order may be: the makers' largest figure for the range that a city has. Numbers only.

The rule: each figure is from the datasheet named beside it, absolute and as the chip leaves its maker; what is not here
is not compared. Temperature °C, humidity %, pressure hPa, CO2 ppm with a share of the value.
"""

from typing import NamedTuple


class Within(NamedTuple):
    """± so much, and so large a share of the value."""

    absolute: float
    share: float = 0.0

    def of(self, value: float) -> float:
        return self.absolute + self.share * abs(value)


ACCURACY: dict[str, dict[str, Within]] = {
    # BST-BME280-DS002 tables 2 to 4: 0 to 65 °C ±1.0 K, ±3 %; pressure ±1.0 hPa, ±1.7 below 0 °C
    "bme280": {"air_temperature": Within(1.0), "relative_humidity": Within(3.0), "air_pressure": Within(1.7)},
    # BST-BME680-DS001: ±1.0 K, ±3 %, ±0.6 hPa (typical; taken as twice that)
    "bme680": {"air_temperature": Within(1.0), "relative_humidity": Within(3.0), "air_pressure": Within(1.2)},
    # SHT3x-DIS datasheet, figures 2 to 9: SHT30, the widest: ±0.6 K at −20 to 60 °C, ±4 % at most of the range
    "sht3x": {"air_temperature": Within(0.6), "relative_humidity": Within(4.0)},
    # SHT4x datasheet: SHT40, largest at 0 to 60 °C ±0.5 K, ±3.5 %
    "sht4x": {"air_temperature": Within(0.5), "relative_humidity": Within(3.5)},
    # SCD4x datasheet table 3: ±1.5 K at −10 to 60 °C, ±9 %; CO2 SCD40 ±(50 ppm + 5 %)
    "scd4x": {"air_temperature": Within(1.5), "relative_humidity": Within(9.0), "co2": Within(50, 0.05)},
    # SCD30 datasheet: ±(0.4 K + 0.023 · (T − 25 °C)), taken at −10 °C; ±3 %; ±(30 ppm + 3 %)
    "scd30": {"air_temperature": Within(1.2), "relative_humidity": Within(3.0), "co2": Within(30, 0.03)},
    # MH-Z19B manual: ±(50 ppm + 5 %)
    "mhz19": {"co2": Within(50, 0.05)},
    # DS18B20 datasheet: ±0.5 K at −10 to 85 °C
    "ds18b20": {"air_temperature": Within(0.5)},
}
