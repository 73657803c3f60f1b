"""Sort decoded readings by what the ledger knows of them. Pure.

The rule of identity: (device, generation, seq) is one reading for ever. The same one again is a duplicate; the same
one with a better time replaces the old. Where a count may mean another reading after all (a foreign frame counter that
began again, a further reading of the same frame, a replayed dead letter), it is written rather than dropped: the
store's own key (station, device, time) keeps it single.
"""

from collections.abc import Iterable, Mapping

from cloud.ingest.item import Fate, Item
from cloud.ledger.ledger import Identity, Provisional, Stream
from schemas.intervals import Intervals
from schemas.models import Reading, TimeSource

SETTLED = TimeSource.NETWORK  # sources up to this one are never improved on


def source(reading: Reading) -> TimeSource:
    """Who set the time; a device that does not say stands between its clock and ours."""
    return reading.time_source or TimeSource.DEVICE


def source_rank(said: TimeSource | None) -> int:
    """The rank of who set the time, from what a reading says."""
    return (said or TimeSource.DEVICE).rank


def sort(
    items: Iterable[Item],
    stored: Mapping[Stream, Intervals],
    seen: Mapping[Stream, Intervals] | None,
    provisional: Mapping[Identity, Provisional],
    newest_ms: Mapping[str, int],
) -> None:
    """Give every item its fate, against the ledger and against each other; `stored` and `seen` grow.

    `seen`: what this raw log has held, None where replicas divide the messages; a known reading that it meets for the
    first time is a copy. `provisional`: readings whose time may get better. `newest_ms`: the newest time stored of each
    device.
    """
    fresh: dict[Identity, Item] = {}  # first of this very batch
    moving: dict[Identity, Item] = {}  # gets a better time in this batch
    newest = dict(newest_ms)
    for item in items:
        key = item.identity
        if key is None:
            continue  # NEW
        known = key[2] in stored[key[:2]]
        stored[key[:2]].add(key[2])
        item.copy = seen is not None and bool(seen[key[:2]].add(key[2])) and known
        if not known:
            fresh[key] = item
        elif key in fresh:
            item.fate = _beside(fresh[key], item)
            if item.fate is Fate.NEW and item.first_of_frame and item.own:
                fresh[key].fate, fresh[key] = Fate.AGAIN, item
        else:
            item.fate, item.old = _met_again(item, provisional.get(key), newest.get(key[0], -1))
            if item.fate is Fate.BETTER:
                before = moving.setdefault(key, item)
                if before is not item:  # two corrections in one batch: the better one moves the reading, once
                    worse = item if source(item.reading).rank >= source(before.reading).rank else before
                    worse.fate, worse.old = Fate.AGAIN, None
                    moving[key] = item if worse is before else before
            newest[key[0]] = max(item.time_ms, newest.get(key[0], -1))


def _beside(first: Item, item: Item) -> Fate:
    """Two of one batch: nothing is stored yet, so the better time takes the place."""
    if not item.first_of_frame:
        return Fate.NEW
    if not item.own:
        return Fate.AGAIN if item.time_ms == first.time_ms else Fate.NEW
    return Fate.NEW if source(item.reading).rank < source(first.reading).rank else Fate.AGAIN


def _met_again(item: Item, old: Provisional | None, newest_ms: int) -> tuple[Fate, Provisional | None]:
    if item.own and old is not None and source(item.reading).rank < old.rank:
        return Fate.BETTER, old
    if item.message.replayed_ms or not item.first_of_frame:
        return Fate.REWRITTEN, None
    if not item.own:
        return (Fate.NEW if item.time_ms > newest_ms else Fate.REWRITTEN), None
    return Fate.AGAIN, None
