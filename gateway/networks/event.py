"""What an event of another network becomes, and how its JSON is read: what `chirpstack` and `things_stack` share.

Both write proto3 JSON: a field that is 0, false or empty may be left out, and a 64-bit number is a text. An uplink is
read by our own codec where the registry names one for the device, else by what the network's decoder made of it.

The time is that of the network server. Its clock is a server's, while a gateway's may be anything (no GPS, not set
since the power came back); only where the network says no time, or one before 2000, is the next best asked.
"""

import base64
import binascii
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from gateway.decode import NOTHING, Payload, Read, decode, undecoded
from gateway.health import Note
from gateway.networks.downlinks import Route
from gateway.networks.history import AHEAD, EARLIEST, Entry, Frame
from gateway.semtech.objects import time_of
from gateway.spool import Undecoded
from schemas.models import Link, Reading, TimeSource

_DEV_ADDR = re.compile(r"[0-9a-fA-F]{8}")
EU868_HZ = range(863_000_000, 870_000_001)


@dataclass(frozen=True, slots=True)
class Event:
    """What an event gave; `kind` is its type."""

    kind: str
    device: str = ""
    read: Read = NOTHING
    notes: tuple[Note, ...] = ()
    route: Route | None = None


@dataclass(frozen=True, slots=True)
class Heard:
    """One gateway's reception."""

    gateway: str | None
    rssi_dbm: float | None
    snr_db: float | None


def refused(kind: str, device: str, received_ms: int, payload: bytes, reason: str) -> Event:
    """What cannot be read is kept with its reason."""
    return Event(kind, device, Read(undecoded=Undecoded(device, received_ms, reason, payload)))


def read_uplink(payload: Payload, frame: Frame, event: dict[str, Any]) -> Read:
    """The readings of an uplink. `event` is kept where it has no bytes of the device."""
    tried = decode(payload) if payload.codec and payload.data else NOTHING
    if tried.readings or tried.notes:
        return tried
    if frame.entries:
        return Read(tuple(_reading(payload, entry) for entry in frame.entries), frame.unmapped)
    if tried.undecoded:
        reason = tried.undecoded.reason
    elif not payload.codec:
        reason = "the device is not registered, so no codec is known"
    else:
        reason = "the event has no data"
    reason += ", and the network's decoder gave no value that we know" if frame.unmapped else ""
    kept = replace(undecoded(payload, reason), payload=payload.data or json.dumps(event).encode())
    return Read((), tried.unmapped + frame.unmapped, kept)


def own_notes(read: Read, payload: Payload, via: str) -> tuple[Note, ...]:
    """What one of our own devices says of itself, as this network's word."""
    time_ms = note_ms(payload.time, payload.received_ms)
    return tuple(replace(note, via=via, time_ms=time_ms) for note in read.notes)


def _reading(payload: Payload, entry: Entry) -> Reading:
    counted = payload.generation is not None and payload.fcnt is not None
    source = TimeSource.DEVICE if entry.time else TimeSource.NETWORK if payload.time else TimeSource.RECEIVER
    return Reading(
        device=payload.device,
        generation=payload.generation if counted else None,
        seq=payload.fcnt if counted else None,
        index=entry.index,
        time=entry.time or reception(payload),
        time_source=source,
        values=entry.values,
        link=payload.link,
    )


def reception(payload: Payload) -> datetime:
    """When the frame was received, as well as anybody knows."""
    return payload.time or datetime.fromtimestamp(payload.received_ms / 1000, UTC)


def _best(heard: Sequence[Heard]) -> tuple[Heard, list[str] | None]:
    ordered = sorted(heard, key=_strength, reverse=True)
    gateways = list(dict.fromkeys(one.gateway for one in ordered if one.gateway))
    return ordered[0] if ordered else Heard(None, None, None), gateways or None


def _strength(one: Heard) -> tuple[float, float]:
    return -99 if one.snr_db is None else one.snr_db, -999 if one.rssi_dbm is None else one.rssi_dbm


def link(
    heard: Sequence[Heard], sf: int | None, frequency_hz: int | None, fcnt: int | None, fport: int | None,
    dev_addr: str | None,
) -> Link:  # fmt: skip
    """How a frame came: the best reception and everyone who heard it."""
    best, gateways = _best(heard)
    return Link(
        via="lorawan", gateway=gateways[0] if gateways else None, gateways=gateways, rssi_dbm=best.rssi_dbm,
        snr_db=best.snr_db, sf=sf, frequency_hz=frequency_hz, fcnt=fcnt, fport=fport, dev_addr=dev_addr,
    )  # fmt: skip


def first_time(*texts: Any) -> datetime | None:
    """The first that is a time; protocol buffers write the year 1 or 1970 where there is none."""
    times = (time_of(text) for text in texts)
    return next((time for time in times if time is not None and time >= EARLIEST), None)


def note_ms(time: datetime | None, received_ms: int) -> int:
    """When something was noted. A time far ahead would outdate all that comes after, so ours takes its place."""
    if time is None or time > datetime.fromtimestamp(received_ms / 1000, UTC) + AHEAD:
        return received_ms
    return int(time.timestamp() * 1000)


def sf_of_rate(rate: Any, frequency_hz: int | None) -> int | None:
    """The spreading factor of a data rate's number, which only EU863-870 is asked for (RP002-1.0.4 section 2.4.3)."""
    index = whole(rate, 0, 5)
    return 12 - index if index is not None and frequency_hz in EU868_HZ else None


def raw_bytes(text: Any) -> bytes:
    """What base64 holds, nothing where it is none."""
    try:
        return base64.b64decode(text, validate=True) if isinstance(text, str) else b""
    except (binascii.Error, ValueError):
        return b""


def decoder_output(value: Any, name: str) -> dict[str, Any]:
    """What a decoder gave, as an object: one that gives something else has it under `name`."""
    return value if isinstance(value, dict) else {} if value is None else {name: value}


def dev_addr_of(value: Any) -> str | None:
    """A DevAddr in lower case, None where it is none."""
    return value.lower() if isinstance(value, str) and _DEV_ADDR.fullmatch(value) else None


def table(value: Any) -> dict[str, Any]:
    """A JSON object, empty where it is none."""
    return value if isinstance(value, dict) else {}


def tables(value: Any) -> list[dict[str, Any]]:
    """The objects of a JSON array."""
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def text(value: Any) -> str:
    """A text, empty where it is none."""
    return value if isinstance(value, str) else ""


def number(value: Any) -> float | None:
    """A number that a link or a battery may have."""
    return value if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e9 else None


def whole(value: Any, low: int, high: int) -> int | None:
    """A whole number in these bounds, also as text."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 20:
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and low <= value <= high else None
