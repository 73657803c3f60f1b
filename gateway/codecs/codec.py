"""What a device payload codec is: bytes to readings and back, pure.

A codec knows nothing of devices, links or clocks: it says what the bytes say. What it cannot name in our
quantities stands in `unmapped`, so that nothing is dropped silently.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from schemas.channels import ChannelError, split
from schemas.quantities import Quantity


class CodecError(ValueError):
    """The payload cannot be decoded or encoded; the message says why and what is allowed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoded:
    """One reading as a payload tells it; the fields are those of schemas.wire.WireReading, and `unmapped`."""

    values: dict[str, float]  # by channel, in our units
    generation: int | None = None
    seq: int | None = None
    time_s: float | None = None  # since 1970 UTC
    age_s: float | None = None  # before the transmission, where time_s is None
    time_source: str = "none"  # one of schemas.wire.TIME_SOURCES
    uncertainty_s: float | None = None
    status: tuple[str, ...] | None = None  # of schemas.wire.STATUS_FLAGS; None where the format has none
    unmapped: dict[str, Any] = field(default_factory=dict)  # what is no quantity of ours, under the format's names


def quantity_and_place(channel: str) -> tuple[Quantity, str]:
    """Of a channel that is to be encoded. Raises CodecError."""
    try:
        quantity, place = split(channel)
    except ChannelError as error:
        raise CodecError(str(error)) from None
    return quantity, place


def numbered(number: int) -> str:
    """The place of a channel number: none for 1, `chN` for any other.

    It depends on the number alone and never on what else is in the payload: a probe keeps its channel when another
    one is silent.
    """
    return "" if number == 1 else f"ch{number}"


class Codec(Protocol):
    """Decodes and encodes the payloads of one format."""

    @property
    def name(self) -> str:
        """As `devices.csv` names it."""

    def decode(self, payload: bytes, fport: int) -> list[Decoded]:
        """The readings in a payload, newest first. Raises CodecError and nothing else."""

    def encode(self, readings: Sequence[Decoded]) -> bytes:
        """A payload that carries these readings (newest first), all of them. Raises CodecError."""
