"""What the board says beside what the stations around say now: a `GET /v1/latest`. Pure.

The rule: a comparison needs three stations near by with values of the last hour that no check has doubted; where there
are fewer, that is said and nothing is judged. Compared is with the median, and allowed are three robust standard
deviations of the neighbours (1.4826 times the median absolute deviation), at least what a city's air differs by, and
what the sensor may be wrong by. It is a hint, never red: a box on a bench is warm and dry. Pressure is compared at sea
level. Three of MAD: Hampel's identifier, as Napoly et al. 2018 (CrowdQC) use it with city stations; the least widths
are ours, after the spread that they find in Berlin and Toulouse.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from statistics import mean, median
from typing import Any, NamedTuple

from firmware.bench.checklist import air
from firmware.bench.checklist.accuracy import ACCURACY
from firmware.bench.checklist.asking import Fact
from firmware.bench.checklist.check import Check, green, together, yellow
from firmware.bench.checklist.sensible import Config, series_of
from firmware.bench.checklist.units import name_of, number, shown, with_unit
from firmware.bench.words import say
from schemas.quantities import BY_NAME

NAME = "neighbours"
NEAR_KM, FRESH_S, ENOUGH = 10.0, 3600.0, 3
MAD_SHARE, TIMES = 1.4826, 3.0
LEAST = {"air_temperature": 3.0, "relative_humidity": 15.0, "air_pressure": 1.5}  # K, %, hPa
DOUBTED = ("Q", "X", "B")


class Spot(NamedTuple):
    """Where the board stands. `elevation_m`: above the sea, None where nobody knows."""

    station: str
    longitude: float
    latitude: float
    elevation_m: float | None


class _Near(NamedTuple):
    """What stations near by say of a quantity, and why others do not count."""

    values: list[float]
    far: int
    old: int


def neighbours(
    config: Config, rounds: Sequence[Fact], spot: Spot | None, latest: Mapping[str, Any] | None, now: datetime
) -> Check | None:
    """None where the board measures nothing that could be compared. `latest`: None where nobody could be asked."""
    told = _told(config, rounds)
    if not told:
        return None
    again = say("verify again online", "online noch einmal prüfen")
    if latest is None:
        return yellow(NAME, say("not asked", "nicht gefragt"), again)
    if spot is None:
        return yellow(NAME, say("not compared: nobody knows where it stands", "nicht verglichen: Standort unbekannt"),
                      say("name its station: --station", "die Station nennen: --station"))  # fmt: skip
    found, few = [], []
    for channel, chip, value in told:
        near = _near(channel.split("@")[0], spot, latest, now)
        if len(near.values) < ENOUGH:
            few.append((channel, near))
        else:
            found.append(_one(channel, chip, value, spot, near))
    compared = ", ".join(name_of(channel) for one in found for channel in one.values)
    return together(
        NAME,
        found + ([_too_few(few)] if few else []),
        say("like the stations around: %s", "wie die Stationen ringsum: %s", compared),
    )


def _too_few(few: Sequence[tuple[str, _Near]]) -> Check:
    """One sentence for all that cannot be compared; the figures are of the quantity that most stations have."""
    most = max((near for _, near in few), key=lambda near: (len(near.values), near.old, near.far))
    reason = say(
        "not compared: %s; %s stations within %s km say something fresh (%s are further, %s old or doubted)",
        "nicht verglichen: %s; %s Stationen im Umkreis von %s km sagen etwas Frisches (%s weiter weg, %s alt"
        " oder angezweifelt)",
        ", ".join(name_of(channel) for channel, _ in few), len(most.values), number(NEAR_KM, 0), most.far, most.old,
    )  # fmt: skip
    return yellow(NAME, reason, say("compare it with a device of your own", "mit einem eigenen Gerät vergleichen"))


def _told(config: Config, rounds: Sequence[Fact]) -> list[tuple[str, str, float]]:
    """(channel, chip, mean) of what can be compared, of each quantity the first sensor without a place."""
    out: dict[str, tuple[str, str, float]] = {}
    for rule in sorted(config["sensors"].values(), key=lambda rule: bool(rule["place"])):
        for channel, some in series_of(rule, rounds).items():
            quantity = channel.split("@")[0]
            if quantity in LEAST:
                out.setdefault(quantity, (channel, rule["chip"], mean(some)))
    return [out[quantity] for quantity in LEAST if quantity in out]


def _one(channel: str, chip: str, value: float, spot: Spot, near: _Near) -> Check:
    quantity = channel.split("@")[0]
    is_pressure = quantity == "air_pressure"
    if is_pressure and spot.elevation_m is None:
        return yellow(
            NAME,
            say(
                "air pressure not compared: the station has no elevation",
                "Luftdruck nicht verglichen: die Station hat keine Höhe über dem Meer",
            ),
            say("enter its elevation_m in the registry", "elevation_m im Register eintragen"),
        )
    own = air.at_sea_level_hpa(value, spot.elevation_m or 0.0, 10.0) if is_pressure else value
    middle = median(near.values)
    mad = median(abs(one - middle) for one in near.values)
    within = ACCURACY.get(chip, {}).get(quantity)
    allowed = max(TIMES * MAD_SHARE * mad, LEAST[quantity]) + (within.of(value) if within else 0.0)
    values = {
        channel: {
            "own": round(own, 2),
            "median": round(middle, 2),
            "stations": len(near.values),
            "allowed": round(allowed, 2),
        }
    }
    if abs(own - middle) <= allowed:
        return green(NAME, "", values)
    unit = "K" if quantity == "air_temperature" else BY_NAME[quantity].unit
    reason = say(
        "%s: %s here, %s at %s stations around; up to %s would be usual",
        "%s: %s hier, %s an %s Stationen ringsum; bis zu %s wäre üblich",
        name_of(channel), shown(channel, own), shown(channel, middle), len(near.values), with_unit(allowed, unit),
    )  # fmt: skip
    way_out = say("has the box been outdoors in the shade for a while? Then look at this sensor",
                  "war der Kasten schon eine Weile draußen im Schatten? Dann diesen Sensor ansehen")  # fmt: skip
    return yellow(NAME, reason, way_out, values)


def _near(quantity: str, spot: Spot, latest: Mapping[str, Any], now: datetime) -> _Near:
    values, far, old = [], 0, 0
    for feature in latest["features"]:
        told = [one for channel, one in feature["properties"]["values"].items() if channel.split("@")[0] == quantity]
        if not told or feature["id"] == spot.station:
            continue
        elevation_m = feature["properties"].get("elevation_m")
        longitude, latitude = feature["geometry"]["coordinates"][:2]
        if air.distance_km((longitude, latitude), (spot.longitude, spot.latitude)) > NEAR_KM:
            far += 1
        elif quantity == "air_pressure" and elevation_m is None:
            old += 1
        elif fresh := [one for one in told if _is_good(one, now)]:
            value = mean(one["value"] for one in fresh)
            values.append(air.at_sea_level_hpa(value, elevation_m, 10.0) if quantity == "air_pressure" else value)
        else:
            old += 1
    return _Near(values, far, old)


def _is_good(one: Mapping[str, Any], now: datetime) -> bool:
    age_s = (now - datetime.fromisoformat(one["time"])).total_seconds()
    return -FRESH_S <= age_s <= FRESH_S and one["quality"] not in DOUBTED
