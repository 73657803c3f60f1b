"""The chips that a device can read: on which bus, at which addresses, and what they measure.

A configuration is checked against this table, so that no driver has to be loaded for it. `options` are the keyword
arguments of the driver; `warm_up_ms` is how long a measurement takes from its start, for the energy model.
"""

from collections import namedtuple

Chip = namedtuple("Chip", ("bus", "addresses", "quantities", "warm_up_ms", "options"))

_TRH = ("air_temperature", "relative_humidity")
_TRHP = ("air_temperature", "relative_humidity", "air_pressure")
_PM = ("pm1", "pm2_5", "pm10")

CHIPS = {
    "bme280": Chip("i2c", (0x76, 0x77), _TRHP, 15, ()),
    "bme680": Chip("i2c", (0x76, 0x77), _TRHP, 40, ()),
    "sht3x": Chip("i2c", (0x44, 0x45), _TRH, 16, ()),
    "sht4x": Chip("i2c", (0x44, 0x45, 0x46), _TRH, 10, ()),
    "scd4x": Chip("i2c", (0x62,), ("co2",) + _TRH, 5000, ("self_calibration", "altitude_m", "single_shot")),
    "scd30": Chip("i2c", (0x61,), ("co2",) + _TRH, 2000, ("self_calibration",)),
    "sps30": Chip(("i2c", "uart"), (0x69,), _PM, 30000, ()),
    "pms": Chip("uart", (), _PM, 30000, ("model",)),
    "sds011": Chip("uart", (), ("pm2_5", "pm10"), 30000, ()),
    "mhz19": Chip("uart", (), ("co2",), 60000, ("self_calibration",)),
    "ds18b20": Chip("onewire", (), ("air_temperature",), 750, ("rom",)),
    "rain": Chip("pulse", (), ("precipitation_total",), 0, ("mm_per_tip", "debounce_ms")),
    "wind": Chip(
        "pulse", (), ("wind_speed", "wind_gust"), 10000, ("m_s_per_hz", "offset_m_s", "debounce_ms", "seconds")
    ),
    "vane": Chip("adc", (), ("wind_direction",), 0, ("north_deg", "supply_mv", "pull_up_ohm", "linear")),
    "soil": Chip("adc", (), ("soil_moisture",), 0, ("dry_mv", "wet_mv", "dry_percent", "wet_percent")),
    "max17048": Chip("i2c", (0x36,), ("battery",), 0, ()),
    "battery": Chip("adc", (), ("battery",), 0, ("divider",)),
    "bh1750": Chip("i2c", (0x23, 0x5C), ("illuminance",), 180, ()),
    "veml7700": Chip("i2c", (0x10,), ("illuminance",), 1000, ()),
}
