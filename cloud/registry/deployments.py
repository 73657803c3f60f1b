"""Where a device was at a time: deployments as intervals. Pure.

The rule: a reading belongs to the deployment that covers its time. A deployment whose start is only assumed (the
device was registered after it had begun to send) also takes what came before it. Between deployments: nowhere.
"""

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from math import inf


@dataclass(frozen=True, slots=True)
class Stay:
    """A device at a station, [since, until) in milliseconds; until None: still there."""

    device: str
    station: str
    since_ms: int
    until_ms: int | None = None
    assumed_start: bool = False
    height_m: float | None = None
    note: str | None = None


class Whereabouts:
    """Stations of every device over time, for quick look-up."""

    def __init__(self, stays: Iterable[Stay]) -> None:
        self._stays: dict[str, list[Stay]] = {}
        for stay in sorted(stays, key=lambda s: s.since_ms):
            self._stays.setdefault(stay.device, []).append(stay)
        self._starts = {device: [s.since_ms for s in stays] for device, stays in self._stays.items()}

    def station(self, device: str, time_ms: int) -> str | None:
        """The station of a device at a time, None where it stood nowhere."""
        stay = self.stay(device, time_ms)
        return None if stay is None else stay.station

    def stay(self, device: str, time_ms: int) -> Stay | None:
        """The deployment of a device that covers a time."""
        stays = self._stays.get(device)
        if not stays:
            return None
        n = bisect_right(self._starts[device], time_ms) - 1
        if n < 0:
            return stays[0] if stays[0].assumed_start else None
        stay = stays[n]
        return stay if stay.until_ms is None or time_ms < stay.until_ms else None

    def reach(self, device: str, time_ms: int) -> tuple[str, float, float] | None:
        """The station at a time, and [from, to) in which it is the same one."""
        stay = self.stay(device, time_ms)
        if stay is None:
            return None
        first = stay.assumed_start and stay is self._stays[device][0]
        later = next((one.since_ms for one in self._stays[device] if one.since_ms > stay.since_ms), inf)
        until = inf if stay.until_ms is None else stay.until_ms
        return stay.station, -inf if first else stay.since_ms, min(until, later)

    def next_ms(self, device: str, time_ms: int) -> int | None:
        """When the first deployment behind a time begins."""
        return min((start for start in self._starts.get(device, ()) if start > time_ms), default=None)


def overlaps(stays: Iterable[Stay]) -> list[tuple[Stay, Stay]]:
    """Stays that overlap with an earlier one of their device, as pairs. An assumed start takes all that came before."""
    found = []
    longest: dict[str, Stay] = {}  # of those that began already, the one that ends last
    for stay in sorted(stays, key=lambda s: (s.device, not s.assumed_start, s.since_ms)):
        before = longest.get(stay.device)
        if before is None:
            longest[stay.device] = stay
            continue
        if before.until_ms is None or before.until_ms > stay.since_ms or stay.assumed_start:
            found.append((before, stay))
        if before.until_ms is not None and (stay.until_ms is None or stay.until_ms > before.until_ms):
            longest[stay.device] = stay
    return found
