"""What an import says of each file: as JSON for scripts, in sentences for people."""

import sys
from typing import Any

from cloud.transfer.importing import Outcome
from cloud.transfer.looking import Plan
from cloud.transfer.screening import Screened
from klimanetz.cli import show
from schemas.models import utc_text_ms

BAD_PRINTED = 20
NAMES_PRINTED = 12
Report = dict[str, Any]


def of_look(found: Screened) -> Report:
    return {
        "values": found.values,
        "days": found.days,
        "repeated": found.repeated,
        "rejected": found.rejected,
        "rows": [row._asdict() for row in found.bad],
        "stations": sorted(found.stations),
        "first": _time(found.first_ms),
        "last": _time(found.last_ms),
    }


def of_outcome(outcome: Outcome, plan: Plan, seconds: float) -> Report:
    state = outcome.state
    rest: Report = {"rejected_file": str(plan.rejected), "rows": state.look["bad"]} if state.rejected else {}
    return {
        "values": state.values,
        "days": state.days,
        "missing": outcome.missing,
        "repeated": state.look["repeated"],
        "rejected": state.rejected,
        "stations": state.stations,
        "first": _time(state.look["first_ms"]),
        "last": _time(state.look["last_ms"]),
        "not_taken": list(outcome.not_taken),
        "resumed_at_line": outcome.resumed_at,
        "seconds": round(seconds, 3),
        **rest,
    }


def _time(time_ms: int | None) -> str | None:
    return None if time_ms is None else utc_text_ms(time_ms)


def print_stations(answer: Report) -> None:
    for name in answer["created"]:
        print(f"station {name} is registered")
    for name, days in answer["moves"].items():
        moved = f"it moved on {', '.join(days)}" if days else "it never moved"
        print(f"station {name}: its places are known, {moved}")
    for name in answer["passed_over"]:
        print(f"{show.plain(name)} is no data and was passed over")


def print_file(report: Report) -> None:
    file = show.plain(report["file"])
    if "error" in report and "rows" not in report:
        print(f"klimanetz: {show.plain(report['error'])}", file=sys.stderr)
    elif "error" in report:
        rows = _many(report["rejected"], "row")
        print(
            f"klimanetz: {file} was {report['error']}; mend {rows}, or take the others with --skip-bad:",
            file=sys.stderr,
        )
        _print_rows(report, sys.stderr)
    else:
        print(f"{file} ({report['kind']}): {_counts(report)}")
        notes = _notes(report)
        if notes:
            print(f"  {'; '.join(notes)}")
        if report["rejected"]:
            where = f", they are in {report['rejected_file']}" if "rejected_file" in report else ""
            print(f"  {_many(report['rejected'], 'wrong row')}{where}:")
            _print_rows(report, sys.stdout)


def _counts(report: Report) -> str:
    values = [_many(report["values"], "value")] if report["values"] or not report["days"] else []
    days = [f"{_many(report['days'], 'day')} of reference series"] if report["days"] else []
    span = f" from {report['first']} to {report['last']}" if report["first"] else ""
    return f"{' and '.join(values + days)} of {_some(report['stations'], 'stations')}{span}"


def _notes(report: Report) -> list[str]:
    missing = sum(report.get("missing", {}).values())
    notes = [
        f"{missing} marked as missing" if missing else "",
        f"{report['repeated']} said twice" if report["repeated"] else "",
        f"went on behind line {report['resumed_at_line']}" if report.get("resumed_at_line") else "",
        f"not kept here: {_some(report['not_taken'], 'columns')}" if report.get("not_taken") else "",
        f"{report['values'] / report['seconds']:,.0f} values/s" if report.get("seconds", 0) > 1 else "",
        "nothing was stored (--check)" if "checked" in report else "",
    ]
    return [note for note in notes if note]


def _print_rows(report: Report, out: Any) -> None:
    for row in report["rows"][:BAD_PRINTED]:
        print(f"  line {row['line']}: {show.plain(row['reason'])}", file=out)
    more = report["rejected"] - min(len(report["rows"]), BAD_PRINTED)
    if more > 0:
        print(f"  … and {more} more", file=out)


def _some(names: list[str], what: str) -> str:
    more = len(names) - NAMES_PRINTED
    shown = ", ".join(names[:NAMES_PRINTED]) or f"no {what}"
    return f"{shown} and {more} more {what}" if more > 0 else shown


def _many(count: int, what: str) -> str:
    return f"{count} {what}{'s'[: count != 1]}"
