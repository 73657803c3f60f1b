"""What istSOS and its loggers write: time, procedure, then value and quality index of each observed property. Pure.

The header names the properties by URN (`urn:ogc:def:parameter:x-istsos:1.0:meteo:air:temperature`). A quality index of
100 means raw, and what the others mean is each instance's own, so values are judged here.
https://istsos.org/en/v2.4.1/doc/qualityindex.html
"""

from collections.abc import Iterable, Iterator
from math import isfinite

from cloud.transfer.csv_text import CsvText, parsed
from cloud.transfer.rows import Row, Tally, UnreadableFile, ValueRow
from cloud.transfer.times import rfc3339_ms
from schemas.channels import is_name

START = "urn:ogc:def:parameter:x-istsos"
_TIME = "time:iso8601"
_PROCEDURE = "urn:ogc:def:procedure"
_PROPERTIES = {
    "meteo:air:temperature": "air_temperature",
    "meteo:air:humidity": "relative_humidity",
    "meteo:air:humidity:relative": "relative_humidity",
    "meteo:air:pressure": "air_pressure",
    "meteo:air:rainfall": "precipitation",
    "meteo:air:wind:velocity": "wind_speed",
    "meteo:air:wind:speed": "wind_speed",
    "meteo:air:wind:direction": "wind_direction",
    "meteo:solar:radiation": "solar_irradiance",
    "meteo:soil:temperature": "soil_temperature",
    "river:water:height": "water_level",
    "river:water:temperature": "water_temperature",
}
_MISSING = ("", "-999.9", "-999.900000", "-999", "NaN", "nan")


class IstSos:
    """A parser for text lines. Raises UnreadableFile where nothing in it is measured here."""

    def __init__(self, lines: Iterable[str], device: str | None = None) -> None:
        self._text = CsvText(lines)
        self.header = tuple(self._text.header)
        tails = [name.partition(":1.0:")[2] for name in self.header]
        self._columns = [(n, _PROPERTIES[tail]) for n, tail in enumerate(tails) if tail in _PROPERTIES]
        self.not_taken = tuple(
            tail for tail in tails if tail and tail not in _PROPERTIES and tail != _TIME and "qualityIndex" not in tail
        )
        if _TIME not in tails or _PROCEDURE not in self.header or not self._columns:
            raise UnreadableFile(f"it needs a time, a procedure and one of {', '.join(_PROPERTIES)}")
        self._time_at, self._procedure_at = tails.index(_TIME), self.header.index(_PROCEDURE)
        self._device = device

    def rows(self, tally: Tally) -> Iterator[Row]:
        """In the order of the file; the station of a row is the procedure's name."""
        return parsed(self._text, lambda line, cells: self._values(line, cells, tally))

    def _values(self, line: int, cells: list[str], tally: Tally) -> list[Row]:
        procedure = cells[self._procedure_at].strip()
        time_ms = rfc3339_ms(cells[self._time_at].strip())
        device = self._device or f"istsos-{procedure}"
        if not is_name(device):
            raise ValueError(f"'{procedure}' cannot be part of a device's name: use --device")
        found: list[Row] = []
        for n, channel in self._columns:
            text = cells[n].strip()
            if text in _MISSING:
                tally.missing += 1
                tally.missing_by_column[channel] += 1
                continue
            try:
                value = float(text)
            except ValueError:
                value = float("nan")
            if not isfinite(value):
                raise ValueError(f"{channel} is '{text}', not a number")
            found.append(ValueRow(line, procedure, device, time_ms, channel, value))
        return found
