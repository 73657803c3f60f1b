"""What happens to one batch of the raw log, as a list of steps.

Order is the promise: decode, place, sort, judge, write, and only then the ledger, and only then the acknowledgement.
Dying between any two of them costs a repetition and nothing else, because writing and the ledger are idempotent.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol

from cloud.dead_letters import DeadLetter
from cloud.ingest.decode import Decoded, Refusal, decode, full_identity
from cloud.ingest.message import Message
from cloud.ingest.place import moment, time_ms, where
from cloud.ingest.rawlog import Batch
from cloud.ingest.sort import SETTLED, Sorted, identity, rank, sort
from cloud.intervals import Intervals
from cloud.judge import COARSE, judge
from cloud.ledger import Identity, Ledger, Outcome, Provisional, Stream
from cloud.registry.registry import Snapshot
from cloud.store.model import Point, PointKey, PointsRejected, Store
from schemas.models import Reading

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
    acks: dict[str, dict[int, Intervals]] = field(default_factory=dict)


@dataclass(slots=True)
class Work:
    """One batch under way: where each reading belongs and which message brought it, by the reading's id()."""

    outcome: Outcome
    report: Report
    snapshot: Snapshot
    readings: list[Reading] = field(default_factory=list)
    places: dict[int, str] = field(default_factory=dict)
    origins: dict[int, Message] = field(default_factory=dict)
    keep: list[Identity] = field(default_factory=list)  # refused, but safe with us

    def refuse(self, message: Message, refusal: Refusal) -> None:
        """Put something aside with its reason; that is as durable as storing it."""
        letters = self.outcome.dead_letters
        letters.append(
            DeadLetter(
                self.outcome.log, self.outcome.batch, len(letters), message.received_ms, message.topic[:1000],
                refusal.device, refusal.reason, refusal.detail[:1000], refusal.payload[: 1 << 20], len(refusal.payload),
            )
        )  # fmt: skip
        self.report.refused += 1
        if refusal.identity is not None:
            self.keep.append(refusal.identity)


class Pipeline:
    """Applies batches of one raw log to the store and the ledger."""

    def __init__(self, store: Store, ledger: Ledger, registry: RegistryCopy, log: str) -> None:
        self.store, self.ledger, self.registry, self.log = store, ledger, registry, log

    def apply(self, batch: Batch) -> Report:
        """One batch, whole. Raises StoreUnavailable or StoreRefused, and then nothing is acknowledged."""
        work = Work(Outcome(self.log, batch.id), Report(len(batch.messages)), self.registry.snapshot())
        for message in batch.messages:
            _decode(message, work)
        sorted_ = self._sort(work)
        self._write(sorted_, work)
        _count(sorted_, work)
        self.ledger.apply(work.outcome)
        known = [key for key in map(full_identity, work.readings) if key is not None]
        work.report.acks = acknowledgements([*known, *work.keep])
        return work.report

    def _sort(self, work: Work) -> Sorted:
        keys = [key for key in map(identity, work.readings) if key is not None]
        stored: dict[Stream, Intervals] = defaultdict(Intervals, self.ledger.intervals(key[0] for key in keys))
        met_again = [key for key in keys if key[2] in stored[key[:2]]]
        if not met_again:
            return sort(work.readings, stored, {})
        foreign = {key[0] for key in met_again if work.snapshot.devices[key[0]].codec != OWN_CODEC}
        newest = {device: moment(ms) for device, ms in self.ledger.newest_ms(foreign).items()} if foreign else {}
        return sort(work.readings, stored, self.ledger.provisional(met_again), newest)

    def _write(self, batch: Sorted, work: Work) -> None:
        """Write what is new, move what got a better time, put aside what the store refuses."""
        writable = batch.new + [reading for reading, _ in batch.better]
        points = [point(reading, work.places[id(reading)]) for reading in writable]
        work.report.failed_range += sum(letter != COARSE for p in points for letter in p.quality.values())
        if points:
            try:
                self.store.write(points)
            except PointsRejected as error:
                _put_aside(error, points, writable, work)
        # The new place is written before the old one goes: dying in between leaves both, and the repetition mends it.
        stale = [(old, reading) for reading, old in batch.better if old.time_ms != time_ms(reading)]
        if stale:
            self.store.delete([PointKey(old.station, reading.device, old.time_ms) for old, reading in stale])


def _decode(message: Message, work: Work) -> None:
    """Readings with their places; everything else to the dead letters."""
    try:
        decoded = decode(message)
    except Exception as error:  # a fault of ours must not stop what comes behind this message
        decoded = Decoded(refusals=[Refusal("poison", f"our decoder failed: {error!r}", message.payload)])
    for refusal in decoded.refusals:
        work.refuse(message, refusal)
    if decoded.status is not None:
        device, status = decoded.status
        work.outcome.statuses[device] = (message.received_ms, status.decode())
    for reading in decoded.readings:
        place = where(reading, work.snapshot)
        if isinstance(place, Refusal):
            work.refuse(message, place)
            continue
        work.readings.append(reading)
        work.places[id(reading)] = place
        work.origins[id(reading)] = message


def _put_aside(error: PointsRejected, points: list[Point], readings: list[Reading], work: Work) -> None:
    rejected = {id(p) for p in error.points}
    for p, reading in zip(points, readings, strict=True):
        if id(p) in rejected or p in error.points:
            payload = reading.model_dump_json(exclude_none=True).encode()
            work.refuse(work.origins[id(reading)], Refusal("store-rejected", str(error), payload, reading.device))


def _count(batch: Sorted, work: Work) -> None:
    """What the ledger will know of this batch."""
    report, outcome = work.report, work.outcome
    report.stored, report.duplicates, report.moved = len(batch.new), len(batch.duplicates), len(batch.better)
    for reading in batch.new:
        tally = outcome.tally(reading.device)
        tally.received += 1
        tally.first_ms, tally.last_ms = min(tally.first_ms, time_ms(reading)), max(tally.last_ms, time_ms(reading))
    for reading in batch.duplicates:
        outcome.tally(reading.device).duplicates += 1
    for device, late in batch.late.items():
        outcome.tally(device).late += late
    for reading in batch.new + [reading for reading, _ in batch.better]:
        if (key := identity(reading)) is not None:
            outcome.stored.setdefault(key[:2], []).append(key[2])
            if _improvable(reading, work.snapshot):
                here = Provisional(work.places[id(reading)], time_ms(reading), rank(reading))
                outcome.provisional[key] = here
    for reading, _ in batch.better:
        if (key := identity(reading)) is not None:
            outcome.provisional.setdefault(key, None)


def _improvable(reading: Reading, snapshot: Snapshot) -> bool:
    # Only our own devices send a reading again once they know its time better.
    return rank(reading) > SETTLED and snapshot.devices[reading.device].codec == OWN_CODEC


def point(reading: Reading, station: str) -> Point:
    """A reading, judged, as the store keeps it."""
    quality = judge(reading.values)
    return Point(
        station, reading.device, time_ms(reading), reading.values, quality, reading.generation, reading.seq
    )  # fmt: skip


def acknowledgements(keys: Iterable[Identity]) -> dict[str, dict[int, Intervals]]:
    """Sequence numbers that may be acknowledged, by device and generation."""
    acks: dict[str, dict[int, Intervals]] = {}
    for device, generation, seq in keys:
        acks.setdefault(device, {}).setdefault(generation, Intervals()).add(seq)
    return acks
