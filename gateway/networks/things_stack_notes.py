"""What The Things Stack says of a device's health: joins, what became of downlinks, battery level, warnings.

Specification: The Things Stack, data formats; `last_battery_percentage` (3.33.1 and later) is in per cent.
"""

from datetime import datetime
from typing import Any

from gateway.health import Delivery, Note, Power, Trouble
from gateway.networks.downlinks import TTS_REFERENCE, NetworkKind
from gateway.networks.event import dev_addr_of, first_time, note_ms, number, table, text

VIA = NetworkKind.THINGS_STACK.value
DOWNLINKS = {
    "down/queued": ("downlink_queued", "queued"),
    "down/sent": ("downlink_sent", "sent"),
    "down/ack": ("downlink_ack", "acknowledged"),
    "down/nack": ("downlink_nack", "not_acknowledged"),
    "down/failed": ("downlink_failed", "failed"),
}


def uplink_notes(message: dict[str, Any], time: datetime | None, received_ms: int) -> tuple[Note, ...]:
    """The battery level that the network knows, and what its decoders complain of."""
    notes = []
    battery = table(message.get("last_battery_percentage"))
    percent = number(battery.get("value", 0.0 if battery else None))
    if percent is not None:
        time_ms = note_ms(first_time(battery.get("received_at")) or time, received_ms)
        notes.append(Note(via=VIA, time_ms=time_ms, power=Power(percent)))
    for key in ("decoded_payload_warnings", "normalized_payload_warnings"):
        warnings = message.get(key)
        if isinstance(warnings, list) and warnings:
            trouble = Trouble(key.upper(), "; ".join(str(one) for one in warnings[:5]))
            notes.append(Note(via=VIA, time_ms=note_ms(time, received_ms), trouble=trouble))
    return tuple(notes)


def event_note(kind: str, body: dict[str, Any], received_ms: int) -> Note:
    """Of a `join` or one of DOWNLINKS."""
    if kind == "join":
        time = first_time(table(body.get("join_accept")).get("received_at"), body.get("received_at"))
        known = dev_addr_of(table(body.get("end_device_ids")).get("dev_addr"))
        return Note(via=VIA, time_ms=note_ms(time, received_ms), joined=True, dev_addr=known)
    field, state = DOWNLINKS[kind]
    said = table(body.get(field))
    downlink = table(said.get("downlink")) if state == "failed" else said
    ids = downlink.get("correlation_ids")
    ours = [text(one) for one in ids if text(one).startswith(TTS_REFERENCE)] if isinstance(ids, list) else []
    delivery = Delivery(state, ours[0] if ours else "")
    time_ms = note_ms(first_time(body.get("received_at")), received_ms)
    error = table(said.get("error"))
    trouble = (
        Trouble(text(error.get("name")) or "DOWNLINK_FAILED", text(error.get("message_format"))) if error else None
    )
    return Note(via=VIA, time_ms=time_ms, delivery=delivery, trouble=trouble)
