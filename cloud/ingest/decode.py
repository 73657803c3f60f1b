"""One message to readings and refusals. Pure: the receiver's clock is an argument.

Good parts of a message go on when others are bad: one reading of an array, one value of a reading. Everything that
does not go on comes back as a Refusal with its reason; nothing is dropped.
"""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from pydantic import TypeAdapter, ValidationError

from cloud.ingest.message import Message
from schemas import topics
from schemas.models import READINGS_MAX, Link, Reading, TimeSource
from schemas.readings import to_readings
from schemas.wire import WireError
from schemas.wire import decode as decode_wire

PAYLOAD_MAX = 1 << 20  # bytes of one message
EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
AHEAD_MAX = timedelta(minutes=10)  # a clock may be wrong by this much before its future is refused

_READING = TypeAdapter(Reading)
_READINGS = TypeAdapter(list[Reading])


@dataclass(frozen=True, slots=True)
class Refusal:
    """A message, or a part of one, that is not a reading: a short code, a sentence, the bytes concerned."""

    reason: str
    detail: str
    payload: bytes
    device: str | None = None
    whole: Reading | None = None  # the payload is this reading: keeping it may be acknowledged, and it can be replayed


@dataclass(slots=True)
class Decoded:
    """What became of one message."""

    readings: list[Reading] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    status: tuple[str, str] | None = None  # device, its own account of itself in JSON


def decode(message: Message) -> Decoded:
    """Readings and refusals of one message; readings have a time and name the topic's device."""
    try:
        kind, device = topics.parse(message.topic)
    except topics.TopicError as error:
        return Decoded(refusals=[Refusal("topic", str(error), message.payload)])
    if len(message.payload) > PAYLOAD_MAX:
        detail = f"{len(message.payload)} bytes; a message has at most {PAYLOAD_MAX}"
        return Decoded(refusals=[Refusal("too-large", detail, message.payload, device)])
    if kind == topics.STATUS:
        return _status(device, message)
    decoded = _raw(device, message) if kind == topics.RAW else _json(device, message.payload)
    return _timed(decoded, message)


def _status(device: str, message: Message) -> Decoded:
    try:
        text = message.payload.decode()
        if isinstance(json.loads(text), dict):
            return Decoded(status=(device, text))
    except (ValueError, RecursionError):
        pass
    return Decoded(refusals=[Refusal("not-a-status", "a status is a JSON object", message.payload, device)])


def _raw(device: str, message: Message) -> Decoded:
    try:
        frame = decode_wire(message.payload)
    except WireError as error:
        return Decoded(refusals=[Refusal("wire", str(error), message.payload, device)])
    received = _moment(message.received_ms)
    return Decoded(to_readings(device, frame.readings, received, Link(via="mqtt")))


def _json(device: str, payload: bytes) -> Decoded:
    try:
        if payload.lstrip()[:1] == b"[":
            readings = _READINGS.validate_json(payload)
        else:
            readings = [_READING.validate_json(payload)]
    except ValidationError:
        return _piecewise(device, payload)
    if not 1 <= len(readings) <= READINGS_MAX or any(reading.device != device for reading in readings):
        return _piecewise(device, payload)
    return Decoded(readings)


def _piecewise(device: str, payload: bytes) -> Decoded:
    """The slow path: save what can be saved, name what cannot."""
    try:
        body = json.loads(payload.decode())  # of bytes it would guess the encoding
    except (ValueError, RecursionError) as error:
        return Decoded(refusals=[Refusal("not-json", f"not JSON: {error}", payload, device)])
    items = body if isinstance(body, list) else [body]
    if len(items) > READINGS_MAX:
        detail = f"{len(items)} readings; a message has at most {READINGS_MAX}"
        return Decoded(refusals=[Refusal("too-many", detail, payload, device)])
    decoded = Decoded()
    for item in items:
        _one(device, item, decoded)
    if not items:
        decoded.refusals.append(Refusal("not-a-reading", "an empty array", payload, device))
    return decoded


def _one(device: str, item: object, decoded: Decoded) -> None:
    text = _text(item)
    if not isinstance(item, dict):
        decoded.refusals.append(Refusal("not-a-reading", "a reading is a JSON object", text, device))
        return
    if item.get("device", device) != device:
        detail = f"the topic names '{device}', the payload '{item['device']}'"
        decoded.refusals.append(Refusal("device-mismatch", detail, text, device))
        return
    try:
        decoded.readings.append(_READING.validate_json(text))
    except ValidationError as error:
        _without_bad_values(device, item, error, decoded)


def _without_bad_values(device: str, item: dict[str, object], error: ValidationError, decoded: Decoded) -> None:
    """Take over a reading without the values that are wrong, if nothing else is."""
    text = _text(item)
    problems = [(e["loc"], e["msg"].removeprefix("Value error, ")) for e in error.errors()]
    detail = "; ".join(f"{'.'.join(str(x) for x in where if x != '[key]')}: {what}" for where, what in problems)
    bad = {where[1] for where, _ in problems if len(where) >= 2 and where[0] == "values"}
    values = item.get("values")
    if isinstance(values, dict) and all(where[0] == "values" and len(where) >= 2 for where, _ in problems):
        good = {channel: value for channel, value in values.items() if channel not in bad}
        if good:
            rest = {**item, "values": good}
            decoded.readings.append(_READING.validate_json(_text(rest)))
            text = _text({**item, "values": {c: v for c, v in values.items() if c in bad}})
        decoded.refusals.append(Refusal("bad-value", detail, text, device))
        return
    decoded.refusals.append(Refusal("not-a-reading", detail, text, device))


def _text(item: object) -> bytes:
    return json.dumps(item, ensure_ascii=False).encode(errors="replace")  # JSON's escapes can spell half a character


def _timed(decoded: Decoded, message: Message) -> Decoded:
    """Stamp readings without a time; refuse times that cannot be."""
    received = _moment(message.received_ms)
    latest = _moment(max(message.received_ms, message.replayed_ms)) + AHEAD_MAX
    kept = []
    for reading in decoded.readings:
        if reading.time is None:
            if message.retained:
                decoded.refusals.append(_kept_by_the_broker(reading))
                continue
            reading.time = received
            reading.time_source = TimeSource.RECEIVER
        reading.time = reading.time.astimezone(UTC)
        if EARLIEST <= reading.time <= latest:
            kept.append(reading)
        else:
            decoded.refusals.append(_impossible_time(reading, reading.time, received))
    decoded.readings = kept
    return decoded


def _kept_by_the_broker(reading: Reading) -> Refusal:
    detail = "a retained message without a time: nobody knows when it was sent; send readings without `retain`"
    return Refusal("retained", detail, reading.model_dump_json(exclude_none=True).encode(), reading.device, reading)


def _impossible_time(reading: Reading, time: datetime, received: datetime) -> Refusal:
    early = time < EARLIEST
    limit = f"before {EARLIEST.year}" if early else f"ahead of its reception at {received.isoformat()}"
    detail = f"the time {time.isoformat()} is {limit}: a clock is wrong, the device's or ours"
    payload = reading.model_dump_json(exclude_none=True).encode()
    return Refusal("time-too-early" if early else "time-in-future", detail, payload, reading.device, reading)


def _moment(time_ms: int) -> datetime:
    return datetime.fromtimestamp(time_ms / 1000, UTC)
