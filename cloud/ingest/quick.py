"""The common message, read quickly: one reading or an array of them as JSON, of a registered device, nothing odd. Pure.

The rule: what is read here `decode` reads and `judge` judges just the same, and whatever is not wholly plain is left
to them (None). So this module may be narrow, never wrong; tests/cloud/test_quick.py holds the two together. It costs a
quarter of what building models does, and nine in ten messages of a city's night are plain.
"""

from collections.abc import Callable
from datetime import datetime
from itertools import islice
from operator import le
from typing import Annotated, Any, NamedTuple, TypeVar

import msgspec
from msgspec import UNSET, UnsetType

from cloud.ingest.decode import AHEAD_MAX, EARLIEST, PAYLOAD_MAX
from cloud.ingest.message import Message
from cloud.ingest.sort import source_rank
from cloud.judge import COARSE, limits_of
from schemas import topics
from schemas.models import READINGS_MAX, Link, TimeSource

_Count = Annotated[int, msgspec.Meta(ge=0, lt=2**53)]
_CACHED = 50_000  # entries of a cache before it begins anew
_EARLIEST_MS = int(EARLIEST.timestamp() * 1000)
_AHEAD_MS = int(AHEAD_MAX.total_seconds() * 1000)
_RANKS: dict[object, int] = {None: source_rank(None), UNSET: source_rank(None)}
_RANKS |= {str(one): source_rank(one) for one in TimeSource if one is not TimeSource.RECEIVER}
_TWO_DIGITS = {f"{n:02d}": n * 1000 for n in range(60)}
K = TypeVar("K")
V = TypeVar("V")
_link = Link.__pydantic_validator__.validate_python


class _Body(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """A reading as `schemas.models.Reading` has it, in types that the parser checks by itself."""

    device: str
    values: dict[str, float]
    time: str
    seq: _Count | UnsetType | None = UNSET
    generation: _Count | UnsetType | None = UNSET
    time_source: str | UnsetType | None = UNSET
    time_uncertainty_s: float | UnsetType | None = UNSET
    status: list[str] | UnsetType | None = UNSET
    link: dict[str, Any] | UnsetType | None = UNSET
    index: int | UnsetType = UNSET


_one = msgspec.json.Decoder(_Body).decode
_some = msgspec.json.Decoder(list[_Body]).decode


class Quick(NamedTuple):
    """One reading: time in ms since 1970, the rank of the time's source, values and their quality by channel."""

    generation: int | None
    seq: int | None
    time_ms: int
    rank: int
    values: dict[str, float]
    quality: dict[str, str]
    texts: int  # how many strings its JSON has, keys included


class QuickReader:
    """Reads messages of those devices that `knows` (a registered device, by the name that the registry gives it)."""

    def __init__(self, knows: Callable[[str], bool]) -> None:
        self._knows = knows
        self._devices: dict[str, str | None] = {}  # by topic
        self._minutes: dict[str, int] = {}  # `2026-11-22T10:15:` to ms
        self._judges: dict[tuple[str, ...], _Judge | None] = {}

    def device(self, topic: str) -> str | None:
        """The device whose readings may be read here."""
        try:
            return self._devices[topic]
        except KeyError:
            device = self._device(topic)
            _bounded(self._devices)[topic] = device
            return device

    def _device(self, topic: str) -> str | None:
        try:
            kind, device = topics.parse(topic)
        except topics.TopicError:
            return None
        return device if kind == topics.UP and self._knows(device) else None

    def read(self, device: str, message: Message) -> list[Quick] | None:
        """The readings of a message of the device, None where `decode` must look."""
        _, payload, received_ms, _, replayed_ms, _ = message
        if len(payload) > PAYLOAD_MAX or b"\\" in payload:
            return None
        try:
            bodies = [_one(payload)] if payload[:1] == b"{" else _some(payload)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return None
        if not 0 < len(bodies) <= READINGS_MAX:
            return None
        latest_ms = max(received_ms, replayed_ms) + _AHEAD_MS
        found = []
        texts = 0  # keys and strings: with as many quotes, no object has a key twice
        for body in bodies:
            quick = self._quick(body) if body.device == device else None
            if quick is None or not _EARLIEST_MS <= quick[2] <= latest_ms:
                return None
            texts += quick[6]
            found.append(quick)
        return found if payload.count(b'"') == 2 * texts else None

    def _quick(self, body: _Body) -> Quick | None:
        seq, generation, said, values = body.seq, body.generation, body.time_source, body.values
        texts = 5 + len(values)  # device, values and time are there, two of them with a string
        if said is not UNSET:
            texts += 1 if said is None else 2
        if seq is not UNSET:
            texts += 1
        if generation is not UNSET:
            texts += 1
        if seq is UNSET or seq is None:
            if generation is not UNSET and generation is not None:
                return None
            seq = generation = None
        elif generation is UNSET or generation is None:
            generation = 0
        rank, time_ms, channels = _RANKS.get(said), self._time_ms(body.time), tuple(values)
        judge = self._judges[channels] if channels in self._judges else self._judge(channels)
        if rank is None or time_ms is None or judge is None:
            return None
        lows, highs, quality = judge
        measured = values.values()
        if not (all(map(le, lows, measured)) and all(map(le, measured, highs))):
            return None
        if not (body.link is body.status is body.time_uncertainty_s is body.index is UNSET):
            more = _more(body)
            if more is None:
                return None
            texts += more
        return _new(Quick, (generation, seq, time_ms, rank, values, quality, texts))

    def _judge(self, channels: tuple[str, ...]) -> "_Judge | None":
        judge = _bounded(self._judges)[channels] = _judge_of(channels)
        return judge

    def _time_ms(self, text: str) -> int | None:
        """`2026-11-22T10:15:00Z` or with three decimals."""
        minute = self._minutes.get(text[:17])
        if minute is None:
            if (minute := _minute_ms(text[:17])) is None:
                return None
            _bounded(self._minutes)[text[:17]] = minute
        second = _TWO_DIGITS.get(text[17:19])
        if second is None or text[-1] != "Z":
            return None
        size = len(text)
        if size == 20:
            return minute + second
        decimals = text[20:23]
        if size == 24 and text[19] == "." and decimals.isascii() and decimals.isdigit():
            return minute + second + int(decimals)
        return None


class _Judge(NamedTuple):
    """Limits of some channels in their order, and what their values are worth within them."""

    lows: tuple[float, ...]
    highs: tuple[float, ...]
    quality: dict[str, str]


_new = tuple.__new__  # half the price of a named tuple's own constructor


def _judge_of(channels: tuple[str, ...]) -> _Judge | None:
    if not 0 < len(channels) <= 64:
        return None
    try:
        limits = [limits_of(channel) for channel in channels]
    except ValueError:
        return None
    return _Judge(tuple(a for a, _ in limits), tuple(b for _, b in limits), dict.fromkeys(channels, COARSE))


def _more(body: _Body) -> int | None:
    """How many strings the rest of a reading has; None where it is not as the model wants it."""
    uncertainty_s, link, status = body.time_uncertainty_s, body.link, body.status
    texts = 0
    if uncertainty_s is not UNSET:
        texts += 1
        if uncertainty_s is not None and not 0 <= uncertainty_s < 1e300:
            return None
    if body.index is not UNSET:
        texts += 1
        if body.index != 0:
            return None
    if status is not UNSET:
        texts += 1 + len(status or ())
    if link is not UNSET:
        texts += 1
        if link is not None:
            try:
                _link(link)
            except ValueError:
                return None
            texts += _texts(link)
    return texts


def _texts(link: dict[str, Any]) -> int:
    """How many strings a link has, keys included; what lies deeper than in a list is not counted."""
    lists = sum(type(text) is str for one in link.values() if type(one) is list for text in one)
    return len(link) + sum(type(one) is str for one in link.values()) + lists


def _minute_ms(text: str) -> int | None:
    if not (len(text) == 17 and text.isascii() and text[10] == "T" and text[13] == text[16] == ":"):
        return None
    if not (text[:4] + text[5:7] + text[8:10] + text[11:13] + text[14:16]).isdigit():
        return None
    try:
        return int(datetime.fromisoformat(text[:16] + ":00+00:00").timestamp()) * 1000
    except ValueError:
        return None


def _bounded(cache: dict[K, V]) -> dict[K, V]:
    """The cache, not grown beyond reason."""
    if len(cache) >= _CACHED:
        for key in list(islice(cache, _CACHED // 2)):
            del cache[key]
    return cache
