"""Which station a reading belongs to. Pure."""

from cloud.ingest.refusal import Refusal
from cloud.ledger.dead_letters import NOT_DEPLOYED, UNKNOWN_DEVICE
from cloud.registry.registry import Snapshot
from schemas.models import Reading


def where(reading: Reading, snapshot: Snapshot) -> str | Refusal:
    """The station that a reading belongs to, or why to none."""
    if reading.device not in snapshot.devices:
        reason = UNKNOWN_DEVICE
        detail = f"nobody has registered device '{reading.device}'; `klimanetz devices import` does"
    elif station := snapshot.whereabouts.station(reading.device, time_ms(reading)):
        return station
    else:
        reason = NOT_DEPLOYED
        detail = f"'{reading.device}' stood nowhere at {reading.time}; `klimanetz deployments import` says where it was"
    payload = reading.model_dump_json(exclude_none=True).encode()
    return Refusal(reason, detail, payload, reading.device, reading)


def time_ms(reading: Reading) -> int:
    """A decoded reading's time in milliseconds since 1970."""
    assert reading.time is not None  # decode gave it one
    return round(reading.time.timestamp() * 1000)
