"""Numbers, units, times and ages as people of either language write them. Pure.

German after DIN 5008 and DIN 1333: decimal comma, a narrow space between thousands and before a unit, `Uhr`; half is
rounded up, in the decimal digits that a value is written with (13.25 is 13,3), not in its binary ones.
"""

import re
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import ROUND_HALF_UP, Context, Decimal

from cloud.pages.texts import TEXTS
from schemas.channels import split
from schemas.quantities import VECTOR, Quantity

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NARROW = "\u202f"
_EXACT = Context(prec=400)  # every float has fewer digits before and behind the point
_DECIMALS = {"°C": 1, "hPa": 1, "m/s": 1, "mm": 1, "V": 2, "dB(A)": 1, "kWh": 1, "m³": 1, "1": 1}  # else 0
_COMPASS = {
    "de": ["N", "NNO", "NO", "ONO", "O", "OSO", "SO", "SSO", "S", "SSW", "SW", "WSW", "W", "WNW", "NW", "NNW"],
    "en": ["N", "NNE", "NE", "ENE", "E", "ESE", "SE", "SSE", "S", "SSW", "SW", "WSW", "W", "WNW", "NW", "NNW"],
}
_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]


class Wording:
    """How one language in one time zone writes things."""

    def __init__(self, lang: str, zone: tzinfo) -> None:
        self.lang = lang
        self.zone = zone
        self._texts = TEXTS[lang]

    def number(self, value: float, decimals: int) -> str:
        """With a true minus, and never minus zero."""
        rounded = Decimal(repr(abs(value))).quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP, _EXACT)
        text = f"{rounded:,f}".replace(",", _NARROW if rounded >= 10_000 else "")
        minus = "\u2212" if value < 0 and any(digit in "123456789" for digit in text) else ""
        return minus + (text.replace(".", ",") if self.lang == "de" else text)

    def value(self, quantity: Quantity, value: float) -> str:
        """The number alone, or the point of the compass."""
        if quantity.kind == VECTOR:
            return _COMPASS[self.lang][round(value / 22.5) % 16]
        return self.number(value, self.decimals(quantity))

    def decimals(self, quantity: Quantity) -> int:
        """How many digits are shown behind the comma."""
        return _DECIMALS.get(quantity.unit, 0)

    def unit(self, quantity: Quantity) -> str:
        """As it stands behind the value; a direction and an index have none."""
        return "" if quantity.kind == VECTOR or quantity.unit == "1" else str(quantity.unit)

    def amount(self, quantity: Quantity, value: float) -> str:
        """Value and unit."""
        unit = self.unit(quantity)
        return self.value(quantity, value) + (_NARROW + unit if unit else "")

    def metres(self, value: float) -> str:
        """A length in metres, with decimals where it has any."""
        return self.number(value, 0 if float(value).is_integer() else 1) + _NARROW + "m"

    def channel(self, channel: str) -> str:
        """`soil_moisture@30cm` → Bodenfeuchte (Volumenanteil), 30 cm."""
        quantity, place = split(channel)
        name: str = quantity.label_de if self.lang == "de" else quantity.label_en
        name = name[0].upper() + name[1:]
        if not place:
            return name
        place = re.sub(r"(\d)(cm|m)$", rf"\1{_NARROW}\2", place)
        return f"{name}, {place.replace('.', ',') if self.lang == 'de' else place}"

    def date_time(self, time_ms: int) -> str:
        """22.11.2026, 11:15 Uhr"""
        local = self._local(time_ms)
        if self.lang == "de":
            return f"{local:%d.%m.%Y, %H:%M} Uhr"
        return f"{local.day} {_MONTHS[local.month - 1]} {local:%Y, %H:%M}"

    def clock(self, time_ms: int) -> str:
        """11:15"""
        return f"{self._local(time_ms):%H:%M}"

    def age(self, time_ms: int, now_ms: int) -> str:
        """vor 6 Min."""
        minutes = (now_ms - time_ms) // 60_000
        if minutes < 2:
            return self._texts["just_now"]
        if minutes < 60:
            return self._texts["minutes_ago"].format(n=minutes)
        if minutes < 36 * 60:
            return self._texts["hours_ago"].format(n=minutes // 60)
        days = minutes // 1440
        return self._texts["day_ago"] if days == 1 else self._texts["days_ago"].format(n=days)

    def _local(self, time_ms: int) -> datetime:
        return (_EPOCH + timedelta(milliseconds=time_ms)).astimezone(self.zone)
