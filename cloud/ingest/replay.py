"""What goes through the pipeline again: dead letters by themselves once the registry has cured them, or when wanted;
and what the raw log keeps, when somebody asked for it after a codec was mended.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from cloud.ingest.message import Message
from cloud.ingest.place import where
from cloud.ingest.rawlog import RawLog
from cloud.ingest.work import RegistryCopy
from cloud.ledger.dead_letters import DeadLetters
from cloud.ledger.replays import Replays
from cloud.ledger.turn import turn
from cloud.registry.registry import Snapshot
from schemas import topics
from schemas.models import Reading

_PAGE = 1000
_LETTERS = "\0letters"  # whose turn it is, beside those of devices
_BATCHES = 20  # of the raw log at a time


def replay_waiting(letters: DeadLetters, raw: RawLog, registry: RegistryCopy, now_ms: int) -> int:
    """Capture again what now has a station; how many. Dying in between repeats some, and identity keeps them single.

    Several replicas look at the same letters, so each in turn: what has no identity would be stored by each.
    """
    snapshot = registry.snapshot()
    after = replayed = 0
    while True:
        with turn(letters.engine, [_LETTERS]):
            page = letters.waiting(_PAGE, after)
            cured = [letter for letter in page if _has_a_place(letter["payload"], snapshot)]
            _again(cured, letters, raw, now_ms)
        if not page:
            return replayed
        after = page[-1]["id"]
        replayed += len(cured)


def replay_wanted(letters: DeadLetters, raw: RawLog, now_ms: int) -> int:
    """Capture again what somebody asked for; how many. What is still no reading becomes a new letter."""
    replayed = 0
    while True:
        if not letters.wanted(1):  # nearly always
            return replayed
        with turn(letters.engine, [_LETTERS]):
            page = letters.wanted(_PAGE)
            _again(page, letters, raw, now_ms)
        replayed += len(page)


def _again(page: Sequence[Mapping[str, Any]], letters: DeadLetters, raw: RawLog, now_ms: int) -> None:
    if page:
        raw.append([Message(x["topic"], x["payload"], x["received_ms"], replayed_ms=now_ms) for x in page])
        letters.mark_replayed([letter["id"] for letter in page], now_ms)


def replay_captured(replays: Replays, raw: RawLog, now_ms: int) -> int:
    """Capture again some of what was asked for; how many. Dying in between repeats some, which changes nothing."""
    wanted = replays.next(raw.id)
    if wanted is None:
        return 0
    cursor, messages = wanted.cursor, wanted.messages
    for batch in raw.kept(cursor, wanted.last_batch, wanted.from_ms, wanted.to_ms, _BATCHES):
        again = [m._replace(replayed_ms=now_ms, whole=True) for m in batch.messages if is_wanted(m, wanted.device)]
        if again:
            raw.append(again)
        cursor, messages = batch.id, messages + len(again)
    done = cursor == wanted.cursor
    replays.came_to(wanted.id, cursor, messages, now_ms if done else None)
    return messages - wanted.messages


def is_wanted(message: Message, device: str | None) -> bool:
    """Whether a message is a reading as it first came, of a device or of any."""
    try:
        kind, sender = topics.parse(message.topic)
    except topics.TopicError:
        return False
    return not message.replayed_ms and kind in (topics.UP, topics.RAW) and device in (None, sender)


def _has_a_place(payload: bytes, snapshot: Snapshot) -> bool:
    try:
        reading = Reading.model_validate_json(payload)
    except ValidationError:
        return False
    reading.device = snapshot.name_of(reading.device)
    return isinstance(where(reading, snapshot), str)
