"""What a device tells (docs/device.md, "What it says as it works") in words for whoever stands beside it. Pure."""

from datetime import UTC, datetime
from typing import Any

from firmware.bench.checklist.asking import Fact
from firmware.bench.checklist.link import fault_words
from firmware.bench.checklist.sensible import fault_words as sensor_fault_words
from firmware.bench.checklist.units import name_of, number, shown
from firmware.bench.words import say

_FRAMES = {0: "JoinRequest", 1: "JoinAccept", 2: "UnconfirmedDataUp", 3: "UnconfirmedDataDown", 4: "ConfirmedDataUp",
           5: "ConfirmedDataDown"}  # fmt: skip


def sentence(fact: Fact) -> tuple[str, str] | None:
    """(style for the terminal, text); None for what only programs want. Raises nothing, whatever stands in it."""
    make = _SENTENCES.get(fact["kn"])
    if make is None:
        return None
    try:
        return make(fact)
    except (KeyError, TypeError, ValueError, IndexError):  # of another firmware: shown as it came
        return "dim", str(dict(fact))


def _start(fact: Fact) -> tuple[str, str]:
    text = say("%s, firmware %s, start after %s", "%s, Firmware %s, Start nach %s",
               fact["device"] or say("no identity", "ohne Identität"), fact["firmware"], fact["reset"])  # fmt: skip
    if fact["trouble"]:
        return "red", text + say("; configuration: %s", "; Konfiguration: %s", fact["trouble"])
    return "bold", text


def _reading(fact: Fact) -> tuple[str, str]:
    text = values(fact["values"]) or say("no value", "kein Wert")
    faults = _faults(fact["faults"])
    if "seq" not in fact:
        return "red", say("no reading: %s", "keine Messung: %s", faults or text)
    named = say("reading %s/%s: ", "Messung %s/%s: ", fact["generation"], fact["seq"]) + text
    if fact.get("time"):
        named += f" ({datetime.fromtimestamp(fact['time'], UTC):%H:%M:%S}Z, {fact['source']})"
    if not fact["stored"]:
        return "red", named + say("; flash did not take it", "; der Flash nahm sie nicht an")
    return ("yellow", f"{named}; {faults}") if faults else ("green", named)


def _measured(fact: Fact) -> tuple[str, str]:
    faults = _faults(fact["faults"])
    text = values(fact["values"])
    return ("yellow", "; ".join(filter(None, (text, faults)))) if faults else ("green", text)


def _sent(fact: Fact) -> tuple[str, str]:
    return "cyan", f"→ {_frame(fact)}"


def _heard(fact: Fact) -> tuple[str, str]:
    return "cyan", f"← {_frame(fact)}, {fact['rssi_dbm']} dBm, SNR {fact['snr_db']} dB"


def _frame(fact: Fact) -> str:
    mhz = number(fact["hz"] / 1e6, 3)
    kind = _FRAMES.get(fact["type"], say("a frame", "ein Rahmen"))
    return f"{kind}, {fact['bytes']} B, SF{fact['sf']}, {mhz} MHz"


def _fault(fact: Fact) -> tuple[str, str]:
    return "red", f"{fact['where']}: {fault_words(fact)}"


def _stored(fact: Fact) -> tuple[str, str]:
    spans = ", ".join(f"{g}/{first}–{last}" if last > first else f"{g}/{first}" for g, first, last in fact["ranges"])
    return "green", say("stored in the cloud: %s", "in der Cloud gespeichert: %s", spans)


def _radio(fact: Fact) -> tuple[str, str]:
    if fact["reached"]:
        return "green", say("network heard; %s readings wait", "Netz gehört; %s Messungen warten", fact["waiting"])
    return "yellow", say(
        "network not heard; %s readings wait", "Netz nicht gehört; %s Messungen warten", fact["waiting"]
    )


def _sleep(fact: Fact) -> tuple[str, str]:
    return "dim", say("sleeps for %s s (%s)", "schläft %s s (%s)", f"{fact['ms'] / 1000:.0f}", fact["how"])


def values(of: dict[str, Any]) -> str:
    """All values with names and units."""
    return ", ".join(f"{name_of(channel)} {shown(channel, value)}" for channel, value in sorted(of.items()))


def _faults(of: dict[str, str]) -> str:
    return ", ".join(sensor_fault_words(code, name) for name, code in sorted(of.items()))


_SENTENCES = {
    "start": _start, "reading": _reading, "measured": _measured, "sent": _sent, "heard": _heard, "fault": _fault,
    "stored": _stored, "radio": _radio, "sleep": _sleep,
}  # fmt: skip
