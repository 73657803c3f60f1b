"""A place in time for each reading of a batch, and what that means for who stood there before.

The new place is written before the old one goes; what the store refuses is put aside; what is told to followers is what
is news to them (`cloud.ledger.arrivals`). Pure: the pipeline writes and deletes.
"""

from cloud.ingest.decode import decode
from cloud.ingest.item import WRITTEN, Fate, Item
from cloud.ingest.message import Message
from cloud.ingest.places import Owner, Places
from cloud.ingest.refusal import Refusal
from cloud.ingest.work import Work
from cloud.store.model import Point, PointKey, PointsRejected
from schemas.models import Reading, TimeSource


def settle(work: Work, places: Places) -> None:
    """A place in time for each that is written."""
    written = [item for item in work.items if item.fate in WRITTEN]
    places.ask((item.reading.device, item.time_ms) for item in written)
    for n, item in enumerate(work.items):
        if item.fate not in WRITTEN:
            continue
        whose, device = owner(item, work, n), item.reading.device
        again = places.has(device, item.time_ms, whose)
        if item.identity is None and again and whose.stamp is None:
            item.fate = Fate.REWRITTEN  # two readings of a moment are one
        if item.own and item.fate is Fate.REWRITTEN and item.identity is not None and not again:
            item.fate = Fate.AGAIN  # a letter of a reading that is known by another time
            continue
        left_ms = item.old.time_ms if item.old is not None else None
        item.time_ms = places.claim(device, item.time_ms, whose, left_ms)
        if whose.stamp is not None and item.message.whole and places.stood(device, item.time_ms, None):
            item.fate = Fate.REWRITTEN


def left_place(item: Item, places: Places, work: Work) -> PointKey | None:
    """The place that a reading with a better time has left, unless another reading stands there."""
    old, device = item.old, item.reading.device
    if item.fate is not Fate.BETTER or old is None or (old.station, old.time_ms) == (item.station, item.time_ms):
        return None
    mine = places.has(device, old.time_ms, owner(item, work, 0))
    return PointKey(old.station, device, old.time_ms) if mine else None


def owner(item: Item, work: Work, n: int) -> Owner:
    """Whose a place in time is: a counted reading's, or the moment's own, or that one stamp's."""
    if item.identity is not None:
        return Owner(item.identity[1:], item.reading.index)
    if item.reading.time_source is not TimeSource.RECEIVER:
        return Owner(None)
    message = item.message
    again = message.whole or (work.again and not message.replayed_ms)  # a letter alone is a part of what came
    return Owner(None, stamp=(work.outcome.batch, n), again=again)


def arrived(item: Item, stored: Point, left: PointKey | None, places: Places, work: Work) -> None:
    """News, or written once more as it was. In doubt it is news: rather told twice than never."""
    if left is None and work.again and item.fate is Fate.BETTER and item.old is not None:
        left = PointKey(item.old.station, item.reading.device, item.old.time_ms)  # deleted by that attempt, untold
    known = item.copy or places.stood(item.reading.device, item.time_ms, item.identity)
    old = item.fate is Fate.REWRITTEN and known and not work.again
    (work.outcome.rewritten if old else work.outcome.arrived).append(
        (stored.station, stored.device, stored.time_ms, stored.generation, stored.seq, stored.values,
         stored.quality, None if left is None else (left.station, left.time_ms))
    )  # fmt: skip


def put_aside(error: PointsRejected, items: list[Item], work: Work) -> None:
    rejected = {(p.station, p.device, p.time_ms) for p in error.points}
    for item in items:
        if (item.station, item.reading.device, item.time_ms) in rejected:
            item.fate = Fate.REFUSED
            refuse_reading(error, item.message, item.reading, work)
    for run in work.runs:
        if run.fate is not Fate.NEW:
            continue
        for n, at in run.leave(rejected):
            message = work.batch.messages[n]
            refuse_reading(error, message, decode(message, work.snapshot.name_of).readings[at], work)


def refuse_reading(error: PointsRejected, message: Message, reading: Reading, work: Work) -> None:
    payload = reading.model_dump_json(exclude_none=True).encode()
    work.refuse(message, Refusal("store-rejected", str(error), payload, reading.device, reading))
