"""Why a MIC does not fit: what people get wrong, tried one after the other until the MIC itself says yes.

The rule: a reason is told only where the MIC confirms it (32 bits; the two halves of LoRaWAN 1.1 have 16, and that is
said). Every reason comes with its way out; where none is found, what was tried is named, so that nobody tries it again.
`searches` is the table, cheap and likely things first. A frame that is right costs nothing here.
Specification: LoRaWAN 1.0.4, sections 4.4, 6.2.
"""

from typing import Any

from edge.lorawan.frames import DataFrame, EncryptedJoinAccept, JoinAccept
from gateway.lorawan.explain import why_data, why_join
from gateway.lorawan.explain.finding import Finding, Search
from gateway.lorawan.explain.opened import Keys, Opened

Hint = dict[str, Any] | None


def why(phy: bytes, opened: Opened, keys: Keys) -> tuple[list[str], Hint]:
    """`(notes, hint)`: why the MIC is wrong, or which of the keys given is really the one that is missing."""
    if opened.mic_ok is True:
        return [], None
    searches, left = _searches(opened)
    if opened.mic_ok is None:  # the right key may be there under another name
        finding = _first(searches[:1], phy, keys) if any(keys[:3]) else None
    else:
        finding = _first(searches, phy, keys)
    if finding:
        return [finding.sentence], {"reason": finding.reason, **finding.details}
    if opened.mic_ok is None:
        return [], None
    tried = [search.what for search in searches]
    notes = [f"the MIC is wrong. Tried, and it is not: {'; '.join(tried)}", f"what is left: {left}"]
    if len(set(opened.frame.mic)) == 1:
        notes.insert(0, f"the MIC {opened.frame.mic.hex()} looks like a placeholder that was never computed")
    if isinstance(opened.frame, JoinAccept) and why_join.may_be_1_1(phy, keys):
        notes.append("OptNeg is set: it may be of LoRaWAN 1.1, where the MIC also covers the JoinRequest; use 1.0.4")
    return notes, {"reason": "unknown", "tried": tried}


def _searches(opened: Opened) -> tuple[tuple[Search, ...], str]:
    if isinstance(opened.frame, DataFrame):
        return why_data.SEARCHES, (
            "the keys of another session (has the device joined again?), another device's keys, or a forged frame"
        )
    other = "another device's AppKey, LoRaWAN 1.1 (where the NwkKey signs joins), or a forged frame"
    if isinstance(opened.frame, JoinAccept | EncryptedJoinAccept):
        return why_join.ACCEPT_SEARCHES, other
    return why_join.REQUEST_SEARCHES, other


def _first(searches: tuple[Search, ...], phy: bytes, keys: Keys) -> Finding | None:
    return next((found for search in searches if (found := search.run(phy, keys))), None)
