"""What becomes of a message: readings, refusals, and what is owed an acknowledgement."""

from collections.abc import Callable
from dataclasses import dataclass, field

from schemas.models import Reading

Names = Callable[[str], str]  # a device's name as it was sent, to that in the registry


@dataclass(frozen=True, slots=True)
class Refusal:
    """A message, or a part of one, that is not a reading: a short code, a sentence, the bytes concerned."""

    reason: str
    detail: str
    payload: bytes
    device: str | None = None
    whole: Reading | None = None  # the payload is this reading: keeping it may be acknowledged, and it can be replayed


@dataclass(slots=True)
class Decoded:
    """What became of one message."""

    readings: list[Reading] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    status: tuple[str, str] | None = None  # device, its own account of itself in JSON
    # (device, generation, seq) as the sender calls them, to be acknowledged beside those of readings and `whole`:
    # of what is kept in a refusal, and of a device that has another name in the registry.
    owed: list[tuple[str, int, int]] = field(default_factory=list)
