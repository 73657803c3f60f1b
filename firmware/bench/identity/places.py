"""Where a device stands and from when: the rows of deployments.csv that a move makes. Pure.

The rule: a device is at one place at a time. Whoever goes on to another place ends the stay before at the same moment;
what the registry knows of earlier times stays as it is. Times are RFC 3339, as the registry writes them; a stay without
`from` began nobody knows when.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

Row = dict[str, Any]
BEGINNING = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Place:
    """A device at a station from `at` (RFC 3339); None is not said."""

    station: str
    device: str
    at: str
    height_m: float | None = None
    note: str | None = None


def moment(text: str | None) -> datetime:
    """The time of a row's `from`."""
    return BEGINNING if not text else datetime.fromisoformat(text).astimezone(UTC)


def standing(stays: Sequence[Row], at: str) -> Row | None:
    """The stay of one device at a time."""
    now = moment(at)
    for stay in stays:
        if moment(stay["from"]) <= now and (not stay.get("to") or moment(stay["to"]) > now):
            return stay
    return None


def arriving(stays: Sequence[Row], place: Place) -> list[Row]:
    """The rows that put a device there, in their order. [] where it stands there and nothing more is said.

    What is planned for later stays so: the new stay ends where that begins.
    """
    said = {name: value for name in ("height_m", "note") if (value := getattr(place, name)) is not None}
    now = standing(stays, place.at)
    if now is not None and now["station"] == place.station:
        same = all(now.get(name) == value for name, value in said.items())
        return [] if same else [{"station": place.station, "device": place.device, "from": now["from"], **said}]
    planned = later(stays, place.at)
    until = {"to": planned[0]["from"]} if planned else {}
    return [
        *leaving(stays, place.device, place.at),
        {"station": place.station, "device": place.device, "from": place.at, **until, **said},
    ]


def later(stays: Sequence[Row], at: str) -> list[Row]:
    """The stays that begin after a time, by time."""
    return sorted((stay for stay in stays if moment(stay["from"]) > moment(at)), key=lambda stay: moment(stay["from"]))


def leaving(stays: Sequence[Row], device: str, at: str) -> list[Row]:
    """The row that ends a device's stay; [] where it stands nowhere."""
    now = standing(stays, at)
    return [] if now is None else [{"station": now["station"], "device": device, "from": now["from"], "to": at}]


def after(stays: Sequence[Row], rows: Sequence[Row]) -> list[Row]:
    """The stays of one device once these rows are taken over."""
    known = {stay["from"]: dict(stay) for stay in stays}
    for row in rows:
        known[row["from"]] = {"to": None, "height_m": None, "note": None, **known.get(row["from"], {}), **row}
    return sorted(known.values(), key=lambda stay: moment(stay["from"]))


def of_device(stays: Sequence[Row], device: str) -> list[Row]:
    """Of the stays of all devices those of one."""
    return [stay for stay in stays if stay["device"] == device]


def standing_at(stays: Sequence[Row], station: str, at: str) -> list[str]:
    """The devices that are at a station at a time, of the stays of all."""
    names = dict.fromkeys(stay["device"] for stay in stays if stay["station"] == station)
    here = {name: standing(of_device(stays, name), at) for name in names}
    return sorted(name for name, stay in here.items() if stay is not None and stay["station"] == station)
