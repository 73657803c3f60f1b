"""How a device stands: its cell, its clock, its outbox. Pure."""

from typing import Any

from firmware.bench.checklist.asking import Fact
from firmware.bench.checklist.check import Check, green, red, yellow
from firmware.bench.checklist.units import number, with_unit
from firmware.bench.words import say

# Volts: empty, low, full and too much, of one cell. Li-ion: Panasonic NCR18650B (4.2 V charged, 3.6 V nominal; below
# 3.4 V the boards' regulators let go). LiFePO4: 3.65 V charged, flat at 3.2 V. Li-SOCl2: Saft LS 33600, open circuit
# 3.67 V, 3.6 V nominal, flat until shortly before its end.
CELLS = {
    "18650": (3.4, 3.7, 4.25),
    "18650x2": (3.4, 3.7, 4.25),
    "LiFePO4-18650": (3.0, 3.2, 3.7),
    "D-LiSOCl2": (3.3, 3.5, 3.75),
    "C-LiSOCl2": (3.3, 3.5, 3.75),
}
CLOCK_SLACK_S = 5.0  # the cable's way and the laptop's own clock


def battery(volts: float | None, low_mv: int, cell: str = "", years: float | None = None) -> Check | None:
    """None where the board cannot tell: then there is nothing to look at. `years`: edge.energy's answer."""
    if volts is None:
        return None
    empty, low, most = CELLS[cell] if cell else (low_mv / 1000, low_mv / 1000 + 0.2, float("inf"))
    values = {"volts": round(volts, 3), "cell": cell or None, "years": None if years is None else round(years, 1)}
    shown = with_unit(volts, "V", 2)
    if volts > most:
        return red(
            "battery",
            say("%s is more than a %s has", "%s ist mehr, als eine %s hat", shown, cell),
            say(
                "is the cell another one, or the divider in the configuration wrong?",
                "ist es eine andere Zelle, oder stimmt der Teiler in der Konfiguration nicht?",
            ),
            values,
        )
    if volts < max(empty, low_mv / 1000):
        return red(
            "battery",
            say("%s: it is empty", "%s: sie ist leer", shown),
            say("charge it or put another one in", "laden oder eine andere einsetzen"),
            values,
        )
    if volts < low:
        return yellow(
            "battery",
            say("%s: it is not full", "%s: sie ist nicht voll", shown),
            say("charge it before it goes up", "vor der Montage laden"),
            values,
        )
    lasts = "" if years is None else say("; lasts %s years", "; hält %s Jahre", number(years))
    return green("battery", shown + lasts, values)


def clock(stamp: Any, laptop_ms: int, asked_radio: bool) -> Check:
    """`stamp`: edge.clock's (UTC ms, source, uncertainty ms), None before the first sync; `laptop_ms`: just then."""
    if stamp is None:
        if not asked_radio:
            return yellow(
                "clock",
                say("not set: the radio was not asked", "nicht gestellt: Funk nicht gefragt"),
                say("verify again without --no-radio", "noch einmal ohne --no-radio prüfen"),
            )
        return yellow(
            "clock",
            say("not set yet", "noch nicht gestellt"),
            say(
                "it is set with the first answer of the network; readings have their time then",
                "die erste Antwort des Netzes stellt sie; dann haben auch die Messungen ihre Zeit",
            ),
        )
    utc_ms, source, uncertainty_ms = stamp
    off_s, bound_s = (utc_ms - laptop_ms) / 1000, uncertainty_ms / 1000 + CLOCK_SLACK_S
    values = {"source": source, "uncertainty_s": uncertainty_ms / 1000, "off_s": round(off_s, 1)}
    if abs(off_s) > bound_s:
        return yellow(
            "clock",
            say("%s s off the laptop's, by %s", "%s s neben der des Laptops, laut %s", f"{off_s:+.0f}", source),
            say(
                "is the laptop's clock right? Else the network's time is wrong",
                "geht die Uhr des Laptops richtig? Sonst ist die Zeit des Netzes falsch",
            ),
            values,
        )
    return green(
        "clock",
        say("set by %s, to %s s", "gestellt von %s, auf %s s", source, number(uncertainty_ms / 1000)),
        values,
    )


def outbox(reading: Fact | None, turned: Fact | None) -> Check:
    """`reading`, `turned`: what the firmware's own cycle said."""
    if reading is None or turned is None:
        return red(
            "outbox",
            say("no reading was made", "es kam keine Messung zustande"),
            say("see the sensors' lines", "siehe die Zeilen der Sensoren"),
        )
    values = {name: turned.get(name) for name in ("waiting", "damaged", "forgotten")}
    values |= {"generation": reading.get("generation"), "seq": reading.get("seq")}
    if not reading.get("stored"):
        return red(
            "outbox",
            say("flash did not take the reading", "der Flash nahm die Messung nicht an"),
            say(
                "take a backup, then flash it with --erase; replace the board if it stays so",
                "sichern, dann mit --erase flashen; bleibt es so, die Karte tauschen",
            ),
            values,
        )
    if turned.get("damaged"):
        return yellow(
            "outbox",
            say(
                "%s bytes on flash belong to no reading",
                "%s Bytes auf dem Flash gehören zu keiner Messung",
                turned["damaged"],
            ),
            say(
                "after a loss of power once that is normal; replace the board if it comes again",
                "nach einem Stromausfall einmal normal; kommt es wieder, die Karte tauschen",
            ),
            values,
        )
    return green(
        "outbox",
        say(
            "reading %s/%s is on flash; %s wait",
            "Messung %s/%s ist auf dem Flash; %s warten",
            reading["generation"],
            reading["seq"],
            turned.get("waiting"),
        ),
        values,
    )
