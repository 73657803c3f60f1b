"""One reading on its way through a batch: where it belongs, what brought it, and what becomes of it."""

from dataclasses import dataclass
from enum import Enum, auto

from cloud.ingest.message import Message
from cloud.ledger.ledger import Identity, Provisional
from schemas.models import Reading


def identity(reading: Reading) -> Identity | None:
    """What the ledger knows a reading by, None for one that has no count."""
    if reading.generation is None or reading.seq is None:
        return None
    return reading.device, reading.generation, reading.seq


class Fate(Enum):
    """What becomes of a reading."""

    NEW = auto()  # written and counted
    AGAIN = auto()  # known: acknowledged again, not written
    REWRITTEN = auto()  # known, but written all the same: that can only add to what is there
    BETTER = auto()  # known with a worse time: written at the better one, deleted at the old
    REFUSED = auto()  # the store will not have it: put aside


WRITTEN = (Fate.NEW, Fate.REWRITTEN, Fate.BETTER)


@dataclass(slots=True)
class Item:
    """`identity`: what the ledger knows it by, None where the store's own key (device, time) must do; `own`: one of our
    devices, whose count is for life; `n`: the number of its message in the batch; `old`: where a BETTER one is stored
    now; `copy`: known only through another replica that takes every message as well, so no duplicate.
    """

    reading: Reading
    identity: Identity | None
    station: str
    message: Message
    time_ms: int
    own: bool
    n: int
    fate: Fate = Fate.NEW
    old: Provisional | None = None
    copy: bool = False

    @property
    def first_of_frame(self) -> bool:
        """Several readings of one foreign frame share a count; the first of them stands for it."""
        return self.reading.index == 0
