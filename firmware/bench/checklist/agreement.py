"""One sensor against the other, and the pressure against the height. Pure.

The rule: two sensors may differ by what both makers allow and by what the air in one box may. Temperature and humidity
are compared by their dew point: warm electronics change both and not it. Sources: accuracy.py (datasheets), air.py.
"""

from collections.abc import Sequence
from itertools import combinations
from statistics import mean
from typing import NamedTuple

from firmware.bench.checklist import air
from firmware.bench.checklist.accuracy import ACCURACY, Within
from firmware.bench.checklist.asking import Fact
from firmware.bench.checklist.check import Check, green, red, together, yellow
from firmware.bench.checklist.sensible import Config, series_of
from firmware.bench.checklist.units import name_of, number, shown, with_unit
from firmware.bench.words import say
from schemas.quantities import BY_NAME

IN_ONE_BOX = {"air_temperature": 0.5, "air_pressure": 0.2, "co2": 50.0}  # between two sensors; assumed
DEW_POINT_SLACK_K = 0.5
OVER_AIR_K = 0.2  # a dew point so much above the temperature: 101 % are 0.17 K
BROKEN_K = 5.0  # two air temperatures so far apart: one of them does not measure air
DRY_PERCENT = 10.0  # below, a dew point says nothing
TEMPERATE_DEGC = 10.0  # where a pressure is reduced and nobody knows the temperature
NAME = "agreement"
_UNKNOWN = {"air_temperature": Within(1.0), "relative_humidity": Within(5.0)}  # a chip without figures


class Told(NamedTuple):
    """A sensor's means over all rounds, by quantity."""

    name: str
    chip: str
    means: dict[str, float]

    def within(self, quantity: str) -> float:
        known = ACCURACY.get(self.chip, {}).get(quantity) or _UNKNOWN.get(quantity)
        return known.of(self.means[quantity]) if known else 0.0


def agreement(config: Config, rounds: Sequence[Fact], elevation_m: float | None) -> Check | None:
    """All that can be compared as one check, None where nothing can. `elevation_m`: of the station above the sea."""
    told = [_told(name, rule, rounds) for name, rule in config["sensors"].items()]
    found = [check for a, b in combinations(told, 2) for check in _pair(a, b)]
    found += [check for one in told for check in _alone(one, elevation_m)]
    if not found:
        return None
    return together(NAME, found, say("%s comparisons agree", "%s Vergleiche stimmen", len(found)))


def _told(name: str, rule: Config, rounds: Sequence[Fact]) -> Told:
    series = series_of(rule, rounds)
    return Told(name, rule["chip"], {channel.split("@")[0]: mean(some) for channel, some in series.items()})


def _pair(a: Told, b: Told) -> list[Check]:
    out = [_two(quantity, a, b) for quantity in sorted(IN_ONE_BOX) if quantity in a.means and quantity in b.means]
    if _is_humid(a) and _is_humid(b):
        out.append(_dew_points(a, b))
    return out


def _alone(one: Told, elevation_m: float | None) -> list[Check]:
    out = []
    if "air_temperature" in one.means and "relative_humidity" in one.means:
        out.append(_dew_point(one))
    if "air_pressure" in one.means and elevation_m is not None:
        out.append(_pressure(one, elevation_m))
    return out


def _two(quantity: str, a: Told, b: Told) -> Check:
    allowed = IN_ONE_BOX[quantity] + a.within(quantity) + b.within(quantity)
    off = abs(a.means[quantity] - b.means[quantity])
    values = {f"{quantity} {a.name} {b.name}": {"differ": round(off, 3), "allowed": round(allowed, 3)}}
    if off <= allowed:
        return green(NAME, "", values)
    unit = "K" if quantity == "air_temperature" else BY_NAME[quantity].unit
    reason = say(
        "%s: %s %s, %s %s; up to %s apart would be right", "%s: %s %s, %s %s; bis zu %s Abstand wäre richtig",
        name_of(quantity), a.name, shown(quantity, a.means[quantity]), b.name, shown(quantity, b.means[quantity]),
        with_unit(allowed, unit),
    )  # fmt: skip
    is_broken = quantity == "air_temperature" and off > BROKEN_K
    return (red if is_broken else yellow)(NAME, reason, _same_air(), values)


def _is_humid(one: Told) -> bool:
    """Whether its dew point says something."""
    means = one.means
    return (
        "air_temperature" in means
        and "relative_humidity" in means
        and means["relative_humidity"] - one.within("relative_humidity") >= DRY_PERCENT
    )


def _dew_points(a: Told, b: Told) -> Check:
    (low_a, high_a), (low_b, high_b) = _dew_point_span(a), _dew_point_span(b)
    gap_k = max(low_a, low_b) - min(high_a, high_b)
    values = {f"dew_point {a.name} {b.name}": {"gap_k": round(gap_k, 2), "allowed_k": DEW_POINT_SLACK_K}}
    if gap_k <= DEW_POINT_SLACK_K:
        return green(NAME, "", values)
    reason = say(
        "the dew points of %s and %s are %s further apart than their makers allow",
        "die Taupunkte von %s und %s liegen %s weiter auseinander, als die Hersteller erlauben",
        a.name, b.name, with_unit(gap_k, "K"),
    )  # fmt: skip
    return yellow(NAME, reason, _same_air(), values)


def _dew_point_span(one: Told) -> tuple[float, float]:
    degc, percent = one.means["air_temperature"], one.means["relative_humidity"]
    k, rh = one.within("air_temperature"), one.within("relative_humidity")
    return air.dew_point_degc(degc - k, percent - rh), air.dew_point_degc(degc + k, min(100.0, percent + rh))


def _dew_point(one: Told) -> Check:
    degc = one.means["air_temperature"]
    dew_degc = air.dew_point_degc(degc, one.means["relative_humidity"])
    values = {f"dew_point {one.name}": round(dew_degc, 2)}
    if dew_degc <= degc + OVER_AIR_K:
        return green(NAME, "", values)
    reason = say(
        "the dew point of %s, %s, is above its temperature", "der Taupunkt von %s, %s, liegt über seiner Temperatur",
        one.name, shown("air_temperature", dew_degc),
    )  # fmt: skip
    return yellow(NAME, reason, say("it is wet: let it dry", "er ist nass: trocknen lassen"), values)


def _pressure(one: Told, elevation_m: float) -> Check:
    hpa = one.means["air_pressure"]
    sea_hpa = air.at_sea_level_hpa(hpa, elevation_m, one.means.get("air_temperature", TEMPERATE_DEGC))
    values = {f"air_pressure {one.name}": {"at_sea_level_hpa": round(sea_hpa, 1), "elevation_m": elevation_m}}
    if air.LOWEST_SEA_LEVEL_HPA <= sea_hpa <= air.HIGHEST_SEA_LEVEL_HPA:
        return green(NAME, "", values)
    reason = say(
        "%s at %s m would be %s at sea level, which no weather makes",
        "%s auf %s m wären %s auf Meereshöhe, was kein Wetter macht",
        shown("air_pressure", hpa), number(elevation_m, 0), shown("air_pressure", sea_hpa),
    )  # fmt: skip
    way_out = say(
        "is the station's elevation right? Else replace %s", "stimmt die Höhe der Station? Sonst %s tauschen", one.name
    )
    return red(NAME, reason, way_out, values)


def _same_air() -> str:
    return say(
        "wait until both have the same air; then replace the one that is wrong",
        "warten, bis beide dieselbe Luft haben; danach den falschen tauschen",
    )
