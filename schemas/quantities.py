"""The one table of quantities.

Wire format, validation, judgement, aggregation, both city standards, pages and documentation read this
table and nothing else; a quantity is added here or nowhere. Runs on MicroPython and CPython.

Sources: CF standard name table v93; UCUM; UN/ECE Recommendation 20 (unit codes of NGSI-LD); Smart Data
Models (WeatherObserved, AirQualityObserved, NoiseLevelObserved). Ranges are what the quantity can be
outdoors on Earth and what field instruments can tell, not what is likely: a value outside is kept and judged X.
Steps within a minute are the largest that the WMO's guidelines on quality control for automatic stations allow
(Zahumenský 2004, maximum allowed variability), those within an hour the temporal limits of MADIS where it has one
(temperature 35 °F, humidity 50 %, pressure 10 hPa), else ours: a value beyond is kept and judged Q.
"""

from collections import namedtuple

# How values of a quantity combine over time.
MEAN = "mean"  # arithmetic mean
MAXIMUM = "max"  # the largest
SUM = "sum"  # increments add up
VECTOR = "vector"  # mean direction on the circle
ENERGY = "energy"  # level in dB: mean of the powers
COUNTER = "counter"  # a running total: difference, with roll-over and swap

Quantity = namedtuple(
    "Quantity",
    (
        "name",
        "unit",  # as people read it
        "wire_id",  # 1..63, for ever; see docs/wire.md
        "steps",  # wire steps per unit: raw = (value - low) * steps
        "low",  # value at raw 0
        "bits",  # width on the wire; the two highest raws are reserved (absent, escape)
        "minimum",  # physical range, inclusive, in `unit`
        "maximum",
        "step_minute",  # how much a value may differ from the one before within a minute, 0: any amount
        "step_hour",  # the same within an hour
        "kind",  # one of the six above
        "aggregate",  # default aggregate over an interval
        "ucum",  # UCUM code of `unit`
        "unece",  # UN/ECE Rec. 20 code of the unit NGSI-LD receives
        "cf_name",  # CF standard name, "" where the convention has none
        "observed_property",  # URI for SensorThings
        "ngsi_type",  # Smart Data Model and attribute; "" where there is none
        "ngsi_attribute",
        "ngsi_factor",  # NGSI-LD value = value * factor (their relative humidity is 0..1)
        "label_de",
        "label_en",
    ),
)

_CF = "http://vocab.nerc.ac.uk/standard_name/"
_QUDT = "http://qudt.org/vocab/quantitykind/"
_W = "WeatherObserved"
_A = "AirQualityObserved"
_PM = "mass_concentration_of_%s_ambient_aerosol_particles_in_air"


def _q(
    name,
    unit,
    wire_id,
    steps,
    low,
    bits,
    minimum,
    maximum,
    kind,
    ucum,
    unece,
    cf,
    ngsi,
    factor,
    de,
    en,
    uri="",
    step=(0, 0),
):
    model, _, attribute = ngsi.partition(".")
    aggregate = {COUNTER: "difference", MAXIMUM: "max", SUM: "sum"}.get(kind, "mean")
    property_uri = _CF + cf + "/" if cf else uri
    return Quantity(
        name, unit, wire_id, steps, low, bits, minimum, maximum, step[0], step[1], kind, aggregate,
        ucum, unece, cf, property_uri, model, attribute, factor, de, en,
    )  # fmt: skip


# fmt: off
QUANTITIES = (
    _q("air_temperature", "°C", 1, 100, -80, 14, -60, 60, MEAN, "Cel", "CEL",
       "air_temperature", _W + ".temperature", 1, "Lufttemperatur", "air temperature", step=(3, 19.4)),
    _q("relative_humidity", "%", 2, 10, 0, 10, 0, 102, MEAN, "%", "C62",
       "relative_humidity", _W + ".relativeHumidity", 0.01, "relative Luftfeuchte", "relative humidity", step=(15, 50)),
    _q("air_pressure", "hPa", 3, 10, 300, 13, 500, 1090, MEAN, "hPa", "A97",
       "air_pressure", _W + ".atmosphericPressure", 1, "Luftdruck am Standort", "air pressure at the station",
       step=(2, 10)),
    _q("battery", "V", 4, 100, 0, 9, 0, 30, MEAN, "V", "VLT",
       "", "", 1, "Batteriespannung", "battery voltage", _QUDT + "Voltage"),
    _q("co2", "ppm", 5, 1, 0, 16, 200, 40000, MEAN, "[ppm]", "59",
       "mole_fraction_of_carbon_dioxide_in_air", _A + ".co2", 1, "Kohlendioxid (CO₂)", "carbon dioxide (CO₂)"),
    _q("pm1", "µg/m³", 6, 10, 0, 15, 0, 1000, MEAN, "ug/m3", "GQ",
       _PM % "pm1", _A + ".pm1", 1, "Feinstaub PM1", "fine dust PM1"),
    _q("pm2_5", "µg/m³", 7, 10, 0, 15, 0, 1000, MEAN, "ug/m3", "GQ",
       _PM % "pm2p5", _A + ".pm25", 1, "Feinstaub PM2,5", "fine dust PM2.5"),
    _q("pm10", "µg/m³", 8, 10, 0, 15, 0, 2000, MEAN, "ug/m3", "GQ",
       _PM % "pm10", _A + ".pm10", 1, "Feinstaub PM10", "fine dust PM10"),
    _q("no2", "µg/m³", 9, 10, -100, 14, -20, 1000, MEAN, "ug/m3", "GQ",
       "mass_concentration_of_nitrogen_dioxide_in_air", _A + ".no2", 1, "Stickstoffdioxid (NO₂)",
       "nitrogen dioxide (NO₂)"),
    _q("o3", "µg/m³", 10, 10, -100, 14, -20, 1000, MEAN, "ug/m3", "GQ",
       "mass_concentration_of_ozone_in_air", _A + ".o3", 1, "Ozon (O₃)", "ozone (O₃)"),
    _q("wind_speed", "m/s", 11, 100, 0, 13, 0, 75, MEAN, "m/s", "MTS",
       "wind_speed", _W + ".windSpeed", 1, "Windgeschwindigkeit", "wind speed", step=(20, 30)),
    _q("wind_gust", "m/s", 12, 100, 0, 14, 0, 110, MAXIMUM, "m/s", "MTS",
       "wind_speed_of_gust", _W + ".gustSpeed", 1, "Windböe", "wind gust"),
    _q("wind_direction", "°", 13, 10, 0, 12, 0, 360, VECTOR, "deg", "DD",
       "wind_from_direction", _W + ".windDirection", 1, "Windrichtung (woher)", "wind direction (from)"),
    _q("solar_irradiance", "W/m²", 14, 10, -20, 15, -20, 1800, MEAN, "W/m2", "D54",
       "surface_downwelling_shortwave_flux_in_air", _W + ".solarRadiation", 1, "Globalstrahlung", "solar irradiance",
       step=(1000, 1400)),
    _q("illuminance", "lx", 15, 1, 0, 18, 0, 200000, MEAN, "lx", "LUX",
       "", _W + ".illuminance", 1, "Beleuchtungsstärke", "illuminance", _QUDT + "Illuminance"),
    _q("uv_index", "1", 16, 10, 0, 9, 0, 45, MEAN, "1", "C62",
       "ultraviolet_index", _W + ".uVIndexMax", 1, "UV-Index", "UV index"),
    _q("globe_temperature", "°C", 17, 100, -80, 15, -60, 100, MEAN, "Cel", "CEL",
       "", "", 1, "Globetemperatur", "globe temperature", _QUDT + "CelsiusTemperature"),
    _q("surface_temperature", "°C", 18, 100, -80, 15, -60, 120, MEAN, "Cel", "CEL",
       "surface_temperature", _W + ".surfaceTemperature", 1, "Oberflächentemperatur", "surface temperature",
       step=(10, 30)),
    _q("soil_temperature", "°C", 19, 100, -80, 14, -50, 80, MEAN, "Cel", "CEL",
       "soil_temperature", "", 1, "Bodentemperatur", "soil temperature", step=(1, 5)),
    _q("water_temperature", "°C", 20, 100, -80, 14, -5, 60, MEAN, "Cel", "CEL",
       "water_temperature", "", 1, "Wassertemperatur", "water temperature"),
    _q("soil_moisture", "%", 21, 10, 0, 10, 0, 100, MEAN, "%", "P1",
       "", "", 1, "Bodenfeuchte (Volumenanteil)", "soil moisture (volumetric)", _QUDT + "VolumeFraction"),
    _q("water_level", "cm", 22, 10, -5000, 17, -5000, 5000, MEAN, "cm", "CMT",
       "", _W + ".streamGauge", 1, "Wasserstand", "water level", _QUDT + "Height"),
    _q("sound_level", "dB(A)", 23, 10, 0, 11, 0, 150, ENERGY, "dB", "2N",
       "sound_pressure_level_in_air", "NoiseLevelObserved.LAeq", 1, "Schallpegel", "sound level"),
    _q("precipitation_total", "mm", 24, 1000, 0, 28, 0, 260000, COUNTER, "mm", "MMT",
       "", "", 1, "Niederschlag, Zählerstand", "precipitation, running total", _QUDT + "Height"),
    _q("precipitation", "mm", 25, 1000, 0, 20, 0, 500, SUM, "mm", "MMT",
       "lwe_thickness_of_precipitation_amount", _W + ".precipitation", 1, "Niederschlag", "precipitation"),
    _q("energy_total", "kWh", 26, 1000, 0, 40, 0, 1000000000, COUNTER, "kW.h", "KWH",
       "", "", 1, "Strom, Zählerstand", "electricity, running total", _QUDT + "Energy"),
    _q("heat_total", "kWh", 27, 1000, 0, 40, 0, 1000000000, COUNTER, "kW.h", "KWH",
       "", "", 1, "Wärme, Zählerstand", "heat, running total", _QUDT + "Energy"),
    _q("gas_total", "m³", 28, 1000, 0, 40, 0, 1000000000, COUNTER, "m3", "MTQ",
       "", "", 1, "Gas, Zählerstand", "gas, running total", _QUDT + "Volume"),
)
# fmt: on

BY_NAME = {q.name: q for q in QUANTITIES}
BY_WIRE_ID = {q.wire_id: q for q in QUANTITIES}
