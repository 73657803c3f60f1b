"""Where a device was at a time: deployments as intervals. Pure.

The rule: a reading belongs to the deployment that covers its time. A deployment whose start is only assumed (the
device was registered after it had begun to send) also takes what came before it. Between deployments: nowhere.
"""

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass


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

    def next_ms(self, device: str, time_ms: int) -> int | None:
        """When the first deployment behind a time begins."""
        return min((start for start in self._starts.get(device, ()) if start > time_ms), default=None)


def overlap(stays: Iterable[Stay]) -> tuple[Stay, Stay] | None:
    """Two stays of one device that overlap, or None. An assumed start takes all that came before."""
    last: dict[str, Stay] = {}
    for stay in sorted(stays, key=lambda s: (s.device, not s.assumed_start, s.since_ms)):
        before = last.get(stay.device)
        if before is not None and (before.until_ms is None or before.until_ms > stay.since_ms or stay.assumed_start):
            return before, stay
        last[stay.device] = stay
    return None
