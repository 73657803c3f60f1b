"""What happens to one batch of the raw log, as a list of steps.

Order is the promise: decode, place, sort, judge, write, and only then the ledger, and only then the acknowledgement.
Dying between any two of them costs a repetition and nothing else, because writing and the ledger are idempotent. From
the first question to the ledger until it has its answer this replica has the turn, so no other takes the same for new.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Protocol

from cloud.ingest.decode import decode, device_of
from cloud.ingest.item import WRITTEN, Fate, Item, identity
from cloud.ingest.message import Message
from cloud.ingest.place import time_ms, where
from cloud.ingest.places import Owner, Places, spans
from cloud.ingest.quick import Quick, QuickReader
from cloud.ingest.rawlog import Batch
from cloud.ingest.refusal import Decoded, Refusal
from cloud.ingest.runs import Run
from cloud.ingest.sort import SETTLED, sort, source_rank
from cloud.ingest.steps import Steps
from cloud.judge import FAILED_RANGE, judge
from cloud.ledger.dead_letters import PAYLOAD_MAX, DeadLetter
from cloud.ledger.ledger import Identity, Ledger, Outcome, Overtaken, Provisional, Stream
from cloud.registry.registry import Snapshot
from cloud.store.model import Point, PointKey, PointsRejected, Store
from schemas import topics
from schemas.intervals import Intervals
from schemas.models import Reading, TimeSource

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
            _decode(n, self.batch.messages[n], self)
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


class Pipeline:
    """Applies batches of one raw log, in order, to the store and the ledger."""

    def __init__(self, store: Store, ledger: Ledger, registry: RegistryCopy, log: str, divided: bool = False) -> None:
        """`divided`: replicas divide the messages among them; else each takes all, and the ledger keeps them single."""
        self.store, self.ledger, self.registry, self.log, self.divided = store, ledger, registry, log, divided
        self._quick: tuple[Snapshot, QuickReader] | None = None
        self._steps = Steps()
        self._tried: dict[int, int] = {}  # part -> the batch behind which its last attempt was

    def apply(self, batch: Batch) -> Report:
        """One batch, whole. Raises StoreUnavailable or StoreRefused, and then nothing is acknowledged."""
        return self.settle(self.read(batch))

    def settle(self, work: Work) -> Report:
        """What was read is sorted, written and told to the ledger. Raises Overtaken."""
        batch = work.batch
        work.again = self._tried.get(batch.part) in (None, batch.behind)
        self._tried[batch.part] = batch.behind
        with self.ledger.turn(work.devices()):
            # One who was killed leaves workers that finish their unit: what they did must not be done once more.
            applied = self.ledger.cursor(self.log, batch.part)
            if applied >= batch.id:
                return Report(revision=work.report.revision, acks=_acks(work))
            if applied > batch.behind:
                raise Overtaken
            known = self._ask(work)
            self._take_runs(work, known)
            places = self._sort(work, known)
            _settle(work, places)
            self._write(work, places, self._judge(work, known))
            alone = self.divided or self.ledger.is_alone(self.log)
            _count(work, self.divided, alone)
            self.ledger.apply(work.outcome)
        work.report.acks = _acks(work)
        return work.report

    def read(self, batch: Batch) -> Work:
        """The plain messages as runs, the others as items: what can be done before it is our turn."""
        snapshot = self.registry.snapshot()
        report = Report(len(batch.messages), revision=snapshot.revision)
        work = Work(batch, Outcome(self.log, batch.id, batch.part, batch.behind), report, snapshot)
        quick = self._reader(work.snapshot)
        runs: dict[str, Run] = {}
        others = []
        for n, message in enumerate(batch.messages):
            device, readings = _quickly(quick, message)
            if device is None or readings is None:
                others.append(n)
                continue
            run = runs.get(device)
            if run is None:
                run = runs[device] = Run(device, work.snapshot.devices[device].codec == OWN_CODEC)
            run.add(n, readings, work.snapshot.whereabouts)
        others += [n for run in runs.values() if not run.plain for n in run.numbers]
        work.read(others)
        mixed = {item.reading.device for item in work.items}
        work.read(n for run in runs.values() if run.plain and run.device in mixed for n in run.numbers)
        work.runs = [run for run in runs.values() if run.plain and run.device not in mixed]
        return work

    def _reader(self, snapshot: Snapshot) -> QuickReader:
        if self._quick is None or self._quick[0] is not snapshot:
            devices = snapshot.devices
            self._quick = snapshot, QuickReader(lambda device: device in devices)
        return self._quick[1]

    def _ask(self, work: Work) -> Known:
        keys = [item.identity for item in work.items if item.identity is not None]
        for run in work.runs:
            keys += run.ends()
        stored = defaultdict(Intervals, self.ledger.intervals(keys))
        seen = None if self.divided else defaultdict(Intervals, self.ledger.seen(self.log, keys))
        return Known(stored, seen, self.ledger.newest_ms(work.devices()))

    def _take_runs(self, work: Work, known: Known) -> None:
        """A fate for each run; those that have none together are read one by one."""
        again = [key for run in work.runs if run.is_known(known.stored) for key in run.identities()]
        movable = {key[0] for key in self.ledger.provisional(again)} if again else set()
        for run in work.runs:
            run.judge(known.stored, known.newest_ms, movable)
        late = [run for run in work.runs if run.fate is Fate.NEW and run.is_late]
        if late:
            occupants = self.store.occupants([span for run in late for span in spans(run.device, run.times())])
            for run in late:
                run.fate = Fate.NEW if run.is_free(occupants) else None
        work.read([n for run in work.runs if run.fate is None for n in run.numbers])
        work.runs = [run for run in work.runs if run.fate is not None]

    def _sort(self, work: Work, known: Known) -> Places:
        """What each is to the ledger; the places in time, with what the store has where they may be taken."""
        keys = [item.identity for item in work.items if item.identity is not None]
        met_again = [key for key in keys if key[2] in known.stored[key[:2]]]
        newest_ms = dict(known.newest_ms)
        places = Places(self.store, known.newest_ms)
        provisional = self.ledger.provisional(met_again) if met_again else {}
        sort(work.items, known.stored, known.seen, provisional, newest_ms)
        for item in work.items:
            device = item.reading.device
            if item.fate is Fate.NEW and not item.message.whole and item.time_ms < newest_ms.get(device, -1):
                work.outcome.tally(device).late += 1
            newest_ms[device] = max(item.time_ms, newest_ms.get(device, -1))
        for run in work.runs:
            if known.seen is not None and run.stream is not None:
                run.copies = known.seen[run.stream].update(run.counts)
        return places

    def _judge(self, work: Work, known: Known) -> list[Point]:
        """What is to be written, with what it is worth."""
        fresh: defaultdict[str, list[Point]] = defaultdict(list)
        points: list[Point] = []
        for one in (point(item) for item in work.items if item.fate in WRITTEN):
            work.report.failed_range += sum(letter == FAILED_RANGE for letter in one.quality.values())
            newer = one.time_ms > known.newest_ms.get(one.device, -1)
            (fresh[one.device] if newer else points).append(one)
        written = [run for run in work.runs if run.fate is Fate.NEW]
        stations = {run.points[-1].station for run in written} | {
            one.station for some in fresh.values() for one in some
        }
        forgotten = self._steps.forgotten(known.newest_ms, [*fresh, *(run.device for run in written)])
        if forgotten:
            self._steps.remind(self.store.latest(sorted(stations)), known.newest_ms, forgotten)
        for some in fresh.values():
            judged, doubted = self._steps.judge(sorted(some, key=attrgetter("time_ms")))
            points += judged
            work.report.failed_step += doubted
        for run in written:
            run.points, doubted = self._steps.judge(run.points, run.is_late)
            points += run.points
            work.report.failed_step += doubted
        for run in work.runs:  # another replica's, to be known for the next
            if run.fate is Fate.AGAIN and run.points[0].time_ms > self._steps.newest_ms(run.device):
                self._steps.judge(run.points)
        return points

    def _write(self, work: Work, places: Places, points: list[Point]) -> None:
        """Write what is to be written, delete what got a better time, put aside what the store refuses."""
        items = [item for item in work.items if item.fate in WRITTEN]
        if points:
            try:
                self.store.write(points)
            except PointsRejected as error:
                _put_aside(error, items, work)
        # The new place is written before the old one goes: dying in between leaves both, and the repetition mends it.
        left = [_left(item, places, work) for item in items]
        if stale := [key for key in left if key is not None]:
            self.store.delete(stale)
        stored = {(p.station, p.device, p.time_ms): p for p in points} if items else {}
        for item, key in zip(items, left, strict=True):
            if item.fate in WRITTEN:
                _arrived(item, stored[item.station, item.reading.device, item.time_ms], key, places, work)
        for run in work.runs:
            if run.fate is Fate.NEW:
                work.outcome.arrived += [
                    (p.station, p.device, p.time_ms, p.generation, p.seq, p.values, p.quality, None) for p in run.points
                ]


def _quickly(quick: QuickReader, message: Message) -> tuple[str | None, list[Quick] | None]:
    """Device and readings of a plain message."""
    device = quick.device(message.topic)
    if device is None or message.retained or message.replayed_ms:
        return None, None
    try:
        return device, quick.read(device, message)
    except Exception:  # a fault of ours: `decode` reads it, or says what it is
        return None, None


def _settle(work: Work, places: Places) -> None:
    """A place in time for each that is written."""
    written = [item for item in work.items if item.fate in WRITTEN]
    places.ask((item.reading.device, item.time_ms) for item in written)
    for n, item in enumerate(work.items):
        if item.fate not in WRITTEN:
            continue
        owner, device = _owner(item, work, n), item.reading.device
        again = places.has(device, item.time_ms, owner)
        if item.identity is None and again and owner.stamp is None:
            item.fate = Fate.REWRITTEN  # two readings of a moment are one
        if item.own and item.fate is Fate.REWRITTEN and item.identity is not None and not again:
            item.fate = Fate.AGAIN  # a letter of a reading that is known by another time
            continue
        left_ms = item.old.time_ms if item.old is not None else None
        item.time_ms = places.claim(device, item.time_ms, owner, left_ms)
        if owner.stamp is not None and item.message.whole and places.stood(device, item.time_ms, None):
            item.fate = Fate.REWRITTEN


def _arrived(item: Item, stored: Point, left: PointKey | None, places: Places, work: Work) -> None:
    """News, or written once more as it was. In doubt it is news: rather told twice than never."""
    if left is None and work.again and item.fate is Fate.BETTER and item.old is not None:
        left = PointKey(item.old.station, item.reading.device, item.old.time_ms)  # deleted by that attempt, untold
    known = item.copy or places.stood(item.reading.device, item.time_ms, item.identity)
    old = item.fate is Fate.REWRITTEN and known and not work.again
    (work.outcome.rewritten if old else work.outcome.arrived).append(
        (stored.station, stored.device, stored.time_ms, stored.generation, stored.seq, stored.values,
         stored.quality, None if left is None else (left.station, left.time_ms))
    )  # fmt: skip


def _left(item: Item, places: Places, work: Work) -> PointKey | None:
    """The place that a reading with a better time has left, unless another reading stands there."""
    old, device = item.old, item.reading.device
    if item.fate is not Fate.BETTER or old is None or (old.station, old.time_ms) == (item.station, item.time_ms):
        return None
    mine = places.has(device, old.time_ms, _owner(item, work, 0))
    return PointKey(old.station, device, old.time_ms) if mine else None


def _decode(n: int, message: Message, work: Work) -> None:
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


def _owner(item: Item, work: Work, n: int) -> Owner:
    """Whose a place in time is: a counted reading's, or the moment's own, or that one stamp's."""
    if item.identity is not None:
        return Owner(item.identity[1:], item.reading.index)
    if item.reading.time_source is not TimeSource.RECEIVER:
        return Owner(None)
    message = item.message
    again = message.whole or (work.again and not message.replayed_ms)  # a letter alone is a part of what came
    return Owner(None, stamp=(work.outcome.batch, n), again=again)


def _put_aside(error: PointsRejected, items: list[Item], work: Work) -> None:
    rejected = {(p.station, p.device, p.time_ms) for p in error.points}
    for item in items:
        if (item.station, item.reading.device, item.time_ms) in rejected:
            item.fate = Fate.REFUSED
            _refuse_reading(error, item.message, item.reading, work)
    for run in work.runs:
        if run.fate is not Fate.NEW:
            continue
        for n, at in run.leave(rejected):
            message = work.batch.messages[n]
            _refuse_reading(error, message, decode(message, work.snapshot.name_of).readings[at], work)


def _refuse_reading(error: PointsRejected, message: Message, reading: Reading, work: Work) -> None:
    payload = reading.model_dump_json(exclude_none=True).encode()
    work.refuse(message, Refusal("store-rejected", str(error), payload, reading.device, reading))


def _count(work: Work, divided: bool, alone: bool) -> None:
    """What the ledger will know of this batch. `alone`: a reading without a count that is met again is no copy."""
    for item in work.items:
        _count_item(item, work, divided, alone)
    for run in work.runs:
        _count_run(run, work, divided)


def _count_item(item: Item, work: Work, divided: bool, alone: bool) -> None:
    report, outcome = work.report, work.outcome
    tally, key = outcome.tally(item.reading.device), item.identity
    if item.fate is Fate.NEW:
        report.stored += 1
        tally.received += 1
    elif item.fate is Fate.BETTER:
        report.moved += 1
    elif item.message.replayed_ms or item.copy:
        pass  # we ourselves took it again, or know it through another replica
    elif item.fate in (Fate.AGAIN, Fate.REWRITTEN) and (key is not None or alone):
        report.duplicates += 1
        tally.duplicates += divided
        tally.repeated += not divided
    if key is not None and not divided:
        outcome.met[key[:2]].add(key[2])
    if item.fate not in WRITTEN:
        return
    tally.first_ms, tally.last_ms = min(tally.first_ms, item.time_ms), max(tally.last_ms, item.time_ms)
    if key is not None and item.first_of_frame:
        outcome.stored[key[:2]].add(key[2])
        # Only our own devices send a reading again once they know its time better.
        if item.own and (rank := source_rank(item.reading.time_source)) > SETTLED.rank:
            outcome.provisional[key] = Provisional(item.station, item.time_ms, rank)
        elif item.fate is Fate.BETTER:
            outcome.provisional[key] = None


def _count_run(run: Run, work: Work, divided: bool) -> None:
    report, outcome, n = work.report, work.outcome, len(run.points)
    if n == 0:
        return
    tally, stream = outcome.tally(run.device), run.stream
    if run.fate is Fate.AGAIN:
        report.duplicates += n - run.copies
        tally.duplicates += n if divided else 0
        tally.repeated += 0 if divided else n - run.copies
    else:
        report.stored += n
        tally.received += n
        tally.late += run.late
        tally.first_ms = min(tally.first_ms, run.points[0].time_ms)
        tally.last_ms = max(tally.last_ms, run.points[-1].time_ms)
        if stream is not None:
            outcome.stored[stream].update(run.counts)
        if run.own and stream is not None:
            for (station, device, time_ms, _, _, generation, seq), rank in zip(run.points, run.ranks, strict=True):
                if rank > SETTLED.rank:
                    outcome.provisional[device, generation or 0, seq or 0] = Provisional(station, time_ms, rank)
    if stream is not None and not divided:
        outcome.met[stream].update(run.counts)


def point(item: Item) -> Point:
    """A reading, judged, as the store keeps it."""
    reading = item.reading
    quality = judge(reading.values)
    return Point(item.station, reading.device, item.time_ms, reading.values, quality, reading.generation, reading.seq)


def _acks(work: Work) -> dict[str, dict[int, Intervals]]:
    counted = [item.identity for item in work.items if item.identity is not None]
    return acknowledgements([*counted, *work.kept], work.runs)


def acknowledgements(keys: Iterable[Identity], runs: Iterable[Run] = ()) -> dict[str, dict[int, Intervals]]:
    """Sequence numbers that may be acknowledged, by device and generation."""
    acks: dict[str, dict[int, Intervals]] = {}
    for device, generation, seq in keys:
        acks.setdefault(device, {}).setdefault(generation, Intervals()).add(seq)
    for run in runs:
        if run.stream is not None:
            device, generation = run.stream
            acks.setdefault(device, {}).setdefault(generation, Intervals()).update(run.counts)
    return acks


def printable(text: str) -> str:
    """Text that any database takes: no lone surrogates, no NUL."""
    return text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\0")
