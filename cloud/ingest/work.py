"""One batch under way: what came, what became of it so far, what is put aside. Plain ones are runs, others items."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Protocol

from cloud.ingest.decode import decode, device_of
from cloud.ingest.item import Item, identity
from cloud.ingest.message import Message
from cloud.ingest.place import time_ms, where
from cloud.ingest.rawlog import Batch
from cloud.ingest.refusal import Decoded, Refusal
from cloud.ingest.runs import Run
from cloud.ledger.dead_letters import PAYLOAD_MAX, DeadLetter
from cloud.ledger.ledger import Identity, Outcome, Stream
from cloud.registry.registry import Snapshot
from schemas import topics
from schemas.intervals import Intervals

OWN_CODEC = "klimanetz"


class RegistryCopy(Protocol):
    """Where the pipeline asks who is registered and what stands where."""

    def snapshot(self) -> Snapshot: ...


@dataclass(slots=True)
class Report:
    """What one batch came to; `acks` may be acknowledged now, by device and generation."""

    messages: int = 0
    stored: int = 0
    duplicates: int = 0
    moved: int = 0
    refused: int = 0
    failed_range: int = 0
    failed_step: int = 0
    revision: int = 0  # of the registry by which it was read
    acks: dict[str, dict[int, Intervals]] = field(default_factory=dict)


@dataclass(slots=True)
class Work:
    """One batch under way."""

    batch: Batch
    outcome: Outcome
    report: Report
    snapshot: Snapshot
    runs: list[Run] = field(default_factory=list)
    items: list[Item] = field(default_factory=list)
    kept: list[Identity] = field(default_factory=list)  # put aside whole, which is as durable as stored
    again: bool = False  # an attempt before may have written it, and died before the ledger knew

    def refuse(self, message: Message, refusal: Refusal) -> None:
        """Put something aside with its reason."""
        topic = topics.topic(topics.UP, refusal.device) if refusal.whole and refusal.device else message.topic
        letters = self.outcome.dead_letters
        letters.append(
            DeadLetter(
                self.outcome.log, self.outcome.batch, len(letters), message.received_ms, printable(topic)[:1000],
                refusal.device, refusal.reason, printable(refusal.detail)[:1000], refusal.payload[:PAYLOAD_MAX],
                len(refusal.payload),
            )
        )  # fmt: skip
        self.report.refused += 1
        if refusal.whole is not None and (key := identity(refusal.whole)) is not None:
            self.kept.append(key)

    def read(self, numbers: Iterable[int]) -> None:
        """Decode these messages one by one; items stay in the order of the messages."""
        for n in numbers:
            decode_one(n, self.batch.messages[n], self)
        self.items.sort(key=attrgetter("n"))

    def devices(self) -> Iterator[str]:
        yield from (run.device for run in self.runs)
        yield from (item.reading.device for item in self.items)


@dataclass(slots=True)
class Known:
    """What the ledger says of a batch's readings; `seen`: None where replicas divide the messages."""

    stored: defaultdict[Stream, Intervals]
    seen: defaultdict[Stream, Intervals] | None
    newest_ms: Mapping[str, int]


def decode_one(n: int, message: Message, work: Work) -> None:
    """Readings with their places; everything else to the dead letters."""
    try:
        decoded = decode(message, work.snapshot.name_of)
    except Exception as error:  # a fault of ours must not stop what comes behind this message
        device, detail = device_of(message.topic), f"our decoder failed: {error!r}"
        decoded = Decoded(refusals=[Refusal("poison", detail, message.payload, device)])
    work.kept += decoded.owed
    for refusal in decoded.refusals:
        work.refuse(message, refusal)
    if decoded.status is not None:
        device, status = decoded.status
        work.outcome.statuses[device] = (message.received_ms, status)
    for reading in decoded.readings:
        place = where(reading, work.snapshot)
        if isinstance(place, Refusal):
            work.refuse(message, place)
            continue
        own = work.snapshot.devices[reading.device].codec == OWN_CODEC
        work.items.append(Item(reading, identity(reading), place, message, time_ms(reading), own, n))


def printable(text: str) -> str:
    """Text that any database takes: no lone surrogates, no NUL."""
    return text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\0")
