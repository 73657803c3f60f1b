"""Rate of change at the door: what each device had sent last, and what its next readings are worth beside it. Pure.

What is remembered is only trusted where it is as new as the ledger's newest of that device; else the store is asked
(`remind`). A reading from before the newest is compared with those that came with it, not with what is stored.
"""

from collections.abc import Collection, Iterable, Mapping
from itertools import islice
from operator import gt, sub
from typing import NamedTuple

from cloud.judge import COARSE, FAILED_STEP, is_step, step_within_a_minute
from cloud.store.model import Latest, Point

_DEVICES_MAX = 100_000
_CHANNELS_MAX = 256  # of a device, and ten times as many combinations of them: names are the devices' own


class _Last(NamedTuple):
    """The newest time of a device, and by channel the last value that was not doubted, with its time."""

    time_ms: int
    values: dict[str, tuple[int, float]]


class Steps:
    """Of all devices that a replica meets."""

    def __init__(self) -> None:
        self._last: dict[str, _Last] = {}
        self._minutes: dict[tuple[str, ...], tuple[float, ...]] = {}

    def newest_ms(self, device: str) -> int:
        """The time of the last reading of a device that is remembered."""
        return self._last[device].time_ms if device in self._last else -(2**62)

    def forgotten(self, newest_ms: Mapping[str, int], devices: Collection[str]) -> set[str]:
        """Devices of which more is stored than is remembered.

        What is remembered of a device of which nothing is stored comes from an attempt that failed.
        """
        last = self._last
        for device in devices:
            if device in last and device not in newest_ms:
                del last[device]
        return {
            device for device in devices
            if device in newest_ms and (device not in last or last[device].time_ms != newest_ms[device])
        }  # fmt: skip

    def remind(self, latest: Iterable[Latest], newest_ms: Mapping[str, int], devices: Iterable[str]) -> None:
        """What the store has of these devices, but for what an attempt that died had written of this very batch."""
        asked = set(devices)
        for device in asked:
            self._remember(device, _Last(newest_ms[device], {}))
        for one in latest:
            if one.device in asked and one.time_ms <= newest_ms[one.device] and one.quality[:1] == COARSE:
                self._last[one.device].values[one.channel] = (one.time_ms, one.value)

    def judge(self, points: list[Point], late: bool = False) -> tuple[list[Point], int]:
        """What points of one device, in the order of their times, are worth; and how many values are doubted."""
        device = points[0].device
        known = dict(self._last[device].values) if device in self._last and not late else {}
        judged: list[Point] = []
        doubted = 0
        before: Point | None = None  # the point before where nothing of it was doubted: `known` has it not yet
        limits: tuple[float, ...] = ()
        for point in points:
            values = point.values
            if before is not None and _is_steady(before, point, limits):
                judged.append(point)
                before = point
                continue
            _learn(known, before)
            quality, steps = _quality(point, known)
            doubted += steps
            judged.append(point if steps == 0 else point._replace(quality=quality))
            before = point if all(letter == COARSE for letter in quality.values()) else None
            channels = tuple(values)
            limits = self._minutes[channels] if channels in self._minutes else self._limits(channels)
        _learn(known, before)
        if not late:
            self._remember(device, _Last(points[-1].time_ms, known))
        return judged, doubted

    def _limits(self, channels: tuple[str, ...]) -> tuple[float, ...]:
        if len(self._minutes) >= 10 * _CHANNELS_MAX:
            self._minutes.clear()
        limits = self._minutes[channels] = tuple(map(step_within_a_minute, channels))
        return limits

    def _remember(self, device: str, last: _Last) -> None:
        if len(self._last) >= _DEVICES_MAX and device not in self._last:
            for old in list(islice(self._last, _DEVICES_MAX // 2)):
                del self._last[old]
        if len(last.values) > _CHANNELS_MAX:
            newest = sorted(last.values.items(), key=lambda one: one[1][0])[-_CHANNELS_MAX:]
            last = _Last(last.time_ms, dict(newest))
        self._last[device] = last


def _is_steady(before: Point, point: Point, limits: tuple[float, ...]) -> bool:
    """Whether a point has the channels of the one before, and no value differs by more than is never doubted."""
    values, olds = point.values, before.values
    if point.quality is not before.quality or values.keys() != olds.keys():
        return False
    return not any(map(gt, map(abs, map(sub, values.values(), map(olds.__getitem__, values))), limits))


def _learn(known: dict[str, tuple[int, float]], point: Point | None) -> None:
    if point is not None:
        time_ms = point.time_ms
        known |= {channel: (time_ms, value) for channel, value in point.values.items()}


def _quality(point: Point, known: dict[str, tuple[int, float]]) -> tuple[Mapping[str, str], int]:
    """Of each channel, and how many are doubted; `known` learns what is not."""
    doubted = {}
    for channel, value in point.values.items():
        if point.quality.get(channel) != COARSE:
            continue
        before = known.get(channel)
        if before is not None and is_step(channel, point.time_ms - before[0], value - before[1]):
            doubted[channel] = FAILED_STEP
        else:
            known[channel] = (point.time_ms, value)
    return ({**point.quality, **doubted} if doubted else point.quality), len(doubted)
