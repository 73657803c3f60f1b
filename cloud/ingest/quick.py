"""The common message, read quickly: one reading or an array of them as JSON, of a registered device, nothing odd. Pure.

The rule: what is read here `decode` reads and `judge` judges just the same, and whatever is not wholly plain is left
to them (None). So this module may be narrow, never wrong; tests/cloud/test_quick.py holds the two together. Checking by
hand costs a quarter of what building models does, and nine in ten messages of a city's night are plain.
"""

from collections.abc import Callable
from datetime import datetime
from itertools import islice
from typing import Any, NamedTuple, TypeVar

import orjson

from cloud.ingest.decode import AHEAD_MAX, EARLIEST
from cloud.ingest.message import Message
from cloud.ingest.sort import source_rank
from cloud.judge import COARSE, limits_of
from schemas import topics
from schemas.models import READINGS_MAX, Link, Reading, TimeSource

_COUNT_END = 2**53
_KEYS = frozenset(Reading.model_fields)
_CACHED = 50_000  # entries of a cache before it begins anew
_EARLIEST_MS = int(EARLIEST.timestamp() * 1000)
_AHEAD_MS = int(AHEAD_MAX.total_seconds() * 1000)
_RANKS = {None: source_rank(None)} | {
    str(one): source_rank(one) for one in TimeSource if one is not TimeSource.RECEIVER
}
_TWO_DIGITS = {f"{n:02d}": n * 1000 for n in range(60)}
K = TypeVar("K")
V = TypeVar("V")
_link = Link.__pydantic_validator__.validate_python


class Quick(NamedTuple):
    """One reading: time in ms since 1970, the rank of the time's source, values and their quality by channel."""

    generation: int | None
    seq: int | None
    time_ms: int
    rank: int
    values: dict[str, float]
    quality: dict[str, str]
    texts: int  # how many strings its JSON has, keys included


_quick = Quick._make


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
        payload = message.payload
        if b"\\" in payload:
            return None
        try:
            body = orjson.loads(payload)
        except orjson.JSONDecodeError:
            return None
        readings = body if type(body) is list else [body]
        if not 0 < len(readings) <= READINGS_MAX:
            return None
        latest_ms = max(message.received_ms, message.replayed_ms) + _AHEAD_MS
        found = []
        texts = 0  # keys and strings: with as many quotes, no object has a key twice
        for one in readings:
            if type(one) is not dict or one.get("device") != device:
                return None
            quick = self._one(one)
            if quick is None or not _EARLIEST_MS <= quick[2] <= latest_ms:
                return None
            texts += quick[6]
            found.append(quick)
        return found if payload.count(b'"') == 2 * texts else None

    def _one(self, body: dict[str, Any]) -> Quick | None:
        get = body.get
        seq, generation, text, said, values = (
            get("seq"),
            get("generation"),
            get("time"),
            get("time_source"),
            get("values"),
        )
        if type(text) is not str or type(values) is not dict:
            return None
        usual = 3  # keys: device, time and values are there
        if type(seq) is int:
            usual += 1
            if generation is None:
                generation = 0
                usual += "generation" in body
            elif type(generation) is not int:
                return None
            else:
                usual += 1
            if not (0 <= seq < _COUNT_END and 0 <= generation < _COUNT_END):
                return None
        elif seq is not None or generation is not None:
            return None
        rank, time_ms, channels = _RANKS.get(said), self._time_ms(text), tuple(values)
        judge = self._judges[channels] if channels in self._judges else self._judge(channels)
        if rank is None or time_ms is None or judge is None:
            return None
        lows, highs, quality = judge
        whole = False
        for value, low, high in zip(values.values(), lows, highs, strict=True):
            kind = type(value)
            if kind is not float:
                if kind is not int:
                    return None
                whole = True
            if not low <= value <= high:
                return None
        if whole:
            values = {channel: float(value) for channel, value in values.items()}
        texts = len(body) + len(values) + (2 if said is None else 3)
        if len(body) > (usual if said is None else usual + 1):
            if not _is_plain(body):
                return None
            texts += _texts(get("link")) + _texts(get("status"))
        return _quick((generation, seq, time_ms, rank, values, quality, texts))

    def _judge(self, channels: tuple[str, ...]) -> "_Judge | None":
        judge = _bounded(self._judges)[channels] = _judge_of(channels)
        return judge

    def _time_ms(self, text: str) -> int | None:
        """`2026-11-22T10:15:00Z` or with three decimals."""
        size = len(text)
        if size != 20 and size != 24:
            return None
        minute = self._minutes.get(text[:17])
        if minute is None:
            if (minute := _minute_ms(text[:17])) is None:
                return None
            _bounded(self._minutes)[text[:17]] = minute
        second = _TWO_DIGITS.get(text[17:19])
        if second is None or text[-1] != "Z":
            return None
        if size == 20:
            return minute + second
        decimals = text[20:23]
        return (
            minute + second + int(decimals) if text[19] == "." and decimals.isascii() and decimals.isdigit() else None
        )


class _Judge(NamedTuple):
    """Limits of some channels in their order, and what their values are worth within them."""

    lows: tuple[float, ...]
    highs: tuple[float, ...]
    quality: dict[str, str]


def _judge_of(channels: tuple[str, ...]) -> _Judge | None:
    if not 0 < len(channels) <= 64:
        return None
    try:
        limits = [limits_of(channel) for channel in channels]
    except ValueError:
        return None
    return _Judge(tuple(a for a, _ in limits), tuple(b for _, b in limits), dict.fromkeys(channels, COARSE))


def _is_plain(body: dict[str, Any]) -> bool:
    """What is not needed here must be as the model wants it all the same."""
    get = body.get
    uncertainty_s, link = get("time_uncertainty_s"), get("link")
    if uncertainty_s is not None and not (type(uncertainty_s) in (float, int) and 0 <= uncertainty_s < 1e300):
        return False
    if link is not None:
        try:
            _link(link)
        except ValueError:
            return False
    status = get("status")
    if status is not None and not (type(status) is list and all(type(one) is str for one in status)):
        return False
    if "index" in body and not (type(body["index"]) is int and body["index"] == 0):
        return False
    return _KEYS.issuperset(body)


def _texts(value: Any) -> int:
    """How many strings a link or a status has, keys included; what lies deeper is not counted."""
    kind = type(value)
    if kind is dict:
        lists = sum(len(one) for one in value.values() if type(one) is list)
        return len(value) + sum(type(one) is str for one in value.values()) + lists
    return len(value) if kind is list else 0


def _minute_ms(text: str) -> int | None:
    if not (text.isascii() and text[10] == "T" and text[13] == text[16] == ":"):
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
