"""Rate of change at the door: what each device had sent last, and what its next readings are worth beside it. Pure.

What is remembered is only trusted where it is as new as the ledger's newest of that device; else the store is asked
(`remind`). A reading from before the newest is compared with those that came with it, not with what is stored.
"""

from collections.abc import Collection, Iterable, Mapping
from itertools import islice
from typing import NamedTuple

from cloud.judge import COARSE, FAILED_STEP, NO_LIMIT, is_step, step_within_a_minute
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
        self._limits: dict[tuple[str, ...], tuple[tuple[str, float], ...]] = {}

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
        for point in points:
            doubts = self._doubts(point, known)
            if doubts:
                doubted += len(doubts)
                point = point._replace(quality={**point.quality, **dict.fromkeys(doubts, FAILED_STEP)})
            judged.append(point)
        if not late:
            self._remember(device, _Last(points[-1].time_ms, known))
        return judged, doubted

    def _doubts(self, point: Point, known: dict[str, tuple[int, float]]) -> list[str] | None:
        """The channels that changed too fast, None for none; `known` learns the others."""
        _, _, time_ms, values, quality, _, _ = point
        channels = tuple(values)
        limits = self._limits[channels] if channels in self._limits else self._limits_of(channels)
        doubts = None
        for channel, minute in limits:
            if quality.get(channel) != COARSE:
                continue
            value, before = values[channel], known.get(channel)
            if before is not None:
                difference = value - before[1]
                # What a minute allows is never doubted, so most values are done here.
                if not -minute <= difference <= minute and is_step(channel, time_ms - before[0], difference):
                    doubts = [*(doubts or ()), channel]
                    continue
            known[channel] = (time_ms, value)
        return doubts

    def _limits_of(self, channels: tuple[str, ...]) -> tuple[tuple[str, float], ...]:
        """Channels whose quantity has a limit, with that of a minute."""
        if len(self._limits) >= 10 * _CHANNELS_MAX:
            self._limits.clear()
        steps = [(channel, step_within_a_minute(channel)) for channel in channels]
        limits = self._limits[channels] = tuple((channel, step) for channel, step in steps if step != NO_LIMIT)
        return limits

    def _remember(self, device: str, last: _Last) -> None:
        if len(self._last) >= _DEVICES_MAX and device not in self._last:
            for old in list(islice(self._last, _DEVICES_MAX // 2)):
                del self._last[old]
        if len(last.values) > _CHANNELS_MAX:
            newest = sorted(last.values.items(), key=lambda one: one[1][0])[-_CHANNELS_MAX:]
            last = _Last(last.time_ms, dict(newest))
        self._last[device] = last
