"""Dead letters go through the pipeline again: by themselves once the registry has cured them, or when wanted."""

from pydantic import ValidationError

from cloud.ingest.message import Message
from cloud.ingest.pipeline import RegistryCopy
from cloud.ingest.place import where
from cloud.ingest.rawlog import RawLog
from cloud.ledger.dead_letters import DeadLetters
from cloud.registry.registry import Snapshot
from schemas.models import Reading

_PAGE = 1000


def replay_waiting(letters: DeadLetters, raw: RawLog, registry: RegistryCopy, now_ms: int) -> int:
    """Capture again what now has a station; how many. Dying in between repeats some, and identity keeps them single."""
    snapshot = registry.snapshot()
    after = replayed = 0
    while page := letters.waiting(_PAGE, after):
        after = page[-1]["id"]
        if cured := [letter for letter in page if _has_a_place(letter["payload"], snapshot)]:
            raw.append([Message(x["topic"], x["payload"], x["received_ms"], replayed_ms=now_ms) for x in cured])
            letters.mark_replayed([letter["id"] for letter in cured], now_ms)
            replayed += len(cured)
    return replayed


def replay_wanted(letters: DeadLetters, raw: RawLog, now_ms: int) -> int:
    """Capture again what somebody asked for; how many. What is still no reading becomes a new letter."""
    replayed = 0
    while page := letters.wanted(_PAGE):
        raw.append([Message(x["topic"], x["payload"], x["received_ms"], replayed_ms=now_ms) for x in page])
        letters.mark_replayed([letter["id"] for letter in page], now_ms)
        replayed += len(page)
    return replayed


def _has_a_place(payload: bytes, snapshot: Snapshot) -> bool:
    try:
        reading = Reading.model_validate_json(payload)
    except ValidationError:
        return False
    reading.device = snapshot.name_of(reading.device)
    return isinstance(where(reading, snapshot), str)
