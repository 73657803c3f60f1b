"""The German Weather Service's current observations of a station, `…-BEOB.csv`: the last day, hour by hour. Pure.

UTF-8, `;`, decimal comma, `---` for missing, the newest first, days as dd.mm.yy, times in UTC. Three lines of header:
names, the station's WMO number with units, German names. Speeds are whole km/h and become m/s with one digit.
https://opendata.dwd.de/weather/weather_reports/poi/
"""

import re
from collections.abc import Iterable, Iterator

from cloud.transfer.csv_text import CsvText, parsed
from cloud.transfer.rows import BadRow, Row, Tally, UnreadableFile, ValueRow
from cloud.transfer.times import rfc3339_ms
from schemas.channels import is_name

_COLUMNS = {
    "dry_bulb_temperature_at_2_meter_above_ground": "air_temperature",
    "temperature_at_5_cm_above_ground": "air_temperature@5cm",
    "relative_humidity": "relative_humidity",
    "pressure_reduced_to_mean_sea_level": "air_pressure@msl",
    "mean_wind_speed_during last_10_min_at_10_meters_above_ground": "wind_speed",
    "mean_wind_direction_during_last_10 min_at_10_meters_above_ground": "wind_direction",
    "maximum_wind_speed_last_hour": "wind_gust",
    "precipitation_amount_last_hour": "precipitation",
    "global_radiation_last_hour": "solar_irradiance",
    "diffuse_solar_radiation_last_hour": "solar_irradiance@diffuse",
    "sea/water_temperature": "water_temperature",
}
_UNITS = {"km/h": 1 / 3.6, "m/s": 1.0, "Grad C": 1.0, "%": 1.0, "hPa": 1.0, "Grad": 1.0, "mm": 1.0, "W/m2": 1.0}
_DAY = re.compile(r"(\d\d)\.(\d\d)\.(\d\d)", re.ASCII)
_CLOCK = re.compile(r"\d\d:\d\d", re.ASCII)


def number_in(head: str) -> str | None:
    """The station's WMO number from the beginning of a file."""
    lines = head.splitlines()
    return lines[1].partition(";")[0].strip().rstrip("_") or None if len(lines) > 1 else None


class Beob:
    """A parser for text lines. Raises UnreadableFile where it is no such file."""

    def __init__(self, lines: Iterable[str], device: str | None = None) -> None:
        text = CsvText(lines)
        self.header = tuple(text.header)
        self._rows = iter(text)
        units, german = next(self._rows, None), next(self._rows, None)
        if units is None or german is None or isinstance(units, BadRow) or isinstance(german, BadRow):
            raise UnreadableFile("it ends within its three lines of header")
        self.wmo_id = units[1][0].strip().rstrip("_")
        if not is_name(self.wmo_id):
            raise UnreadableFile(f"'{self.wmo_id}' in its second line is not the number of a station")
        self._device = device or f"beob-{self.wmo_id}"
        self._columns = []
        for n, name in enumerate(self.header):
            unit = units[1][n].strip()
            if name in _COLUMNS and unit not in _UNITS:
                raise UnreadableFile(f"column '{name}' is in '{unit}', which is not one of {', '.join(_UNITS)}")
            if name in _COLUMNS:
                self._columns.append((n, name, _COLUMNS[name], unit))
        self.not_taken = tuple(name for name in self.header[2:] if name not in _COLUMNS)

    def rows(self, tally: Tally) -> Iterator[Row]:
        """In the order of the file; the station of a row is the WMO number."""
        return parsed(self._rows, lambda line, cells: self._values(line, cells, tally))

    def _values(self, line: int, cells: list[str], tally: Tally) -> list[Row]:
        day, clock = _DAY.fullmatch(cells[0].strip()), cells[1].strip()
        if day is None or not _CLOCK.fullmatch(clock):
            raise ValueError(f"'{cells[0]} {clock}' is not a time like 12.04.23 11:00")
        time_ms = rfc3339_ms(f"20{day[3]}-{day[2]}-{day[1]}T{clock}:00Z")
        found: list[Row] = []
        for n, name, channel, unit in self._columns:
            text = cells[n].strip()
            if text in ("---", ""):
                tally.missing += 1
                tally.missing_by_column[name] += 1
                continue
            try:
                value = float(text.replace(",", "."))
            except ValueError:
                raise ValueError(f"{name} is '{text}', not a number") from None
            if unit == "km/h":
                value = round(value * _UNITS[unit], 1)
            found.append(ValueRow(line, self.wmo_id, self._device, time_ms, channel, value))
        return found
