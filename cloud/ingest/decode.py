"""One message to readings and refusals. Pure: the receiver's clock is an argument.

Good parts of a message go on when others are bad: one reading of an array, one value of a reading. Everything that
does not go on comes back as a Refusal with its reason; nothing is dropped.
"""

import json
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from pydantic import TypeAdapter, ValidationError

from cloud.ingest.message import Message
from cloud.ingest.refusal import Decoded, Names, Refusal
from cloud.ingest.salvage import salvage
from cloud.ledger.dead_letters import UNREAD, UNREAD_STRANGER
from schemas import topics
from schemas.models import READINGS_MAX, Link, Reading, TimeSource, Unread
from schemas.readings import to_readings
from schemas.wire import WireError
from schemas.wire import decode as decode_wire

PAYLOAD_MAX = 1 << 20  # bytes of one message
EARLIEST = datetime(2010, 1, 1, tzinfo=UTC)  # behind 2000-01-01, where clocks start that nobody has set
AHEAD_MAX = timedelta(minutes=10)  # a clock may be wrong by this much before its future is refused

_READING = TypeAdapter(Reading)
_READINGS = TypeAdapter(list[Reading])
_BOM = b"\xef\xbb\xbf"
_FIELDS = tuple(f'"{name}"'.encode() for name in ("device", "generation", "seq", "time", "values"))


def as_sent(name: str) -> str:
    """The names of devices where no registry says otherwise."""
    return name


def decode(message: Message, names: Names = as_sent) -> Decoded:
    """Readings and refusals of one message; readings have a time, a whole identity or none, and the registry's name."""
    try:
        kind, sender = topics.parse(message.topic)
    except topics.TopicError as error:
        return Decoded(refusals=[Refusal("topic", str(error), message.payload)])
    device = names(sender)
    if len(message.payload) > PAYLOAD_MAX:
        detail = f"{len(message.payload)} bytes; a message has at most {PAYLOAD_MAX}"
        return Decoded(refusals=[Refusal("too-large", detail, message.payload, device)])
    if kind == topics.STATUS:
        return _status(device, message)
    if kind == topics.UNREAD:
        return _unread(device, message)
    decoded = _raw(device, message) if kind == topics.RAW else _json(device, message.payload, names)
    _identify(decoded, device, sender)
    return _timed(decoded, message)


def device_of(topic: str) -> str | None:
    """The device that a topic names, None where it is none of ours."""
    try:
        _, device = topics.parse(topic)
    except topics.TopicError:
        return None
    return str(device)


def _status(device: str, message: Message) -> Decoded:
    try:
        text = message.payload.removeprefix(_BOM).decode()
        if isinstance(json.loads(text), dict):
            return Decoded(status=(device, text))
    except (ValueError, RecursionError):
        pass
    return Decoded(refusals=[Refusal("not-a-status", "a status is a JSON object", message.payload, device)])


def _unread(device: str, message: Message) -> Decoded:
    """A gateway keeps it and reads it once the registry helps; here it is known of."""
    try:
        told = Unread.model_validate_json(message.payload)
    except ValidationError as error:
        return Decoded(refusals=[Refusal("not-unread", error.errors()[0]["msg"], message.payload, device)])
    reason = UNREAD if told.registered or device != told.device else UNREAD_STRANGER
    return Decoded(refusals=[Refusal(reason, told.reason, message.payload, device)])


def _raw(device: str, message: Message) -> Decoded:
    try:
        frame = decode_wire(message.payload)
    except WireError as error:
        return Decoded(refusals=[Refusal("wire", str(error), message.payload, device)])
    received = _moment(message.received_ms)
    return Decoded(to_readings(device, frame.readings, received, Link(via="mqtt")))


def _json(device: str, payload: bytes, names: Names) -> Decoded:
    payload = payload.removeprefix(_BOM)
    try:
        if payload.lstrip()[:1] == b"[":
            readings = _READINGS.validate_json(payload)
        else:
            readings = [_READING.validate_json(payload)]
    except ValidationError:
        return salvage(device, payload, names)
    if not 1 <= len(readings) <= READINGS_MAX or _perhaps_twice(payload, readings):
        return salvage(device, payload, names)
    if any(reading.device != device and names(reading.device) != device for reading in readings):
        return salvage(device, payload, names)
    return Decoded(readings)


def _perhaps_twice(payload: bytes, readings: Sequence[Reading]) -> bool:
    """Whether an object may have a key twice, of which the parser shows the last: more of them than were read."""
    if b"\\" in payload:  # an escape may spell a key
        return True
    channels = Counter(channel for reading in readings for channel in reading.values)
    return any(payload.count(name) > len(readings) for name in _FIELDS) or any(
        payload.count(b'"%b"' % channel.encode()) > n for channel, n in channels.items()
    )


def _identify(decoded: Decoded, device: str, sender: str) -> None:
    """One name of the device, and a generation for each count; whoever sent it is told under the name it used."""
    for reading in decoded.readings:
        if reading.device != device:
            reading.device = device
        if reading.generation is None and reading.seq is not None:
            reading.generation = 0
    if sender != device:
        counts = [(r.generation, r.seq) for r in decoded.readings] + [(g, s) for _, g, s in decoded.owed]
        decoded.owed += [(sender, g, s) for g, s in counts if g is not None and s is not None]


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
        if EARLIEST <= reading.time <= latest:
            reading.time = reading.time.astimezone(UTC)
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
    # The time as it came: at the ends of the calendar there is none in UTC.
    body = {**reading.model_dump(mode="json", exclude_none=True, exclude={"time"}), "time": time.isoformat()}
    payload = json.dumps(body, ensure_ascii=False).encode()
    return Refusal("time-too-early" if early else "time-in-future", detail, payload, reading.device, reading)


def _moment(time_ms: int) -> datetime:
    return datetime.fromtimestamp(time_ms / 1000, UTC)
