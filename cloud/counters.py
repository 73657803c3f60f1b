"""What each reading of a running total or of a rain gauge adds. Pure.

Each device is a counter of its own: its reading is compared with its own before. A fall below half is a restart from
zero, a fall from the top of the range a roll-over, a smaller step back a correction that adds nothing. What several
devices at one place add together is told by `cloud.shares`.
"""

from collections.abc import Iterable, Iterator, Sequence
from heapq import merge
from itertools import chain
from typing import NamedTuple

from cloud.accumulators import DECIMALS, FLAGGED
from cloud.store.model import Before, Value
from schemas.quantities import SUM, Quantity


class Added(NamedTuple):
    """A value and what it adds."""

    value: Value
    since_ms: int | None  # when its device's reading before was; None for the first
    amount: float | None  # None where nothing is known
    first_ms: int  # when the first reading of its device was
    used: bool = True  # else it is only counted as flagged
    shown: bool = True  # else it only tells how far its device has come
    source: str = ""  # tells apart what one device sends in two ways


def counted(
    values: Iterable[Value], quantity: Quantity, all_count: bool = False, before: Sequence[Before] = ()
) -> Iterator[Added]:
    """Readings by time, those of `before` first, each with what it adds."""
    lasts: dict[str, Value] = {}
    firsts = {one.last.device: one.first_ms for one in before}
    for one in chain(sorted((known.last for known in before), key=lambda value: (value.time_ms, value.device)), values):
        if not all_count and one.quality[:1] in FLAGGED:
            yield Added(one, None, None, one.time_ms, used=False)
            continue
        last = lasts.get(one.device)
        lasts[one.device] = one
        if last is None:
            amount = one.value if quantity.kind == SUM else None
            yield Added(one, None, amount, firsts.setdefault(one.device, one.time_ms))
        else:
            amount = one.value if quantity.kind == SUM else _difference(last.value, one.value, quantity.maximum)
            yield Added(one, last.time_ms, amount, firsts[one.device])


def increments(values: Iterable[Value], quantity: Quantity, before: Sequence[Before] = ()) -> Iterator[Added]:
    """A running total's good readings as increments; the first of a device is not shown, it adds nothing known."""
    for one in counted(values, quantity, before=before):
        if one.used:
            added = 0.0 if one.amount is None else round(one.amount, DECIMALS)
            value = Value(one.value.time_ms, added, one.value.quality, one.value.device)
            yield one._replace(value=value, shown=one.amount is not None, source="increments")


def together(direct: Iterable[Added], derived: Iterable[Added]) -> Iterator[Added]:
    """Both by time; what a device says directly goes before what is told from its total at the same moment."""
    at_ms: int | None = None
    said: set[str] = set()
    for one in merge(direct, derived, key=lambda added: added.value.time_ms):
        if one.value.time_ms != at_ms:
            at_ms = one.value.time_ms
            said.clear()
        if not one.source:
            if one.used:
                said.add(one.value.device)
        elif one.value.device in said:
            one = one._replace(amount=None, shown=False)
        yield one


def _difference(before: float, now: float, maximum: float) -> float:
    if now >= before:
        return now - before
    if 0.9 * maximum <= before <= maximum and 0 <= now <= 0.1 * maximum:
        return maximum - before + now
    # A meter that starts anew counts from zero; a small step back is a correction and adds nothing.
    return now if 0 <= now < before / 2 else 0.0
