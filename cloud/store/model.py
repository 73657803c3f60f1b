"""What a store of readings keeps, and the one contract that both stores pass.

A point is one reading of one device at one station. Its key is (station, device, time): writing the same key
again merges the channels and the last value wins, so a replay changes nothing. A write is durable when it
returns. Times are milliseconds since 1970 in UTC; a quality is a letter and reason codes ("X range").
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import isfinite
from typing import NamedTuple, Protocol

from schemas.channels import ChannelError, is_name, split

NOT_JUDGED = "Z"
SUMMABLE = ("sum", "min", "max")
TIME_LIMIT_MS = 9_200_000_000_000  # what both stores can hold: InfluxDB's nanoseconds end in the year 2262


class Point(NamedTuple):
    """One reading: `values` by channel, `quality` by channel ("S" or "X range"; a channel without is "Z")."""

    station: str
    device: str
    time_ms: int
    values: Mapping[str, float]
    quality: Mapping[str, str]
    generation: int | None = None
    seq: int | None = None


@dataclass(frozen=True, slots=True)
class PointKey:
    """What identifies a stored point."""

    station: str
    device: str
    time_ms: int


class Value(NamedTuple):
    """One value of a series."""

    time_ms: int
    value: float
    quality: str
    device: str


@dataclass(frozen=True, slots=True)
class Latest:
    """The newest value of one channel at one station."""

    station: str
    channel: str
    time_ms: int
    value: float
    quality: str
    device: str


@dataclass(frozen=True, slots=True)
class Before:
    """What one device had sent of a channel before a moment: its last value, and when its first one was."""

    first_ms: int
    last: Value


class Summed(NamedTuple):
    """One interval of a station as the store worked it out; or, with `values`, what there is, to be worked out.

    The quality of those says which are flagged; of the others it may be NOT_JUDGED.
    """

    station: str
    start_ms: int
    figures: tuple[float, ...] = ()
    used: int = 0  # values in the figures
    flagged: int = 0
    values: Sequence[Value] | None = None


class Steps(Protocol):
    """Intervals of one length, one after the other (cloud.calendar.Run)."""

    @property
    def start_ms(self) -> int: ...
    @property
    def end_ms(self) -> int: ...
    @property
    def step_ms(self) -> int: ...


class Store(Protocol):
    """Safe to call from several threads. Every method may raise StoreUnavailable or StoreRefused."""

    def write(self, points: Sequence[Point]) -> None:
        """Durable when it returns. Raises PointsRejected; what is not named there is written."""

    def delete(self, keys: Sequence[PointKey]) -> None:
        """Keys that are not there are no error."""

    def forget(self, before_ms: int) -> None:
        """Drops every point of an earlier time. May take long, keeps no writer waiting long, may be broken off."""

    def latest(self, stations: Sequence[str] | None = None) -> list[Latest]:
        """The newest value of every channel of the stations (None: of all)."""

    def series(self, station: str, channel: str, start_ms: int, end_ms: int) -> Iterator[Value]:
        """The values in [start, end), by time and device, streamed. Raises schemas.channels.ChannelError."""

    def summed(
        self, stations: Sequence[str], channel: str, runs: Sequence[Steps], names: Sequence[str], without: str
    ) -> Iterator[Summed]:
        """Station by station the intervals of `runs` that have values; `names` are of SUMMABLE.

        Values of the letters `without` are counted in `flagged` alone. All of the stations' answer may be held at once.
        """

    def points(
        self, station: str, start_ms: int, end_ms: int, channels: Sequence[str] | None = None
    ) -> Iterator[Point]:
        """Whole points in [start, end), by time, streamed; of these channels, None: of all. Raises ChannelError."""

    def before(self, station: str, channel: str, time_ms: int, without: str = "") -> list[Before]:
        """One a device that sent any before the moment; as if values of the letters `without` were not there."""

    def channels(self, station: str) -> list[str]:
        """What the station has values of, sorted."""

    def identities(self, device: str) -> Iterator[tuple[int, int]]:
        """(generation, seq) of everything stored, in no order; several points may carry the same."""

    def occupants(self, spans: Sequence[tuple[str, int, int]]) -> dict[tuple[str, int], tuple[int, int] | None]:
        """Who stands in each (device, first ms, last ms), both included: (device, ms) -> (generation, seq) or None."""

    def count(self) -> int:
        """How many points are stored. Reads much of the store."""

    def ping(self) -> None:
        """Returns if the store answers and lets us in."""

    def close(self) -> None:
        """Ends connections; what was written stays."""


class StoreUnavailable(Exception):
    """The store cannot answer now: try again, after `retry_after_s` where it said so."""

    def __init__(self, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class StoreRefused(Exception):
    """The store will go on refusing until a person acts; the message is one sentence with the way out."""


class StoreUrlError(ValueError):
    """The text does not name a store; the message says what is allowed."""


class PointsRejected(Exception):
    """These points cannot be stored, ever; every other point of the batch is written."""

    def __init__(self, points: Sequence[Point], reason: str) -> None:
        super().__init__(f"{len(points)} points cannot be stored: {reason}")
        self.points = tuple(points)
        self.reason = reason


_is_name = lru_cache(maxsize=65536)(is_name)


@lru_cache(maxsize=4096)
def _is_channel(channel: str) -> bool:
    try:
        split(channel)
    except ChannelError:
        return False
    return True


def fault(point: Point) -> str:
    """Why no store may hold the point, or ""."""
    if not (_is_name(point.station) and _is_name(point.device)):
        return f"{point.device!r} at {point.station!r}: not the name of a device and a station"
    if not -TIME_LIMIT_MS < point.time_ms < TIME_LIMIT_MS:
        return f"time {point.time_ms} ms is outside the years 1678 to 2261"
    if not point.values:
        return f"a reading of {point.device} without values"
    for channel, value in point.values.items():
        if not _is_channel(channel):
            return f"{channel!r} is not a channel"
        if not isfinite(value):
            return f"{channel} of {point.device} is {value!r}, not a number"
    return ""


def _faults(points: Sequence[Point]) -> list[str]:
    """Of each. What is known to be right of one device, place or set of channels is not looked at again."""
    good: set[object] = set()
    found = []
    for point in points:
        station, device, time_ms, values, _, _, _ = point
        channels = tuple(values)
        if (
            station in good
            and device in good
            and channels in good
            and -TIME_LIMIT_MS < time_ms < TIME_LIMIT_MS
            and all(map(isfinite, values.values()))
        ):
            found.append("")
            continue
        reason = fault(point)
        if not reason:
            good |= {station, device, channels}
        found.append(reason)
    return found


def sift(points: Sequence[Point]) -> tuple[Sequence[Point], list[Point], str]:
    """(what may be stored, what may not, the first reason)."""
    faults = _faults(points)
    if not any(faults):
        return points, [], ""
    good = [point for point, reason in zip(points, faults, strict=True) if not reason]
    bad = [point for point, reason in zip(points, faults, strict=True) if reason]
    return good, bad, next(reason for reason in faults if reason)
