"""A protocol as a page to print or to read: Markdown, in the terminal's language. Pure.

The reasons of the checks are as they were said on the day, in the language of that terminal.
"""

from collections.abc import Mapping
from typing import Any

from firmware.bench.checklist.check import colour_word, label
from firmware.bench.checklist.protocol import fingerprint
from firmware.bench.checklist.units import number
from firmware.bench.words import say


def page(document: Mapping[str, Any]) -> str:
    """Of a document that `protocol.checked` gave."""
    told, signature = document["protocol"], document["signature"]
    title = say("Verification of %s", "Prüfprotokoll %s", told.get("device") or "?")
    lines = [f"# {title}", "", f"**{colour_word(told['colour']).upper()}**", "", *_facts(told), ""]
    lines += ["| | | |", "|---|---|---|"]
    for check in told["checks"]:
        way_out = f" → {check['way_out']}" if check["way_out"] else ""
        lines.append(
            f"| {_cell(label(check['name']))} | {colour_word(check['colour'])} | {_cell(check['reason'] + way_out)} |"
        )
    lines += ["", say("Signed with the key %s (%s).", "Signiert mit dem Schlüssel %s (%s).",
                      fingerprint(signature["public_key"]), signature["algorithm"]), ""]  # fmt: skip
    lines.append(f"`{signature['value']}`")
    return "\n".join(lines) + "\n"


def _facts(told: Mapping[str, Any]) -> list[str]:
    where = told.get("place") or {}
    rows = [
        (say("station", "Station"), told.get("station")),
        (say("place", "Ort"), f"{where['latitude']:.5f}, {where['longitude']:.5f}" if where else None),
        (say("height above ground", "Höhe über Grund"), _metres(told.get("height_m"))),
        (say("shield", "Strahlungsschutz"), told.get("shield")),
        (say("board", "Karte"), f"{told.get('board') or '?'}, {told.get('serial') or '?'}"),
        (say("firmware", "Firmware"), told.get("firmware")),
        (say("time (UTC)", "Zeit (UTC)"), f"{told['begun']} – {told['ended']}"),
        (say("laptop's clock", "Uhr des Laptops"), told.get("laptop_clock")),
        (say("technician", "geprüft von"), told.get("technician")),
    ]
    return [f"- {name}: {_cell(str(value)) if value else say('not said', 'nicht angegeben')}" for name, value in rows]


def _metres(value: float | None) -> str | None:
    return None if value is None else f"{number(value)} m"


def _cell(text: str) -> str:
    """Nothing in it may end a cell or become a tag."""
    for sign, other in (("\\", "\\\\"), ("|", "\\|"), ("<", "&lt;"), ("\n", " "), ("`", "\\`"), ("*", "\\*")):
        text = text.replace(sign, other)
    return text
