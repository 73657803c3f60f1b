"""What the bench asks of the API: where a station is, what a device is, what the others say, what has arrived.

The rule: no network is an answer; nothing here changes anything. Routes: docs/api.md.
"""

import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol
from urllib.parse import quote

from firmware.bench.checklist.link import has_arrived
from firmware.bench.identity.places import Row, standing
from firmware.bench.trouble import BenchError
from firmware.bench.words import say

Find = Callable[[str], Any]  # the body of GET, None for 404; raises BenchError
POLL_S = 2.0
OnWait = Callable[[float, float], None]  # (waited, at most), seconds


class Cloud(Protocol):
    """Every method raises BenchError where nobody can be asked."""

    def station(self, name: str) -> Mapping[str, Any] | None:
        """GeoJSON, None where it is not registered."""

    def device(self, name: str) -> Mapping[str, Any] | None:
        """Its row, None where it is not registered."""

    def latest(self) -> Mapping[str, Any]:
        """GeoJSON: the newest values of all stations."""

    def delivery(self, device: str) -> Mapping[str, Any] | None:
        """What has arrived."""


class Known(Protocol):
    """What is asked of firmware.bench.identity.registry.Registry."""

    def station(self, name: str) -> Row | None: ...

    def device(self, name: str) -> Row | None: ...

    def stays(self, device: str) -> list[Row]: ...


class Api:
    """The API's answers. `find`: firmware.bench.identity.registry.Online's."""

    def __init__(self, find: Find) -> None:
        self._find = find

    def station(self, name: str) -> Mapping[str, Any] | None:
        return self._some(f"/v1/stations/{quote(name, safe='')}")

    def device(self, name: str) -> Mapping[str, Any] | None:
        return self._some(f"/v1/devices/{quote(name, safe='')}")

    def latest(self) -> Mapping[str, Any]:
        return self._some("/v1/latest") or {"features": []}

    def delivery(self, device: str) -> Mapping[str, Any] | None:
        return self._some(f"/v1/devices/{quote(device, safe='')}/delivery")

    def _some(self, path: str) -> Mapping[str, Any] | None:
        found: Mapping[str, Any] | None = self._find(path)
        return found


class OnATrip:
    """What a trip's manifest knows; nobody can be asked what it does not. `at`: RFC 3339, now."""

    def __init__(self, known: Known, at: str) -> None:
        self._known, self._at = known, at

    def station(self, name: str) -> Mapping[str, Any] | None:
        row = self._known.station(name)
        if row is None or row.get("longitude") in (None, ""):
            return None
        where = [float(row["longitude"]), float(row["latitude"])]
        return {"id": name, "geometry": {"type": "Point", "coordinates": where}, "properties": dict(row)}

    def device(self, name: str) -> Mapping[str, Any] | None:
        row = self._known.device(name)
        if row is None:
            return None
        stay = standing(self._known.stays(name), self._at)
        return {**row, "station": stay["station"] if stay else None}

    def latest(self) -> Mapping[str, Any]:
        raise _no_network()

    def delivery(self, device: str) -> Mapping[str, Any] | None:
        raise _no_network()


def _no_network() -> BenchError:
    return BenchError(say("a manifest does not know that", "das weiß ein Manifest nicht"))


def until_arrived(
    cloud: Cloud,
    device: str,
    reading: tuple[int, int],
    limit_s: float,
    on_wait: OnWait = lambda done, of: None,
    pause: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> float | None:
    """After how many seconds the cloud had (generation, seq), None where not within `limit_s`. Raises BenchError."""
    begin = clock()
    while True:
        if has_arrived(cloud.delivery(device), *reading):
            return clock() - begin
        waited_s = clock() - begin
        on_wait(min(waited_s, limit_s), limit_s)
        if waited_s >= limit_s:
            return None
        pause(min(POLL_S, limit_s - waited_s))
