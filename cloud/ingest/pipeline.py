"""What happens to one batch of the raw log, as a list of steps.

Order is the promise: decode, place, sort, judge, write, and only then the ledger, and only then the acknowledgement.
Dying between any two of them costs a repetition and nothing else, because writing and the ledger are idempotent. From
the first question to the ledger until it has its answer this replica has the turn, so no other takes the same for new.
"""

from collections import defaultdict
from operator import attrgetter

from cloud.ingest.counting import acks_of, count
from cloud.ingest.item import WRITTEN, Fate, Item
from cloud.ingest.message import Message
from cloud.ingest.places import Places, spans
from cloud.ingest.quick import Quick, QuickReader
from cloud.ingest.rawlog import Batch
from cloud.ingest.runs import Run
from cloud.ingest.settling import arrived, left_place, put_aside, settle
from cloud.ingest.sort import sort
from cloud.ingest.steps import Steps
from cloud.ingest.work import OWN_CODEC, Known, RegistryCopy, Report, Work
from cloud.judge import FAILED_RANGE, judge
from cloud.ledger.ledger import Ledger, Outcome, Overtaken
from cloud.registry.registry import Snapshot
from cloud.store.model import Point, PointsRejected, Store
from schemas.intervals import Intervals


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
                return Report(revision=work.report.revision, acks=acks_of(work))
            if applied > batch.behind:
                raise Overtaken
            known = self._ask(work)
            self._take_runs(work, known)
            places = self._sort(work, known)
            settle(work, places)
            self._write(work, places, self._judge(work, known))
            alone = self.divided or self.ledger.is_alone(self.log)
            count(work, self.divided, alone)
            self.ledger.apply(work.outcome)
        work.report.acks = acks_of(work)
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
        for run in work.runs:
            run.judge(known.stored, known.newest_ms)
        again = [run for run in work.runs if run.fate is Fate.AGAIN]
        if again:  # not where a time may get better
            movable = {key[0] for key in self.ledger.provisional([key for run in again for key in run.identities()])}
            for run in again:
                run.fate = None if run.device in movable else Fate.AGAIN
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
                put_aside(error, items, work)
        # The new place is written before the old one goes: dying in between leaves both, and the repetition mends it.
        left = [left_place(item, places, work) for item in items]
        if stale := [key for key in left if key is not None]:
            self.store.delete(stale)
        stored = {(p.station, p.device, p.time_ms): p for p in points} if items else {}
        for item, key in zip(items, left, strict=True):
            if item.fate in WRITTEN:
                arrived(item, stored[item.station, item.reading.device, item.time_ms], key, places, work)
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


def point(item: Item) -> Point:
    """A reading, judged, as the store keeps it."""
    reading = item.reading
    quality = judge(reading.values)
    return Point(item.station, reading.device, item.time_ms, reading.values, quality, reading.generation, reading.seq)
