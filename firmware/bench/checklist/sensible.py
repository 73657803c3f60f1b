"""Whether what each sensor says can be, over several rounds. Pure. One against the other: agreement.py.

The rule: red is what cannot be (a fault in every round, a value out of the physical range, a jump); yellow is what
should not be and may have a reason. Sources: schemas.quantities (ranges; the WMO's largest change within a minute), the
firmware's own codes of faults (edge.sensors.fault).
"""

from collections.abc import Mapping, Sequence
from statistics import mean, stdev
from typing import Any

from firmware.bench.checklist.asking import Fact
from firmware.bench.checklist.check import Check, green, red, yellow
from firmware.bench.checklist.units import number, shown, with_unit
from firmware.bench.words import say
from schemas.quantities import BY_NAME

STILL_S = 30.0  # equal to the last digit for so long: nothing measured in air is
Config = Mapping[str, Any]
_Series = dict[str, list[float]]  # channel -> its values, a round each


def sensors(config: Config, rounds: Sequence[Fact], spacing_s: float = 0.0) -> list[Check]:
    """A check for each configured sensor. `rounds`: the `measured` facts, `spacing_s` between them."""
    return [_sensor(f"sensor {name}", name, rule, rounds, spacing_s) for name, rule in config["sensors"].items()]


def _sensor(label: str, name: str, rule: Config, rounds: Sequence[Fact], spacing_s: float) -> Check:
    chip = rule["chip"]
    faults = [one["faults"][name] for one in rounds if name in one["faults"]]
    series = series_of(rule, rounds)
    values: dict[str, Any] = {
        "chip": chip,
        "rounds": len(rounds),
        "faults": faults,
        "values": {channel: [round(value, 4) for value in some] for channel, some in series.items()},
        "noise": {channel: round(stdev(some), 4) for channel, some in series.items() if len(some) > 1},
    }
    failed = [code for code in faults if code not in ("stuck", "range")]
    if not series:
        code = failed[-1] if failed else "missing"
        return red(label, fault_words(code, chip), way_out_of(code, rule), values)
    impossible = _impossible(series)
    if impossible:
        return red(label, *impossible, values)
    if failed:
        reason = say(
            "%s of %s rounds failed: %s", "%s von %s Durchgängen schlugen fehl: %s",
            len(failed), len(rounds), fault_words(failed[-1], chip),
        )  # fmt: skip
        return yellow(label, reason, way_out_of(failed[-1], rule), values)
    if _is_still(series, lasted_s := sum(one["ms"] / 1000 + spacing_s for one in rounds[1:])):
        reason = say("the same to the last digit for %s s", "seit %s s auf die letzte Stelle gleich", f"{lasted_s:.0f}")
        return yellow(label, reason, way_out_of("stuck", rule), values)
    text = ", ".join(shown(channel, mean(some)) for channel, some in series.items())
    return green(label, f"{text} ({chip})", values)


def series_of(rule: Config, rounds: Sequence[Fact]) -> _Series:
    """The values of a sensor's channels, those without any left out."""
    channels = rule["channels"].values()
    series = {channel: [one["values"][channel] for one in rounds if channel in one["values"]] for channel in channels}
    return {channel: some for channel, some in series.items() if some}


def _impossible(series: _Series) -> tuple[str, str] | None:
    """(reason, way out) of what cannot be."""
    for channel, some in series.items():
        known = BY_NAME[channel.split("@")[0]]
        outside = [value for value in some if not known.minimum <= value <= known.maximum]
        if outside:
            reason = say(
                "%s cannot be; possible is %s to %s", "%s kann nicht sein; möglich ist %s bis %s",
                shown(channel, outside[0]), number(known.minimum, 0), with_unit(known.maximum, known.unit, 0),
            )  # fmt: skip
            return reason, say("look at its plug; replace it if it stays so", "Stecker ansehen; bleibt es so, tauschen")
        if known.step_minute and max(some) - min(some) > known.step_minute:
            reason = say(
                "it jumps between %s and %s", "er springt zwischen %s und %s",
                shown(channel, min(some)), shown(channel, max(some)),
            )  # fmt: skip
            way_out = say("a loose wire or a weak supply: look at its plug", "Wackelkontakt oder schwache Versorgung?")
            return reason, way_out
    return None


def _is_still(series: _Series, lasted_s: float) -> bool:
    """Of a sensor that measures two things or more in air: one slow quantity may stand."""
    moving = [some for channel, some in series.items() if BY_NAME[channel.split("@")[0]].step_minute]
    return len(moving) > 1 and lasted_s >= STILL_S and all(len(set(some)) == 1 for some in moving)


def fault_words(code: str, chip: str) -> str:
    """A code of edge.sensors.fault in words."""
    return {
        "missing": say("%s does not answer", "%s antwortet nicht", chip),
        "bus": say("its bus is dead: a line is held low", "sein Bus ist tot: eine Leitung hängt auf Masse"),
        "crc": say("what %s sends comes damaged", "was %s sendet, kommt beschädigt an", chip),
        "timeout": say("%s does not get done", "%s wird nicht fertig", chip),
        "range": say("%s cannot measure this", "%s kann das nicht messen", chip),
        "stuck": say("%s stands still", "%s steht still", chip),
        "self_test": say("%s says itself that it is not well", "%s meldet sich selbst als gestört", chip),
        "config": say(
            "%s is configured wrongly or has no driver", "%s ist falsch konfiguriert oder ohne Treiber", chip
        ),
    }.get(code, code)


def way_out_of(code: str, rule: Config) -> str:
    """What to do about a fault."""
    if code in ("missing", "bus", "crc", "timeout"):
        address = "" if rule.get("address") is None else say(" (address %s)", " (Adresse %s)", rule["address"])
        return say(
            "look at plug, wires and supply on %s%s",
            "Stecker, Adern und Versorgung an %s%s ansehen",
            rule["bus"],
            address,
        )
    if code == "stuck":
        return say("breathe on it and verify again; replace it if it does not move",
                   "anhauchen und noch einmal prüfen; bewegt er sich nicht, tauschen")  # fmt: skip
    if code == "config":
        return say("correct config.json, or build the image with this configuration",
                   "config.json berichtigen oder das Image mit dieser Konfiguration bauen")  # fmt: skip
    return say("take its power away once; replace it if it stays so", "einmal stromlos machen; bleibt es so, tauschen")
