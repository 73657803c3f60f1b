"""What the German Weather Service's (DWD) station files hold, as tables: columns, units, times, quality levels. Pure.

Sources: the service's descriptions beside its data (BESCHREIBUNG_obsgermany-climate-….pdf, v24.03, 2024) under
https://opendata.dwd.de/climate_environment/CDC/observations_germany/climate/, and the Metadaten_Parameter in its zips.
Missing is -999. The time of a value that stands for an interval is the interval's end, and it is stored there, as a
station of ours sends what has gathered since its last reading. Data: DWD, CC BY 4.0.
"""

from dataclasses import dataclass

MISSING = -999.0
_PER_HOUR = 10_000 / 3_600  # J/cm² in an hour to the mean of W/m²
_PER_10MIN = 10_000 / 600


@dataclass(frozen=True, slots=True)
class Column:
    """Where a column goes: a channel, or a daily series where `kind` is `daily`.

    `kind` tells apart what would meet at one time (a ten-minute mean and an hourly one) and stands in the device's
    name.
    """

    channel: str
    kind: str
    factor: float = 1.0
    also_missing: tuple[float, ...] = ()


def _soil(pattern: str, kind: str, depths: tuple[int, ...]) -> dict[str, Column]:
    return {pattern % depth: Column(f"soil_temperature@{depth}cm", kind) for depth in depths}


# fmt: off
COLUMNS: dict[str, Column] = {
    # ten minutes: air_temperature (TU), wind (FF), extreme_wind (FX), precipitation (RR), solar (SOLAR)
    "TT_10": Column("air_temperature", "10min"),
    "TM5_10": Column("air_temperature@5cm", "10min"),
    "RF_10": Column("relative_humidity", "10min"),
    "PP_10": Column("air_pressure", "10min"),  # at the height of the station
    "FF_10": Column("wind_speed", "10min"),
    "DD_10": Column("wind_direction", "10min", also_missing=(990.0,)),
    "FX_10": Column("wind_gust", "10min"),
    "RWS_10": Column("precipitation", "10min"),
    "GS_10": Column("solar_irradiance", "10min", _PER_10MIN),
    "DS_10": Column("solar_irradiance@diffuse", "10min", _PER_10MIN),
    # five minutes and one: precipitation
    "RS_05": Column("precipitation", "5min"),
    "RS_01": Column("precipitation", "1min"),
    # an hour: air_temperature (TU), wind (FF), wind_synop (F), extreme_wind (FX), precipitation (RR), pressure (P0),
    # solar (ST), soil_temperature (EB), dew_point (TD), moisture (TF)
    "TT_TU": Column("air_temperature", "1h"),
    "RF_TU": Column("relative_humidity", "1h"),
    "F": Column("wind_speed", "1h"),
    "D": Column("wind_direction", "1h", also_missing=(990.0,)),  # 990: no one direction
    "FF": Column("wind_speed", "synop"),  # the last ten minutes of the hour
    "DD": Column("wind_direction", "synop", also_missing=(990.0,)),
    "FX_911": Column("wind_gust", "1h"),
    "R1": Column("precipitation", "1h"),
    "P0": Column("air_pressure", "1h"),
    "P": Column("air_pressure@msl", "1h"),  # reduced to sea level
    "FG_LBERG": Column("solar_irradiance", "1h", _PER_HOUR),
    "FD_LBERG": Column("solar_irradiance@diffuse", "1h", _PER_HOUR),
    **_soil("V_TE%03d", "1h", (2, 5, 10, 20, 50, 100)),
    "TT": Column("air_temperature", "synop"),
    "TT_STD": Column("air_temperature", "moisture"),
    "RF_STD": Column("relative_humidity", "moisture"),
    "P_STD": Column("air_pressure", "moisture"),
    # a day: kl (KL), more_precip (RR)
    "TMK": Column("tmean", "daily"),
    "TXK": Column("tmax", "daily"),
    "TNK": Column("tmin", "daily"),
    "RSK": Column("precipitation", "daily"),
    "RS": Column("precipitation", "daily"),
}
# fmt: on
NOT_VALUES = frozenset({"STATIONS_ID", "MESS_DATUM", "MESS_DATUM_BEGINN", "MESS_DATUM_ENDE", "MESS_DATUM_WOZ", "EOR"})

# What the service says of a row's checking, as our letter; the reason keeps the level itself.
# 1 formal only · 2 individually defined criteria · 3 automatic control and correction · 5 historic, subjective
# procedures · 7 second control done, before correction · 8 outside routine · 9 not all parameters corrected · 10 done
QUALITY = {
    level: f"{letter} dwd-qn{level}"
    for level, letter in {1: "C", 2: "S", 3: "S", 5: "S", 7: "S", 8: "S", 9: "S", 10: "V"}.items()
}


def device_of(dwd_id: str, kind: str) -> str:
    """The name under which the station's data are kept: no hardware of ours is called like that."""
    return f"dwd-{dwd_id}" if kind == "daily" else f"dwd-{dwd_id}-{kind}"


def name_of(text: str) -> str:
    """A station's name from Latin-1, also where somebody has saved the file as UTF-8."""
    try:
        return text.encode("latin-1").decode("utf-8").strip()
    except UnicodeError:
        return text.strip()


def padded(dwd_id: str) -> str:
    """`1766` as the service's file names have it: 01766."""
    return dwd_id.strip().zfill(5)
