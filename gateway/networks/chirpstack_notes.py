"""What ChirpStack says of a device's health: `join`, `ack`, `txack`, `status`, `log`, and version 3's `error`.

Specification: ChirpStack v4 api/proto/integration/integration.proto. Fields that are 0 or false may be left out.
"""

from collections.abc import Callable
from typing import Any

from gateway.health import Delivery, Note, Power, Trouble
from gateway.networks.downlinks import NetworkKind
from gateway.networks.event import dev_addr_of, first_time, note_ms, number, text, whole

VIA = NetworkKind.CHIRPSTACK.value
LEVELS = ("INFO", "WARNING", "ERROR")


def event_note(kind: str, body: dict[str, Any], received_ms: int) -> Note | None:
    """Of an event in NOTES, None where it says nothing that we keep."""
    time_ms = note_ms(first_time(body.get("time")), received_ms)
    return NOTES[kind](body, time_ms)


def _joined(body: dict[str, Any], time_ms: int) -> Note:
    return Note(via=VIA, time_ms=time_ms, joined=True, dev_addr=dev_addr_of(body.get("devAddr")))


def _acknowledged(body: dict[str, Any], time_ms: int) -> Note:
    state = "acknowledged" if body.get("acknowledged") is True else "not_acknowledged"
    return Note(via=VIA, time_ms=time_ms, delivery=Delivery(state, text(body.get("queueItemId"))))


def _sent(body: dict[str, Any], time_ms: int) -> Note | None:
    """A downlink that nobody queued answers MAC commands."""
    reference = text(body.get("queueItemId"))
    return Note(via=VIA, time_ms=time_ms, delivery=Delivery("sent", reference)) if reference else None


def _status(body: dict[str, Any], time_ms: int) -> Note:
    unknown = body.get("batteryLevelUnavailable") is True or body.get("externalPowerSource") is True
    percent = None if unknown else number(body.get("batteryLevel", 0))
    external = body.get("externalPowerSource") is True
    return Note(via=VIA, time_ms=time_ms, power=Power(percent, external, number(body.get("margin", 0))))


def _logged(body: dict[str, Any], time_ms: int) -> Note | None:
    """`level` INFO, which may be left out, is no error; enumerations may come as numbers."""
    level, code = body.get("level", LEVELS[0]), body.get("code", "UNKNOWN")
    level = LEVELS[level] if whole(level, 0, 2) is not None and not isinstance(level, str) else level
    if level == LEVELS[0] and ("level" in body or "code" not in body):
        return None
    return Note(via=VIA, time_ms=time_ms, trouble=Trouble(str(code), text(body.get("description"))))


NOTES: dict[str, Callable[[dict[str, Any], int], Note | None]] = {
    "join": _joined, "ack": _acknowledged, "txack": _sent, "status": _status, "log": _logged, "error": _logged,
}  # fmt: skip
