"""From what a payload says to the one message format: a device, a link and a time of reception are added.

A reading keeps the time that its device gave it. Without one, an age is counted back from the reception, and a
reading that has neither is as old as its reception; both say `receiver`. Pure: the clock is an argument.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Protocol

from schemas.models import Link, Reading, TimeSource
from schemas.wire import status_names

RECEPTION_S = 2.0  # from the transmission to the reception: airtime, backhaul, rounding to seconds
CLOCK_DRIFT = 0.01  # of an age: the RC oscillator that counts through deep sleep


class FrameReading(Protocol):
    """A schemas.wire.WireReading, or what a codec of the gateway decoded: the same fields."""

    @property
    def generation(self) -> int | None: ...
    @property
    def seq(self) -> int | None: ...
    @property
    def time_s(self) -> float | None: ...
    @property
    def age_s(self) -> float | None: ...
    @property
    def time_source(self) -> str: ...
    @property
    def uncertainty_s(self) -> float | None: ...
    @property
    def values(self) -> Mapping[str, float]: ...
    @property
    def status(self) -> int | Sequence[str] | None: ...


def to_readings(
    device: str, frame_readings: Sequence[FrameReading], received: datetime, link: Link | None = None
) -> list[Reading]:
    """The readings of one frame in its order.

    One without a value of ours is left out; of one without a seq, the position in the frame is the `index`.
    Raises pydantic.ValidationError (a ValueError) where the device's name or a value breaks the contract.
    """
    readings = []
    for i, frame_reading in enumerate(frame_readings):
        if not frame_reading.values:
            continue
        time, source, uncertainty_s = _time(frame_reading, received)
        readings.append(
            Reading(
                device=device,
                generation=frame_reading.generation,
                seq=frame_reading.seq,
                index=0 if frame_reading.seq is not None else i,
                time=time,
                time_source=source,
                time_uncertainty_s=uncertainty_s,
                values=dict(frame_reading.values),
                status=_flags(frame_reading.status),
                link=link,
            )
        )
    return readings


def _flags(status: int | Sequence[str] | None) -> list[str] | None:
    if status is None:
        return None
    return list(status_names(status) if isinstance(status, int) else status)


def _time(reading: FrameReading, received: datetime) -> tuple[datetime, TimeSource, float | None]:
    if reading.time_s is not None:
        source = TimeSource.DEVICE if reading.time_source == "none" else TimeSource(reading.time_source)
        time = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=reading.time_s)
        return time, source, reading.uncertainty_s
    if reading.age_s is None:
        return received, TimeSource.RECEIVER, None
    own_s = CLOCK_DRIFT * reading.age_s if reading.uncertainty_s is None else reading.uncertainty_s
    return received - timedelta(seconds=reading.age_s), TimeSource.RECEIVER, RECEPTION_S + own_s
