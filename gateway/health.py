"""A device's health from what networks say of it: pure, whichever network speaks.

A note is what one event says; the state is what all of them said, a plain dictionary that is kept as JSON and published
as `schemas.models.Status`. An older note never takes the place of a newer one, whatever order they come in. Errors are
counted by their code. The state says "urgent" where somebody may be waiting for it: a join, an error that this device
did not have before, its own word that something broke or was done; everything else may wait a minute. docs/networks.md
explains the keys.
"""

from dataclasses import dataclass
from typing import Any

from schemas.models import utc_text_ms

CODES_MAX = 30  # of errors by device; further ones are counted as OTHER
CODE_MAX = 64
TEXT_MAX = 300
OTHER = "OTHER"
State = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Power:
    """A device's answer to a status request. `percent` None: it cannot tell, or has no battery."""

    percent: float | None
    external: bool | None = None
    margin_db: float | None = None


@dataclass(frozen=True, slots=True)
class Delivery:
    """What became of a downlink: queued, sent, acknowledged, not_acknowledged or failed. `reference`: the network's."""

    state: str
    reference: str = ""


@dataclass(frozen=True, slots=True)
class Trouble:
    """An error that a network reports of a device."""

    code: str
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """What one event says of a device's health. `joined`: it opened a session."""

    via: str
    time_ms: int
    joined: bool = False
    dev_addr: str | None = None
    power: Power | None = None
    delivery: Delivery | None = None
    trouble: Trouble | None = None
    report: State | None = None  # what one of our own devices says of itself: schemas.wire_status.as_object


def apply(state: State, note: Note) -> tuple[State, bool]:
    """The state after a note, and whether the change is urgent.

    The newest note again, as a broker may deliver it, changes nothing.
    """
    after, urgent = {"online": True, **state}, False
    if note.joined and _is_newer(state.get("joined"), note):
        after |= {"joined": utc_text_ms(note.time_ms)} | ({"dev_addr": note.dev_addr} if note.dev_addr else {})
        urgent = True
    if note.power and _is_newer(state.get("status_time"), note):
        after |= _power(after, note.power) | {"status_time": utc_text_ms(note.time_ms)}
    if note.report is not None and _is_newer(state.get("reported"), note):
        urgent |= _reported(after, note.report, note)
    if note.delivery:
        _deliver(after, note.delivery, note)
    if note.trouble:
        urgent |= _trouble(after, note.trouble, note)
    if after == {"online": True, **state}:
        return state, False
    if _is_newer(state.get("time"), note):
        after |= {"via": note.via, "time": utc_text_ms(note.time_ms)}
    return after, urgent


def _is_newer(text: str | None, note: Note) -> bool:
    return text is None or _sortable(text) < _sortable(utc_text_ms(note.time_ms))


def _sortable(text: str) -> str:
    """A time of ours as text that sorts by time; there are milliseconds only where they are not 0."""
    return text if "." in text else text.replace("Z", ".000Z")


def _power(state: State, power: Power) -> State:
    is_known = power.percent is not None and 0 <= power.percent <= 100
    known: State = {"battery_percent": round(power.percent or 0, 1) if is_known else None}
    if power.external is not None:
        known["external_power"] = power.external
    if power.margin_db is not None:
        known["margin_db"] = power.margin_db
    return known


def _reported(state: State, report: State, note: Note) -> bool:
    """Whether somebody may be waiting: a command is answered, or what is broken has changed.

    The newest answer stays until there is another; everything else is as the device says it now.
    """
    answer, faults = state.get("answer"), state.get("faults", [])
    state.pop("battery", None)
    state |= report | {"reported": utc_text_ms(note.time_ms)}
    return state.get("answer") != answer or state["faults"] != faults


def _deliver(state: State, delivery: Delivery, note: Note) -> None:
    last = {"state": delivery.state, "time": utc_text_ms(note.time_ms)}
    last |= {"reference": delivery.reference[:TEXT_MAX]} if delivery.reference else {}
    if last == state.get("last_downlink"):
        return
    counts = state.get("downlink_states", {})
    state["downlink_states"] = counts | {delivery.state: counts.get(delivery.state, 0) + 1}
    if _is_newer(state.get("last_downlink", {}).get("time"), note) or last["time"] == state["last_downlink"]["time"]:
        state["last_downlink"] = last


def _trouble(state: State, trouble: Trouble, note: Note) -> bool:
    """Whether the device did not have this before."""
    counts = state.get("errors", {})
    code = trouble.code[:CODE_MAX]
    last = {"code": code, "text": trouble.text[:TEXT_MAX], "time": utc_text_ms(note.time_ms)}
    if last == state.get("last_error"):
        return False
    code = code if code in counts or len(counts) < CODES_MAX else OTHER
    state["errors"] = counts | {code: counts.get(code, 0) + 1}
    if _is_newer(state.get("last_error", {}).get("time"), note) or last["time"] == state["last_error"]["time"]:
        state["last_error"] = last
    return code not in counts
