"""What the ledger will know of a batch, and what may be acknowledged once it does. Pure."""

from collections.abc import Iterable

from cloud.ingest.item import WRITTEN, Fate, Item
from cloud.ingest.runs import Run
from cloud.ingest.sort import SETTLED, source_rank
from cloud.ingest.work import Work
from cloud.ledger.ledger import Identity, Provisional
from schemas.intervals import Intervals


def count(work: Work, divided: bool, alone: bool) -> None:
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


def acks_of(work: Work) -> dict[str, dict[int, Intervals]]:
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
