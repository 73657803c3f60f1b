"""What several counters or rain gauges at one place add together. Pure.

Every stretch of time counts once. Devices that report side by side, none silent for longer than LIVE_MS, count as
their mean; so a swap adds up and a second gauge does not double the rain. After a longer silence a device counts for
the time of which no other has told, in proportion. A share depends on the readings alone, never on the interval or the
range asked for, so hours add up to their day.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise

from cloud.counters import Added

LIVE_MS = 3 * 3_600_000  # a device that was silent for longer does not count as reporting meanwhile


class _Track:
    """How far a device has come, and the recent stretches in which it was never silent for longer than LIVE_MS."""

    __slots__ = ("first_ms", "last_ms", "stretches")

    def __init__(self, first_ms: int) -> None:
        self.first_ms = first_ms
        self.last_ms = first_ms
        self.stretches: list[tuple[int, int]] = []

    def goes_on(self, since_ms: int, time_ms: int) -> None:
        if self.stretches and self.stretches[-1][1] == since_ms:
            since_ms, _ = self.stretches.pop()
        self.stretches.append((since_ms, time_ms))
        while self.stretches[0][1] < time_ms - 2 * LIVE_MS:
            del self.stretches[0]


_Stretches = list[tuple[int, int]]
_Waiting = tuple[Added, tuple[str, str], _Stretches]


def shared(added: Iterable[Added]) -> Iterator[Added]:
    """The same, in the same order, each amount cut to its share; one waits until the others are known, LIVE_MS at most.

    What lies within LIVE_MS of the end may still get another share by later readings.
    """
    tracks: dict[tuple[str, str], _Track] = {}
    waiting: deque[_Waiting] = deque()
    for one in added:
        key = one.value.device, one.source
        told: _Stretches = []
        if one.used:
            track = tracks.get(key) or tracks.setdefault(key, _Track(one.first_ms))
            if _is_live(one):
                track.goes_on(one.since_ms or 0, one.value.time_ms)
            elif len(tracks) > 1:
                told = [(other.first_ms, other.last_ms) for name, other in tracks.items() if name != key]
            track.last_ms = one.value.time_ms
        if len(tracks) <= 1 and not waiting:
            yield one
            continue
        waiting.append((one, key, told))
        while waiting and _settled(waiting[0], tracks, one.value.time_ms):
            yield _cut(waiting.popleft(), tracks)
    for left in waiting:
        yield _cut(left, tracks)


def _is_live(one: Added) -> bool:
    return one.amount is not None and one.since_ms is not None and one.value.time_ms - one.since_ms <= LIVE_MS


def _settled(waiting: _Waiting, tracks: dict[tuple[str, str], _Track], now_ms: int) -> bool:
    """Whether no other device can still turn out to have reported side by side."""
    one, key, _ = waiting
    if one.amount is None:
        return True
    return all(
        name == key or track.last_ms >= one.value.time_ms or now_ms - track.last_ms > LIVE_MS
        for name, track in tracks.items()
    )


def _cut(waiting: _Waiting, tracks: dict[tuple[str, str], _Track]) -> Added:
    one, key, told = waiting
    if one.amount is None:
        return one
    others = [stretch for name, track in tracks.items() if name != key for stretch in track.stretches]
    time_ms, since_ms = one.value.time_ms, one.since_ms
    if since_ms is None or since_ms >= time_ms:
        share = float(not any(first <= time_ms <= last for first, last in others + told))
    elif _is_live(one):
        share = _mean(since_ms, time_ms, others, lambda n: 1 / (1 + n))
    else:
        share = _mean(since_ms, time_ms, others + told, lambda n: float(not n))
    return one if share == 1 else one._replace(amount=one.amount * share)


def _mean(start_ms: int, end_ms: int, stretches: _Stretches, of: Callable[[int], float]) -> float:
    """The mean over [start, end) of a function of how many of the stretches are under way."""
    borders = {border for stretch in stretches for border in stretch if start_ms < border < end_ms}
    whole = 0.0
    for left, right in pairwise(sorted(borders | {start_ms, end_ms})):
        whole += (right - left) * of(sum(first <= left and right <= last for first, last in stretches))
    return whole / (end_ms - start_ms)
