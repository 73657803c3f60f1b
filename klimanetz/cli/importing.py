"""`klimanetz import FILE…`: data of the past from files, judged and stored like readings that arrive."""

import json
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import typer

from cloud.reference import DailyReferences
from cloud.registry.locations import Locations
from cloud.registry.registry import Registry
from cloud.store.model import StoreRefused, StoreUnavailable
from cloud.transfer import importing
from cloud.transfer.importing import Outcome, Plan, RowsRefused
from cloud.transfer.long_csv import DEVICE
from cloud.transfer.naming import Naming, NamingError, naming
from cloud.transfer.opening import content_hash
from cloud.transfer.rows import UnreadableFile
from cloud.transfer.screening import Screened
from cloud.transfer.sources import Beside, Source, look_through
from cloud.transfer.state import FOLDER, StateFile
from klimanetz import wiring
from klimanetz.cli import show
from klimanetz.cli.bar import bar
from klimanetz.cli.existing import existing_registry, none_yet
from klimanetz.cli.new_stations import make_stations, remember_places
from klimanetz.failure import Failure, wrong_use
from klimanetz.settings import Settings
from schemas.channels import is_name
from schemas.models import utc_text_ms

EXAMPLE = "Example: klimanetz import values.csv; klimanetz import --create stundenwerte_TU_02932_akt.zip"
BAD_PRINTED = 20
OF_OTHERS = ("dwd-", "beob-", "istsos-")  # begins the names of devices that imports make up
Report = dict[str, Any]


def import_data(
    files: list[Path] = typer.Argument(..., metavar="FILE…", help="CSV, zip, also .gz and .zst; see docs/data.md."),
    station: list[str] = typer.Option(
        [], metavar="[ID=]NAME", help="Which of our stations a station of the file is; may be repeated."
    ),
    create: bool = typer.Option(
        False, "--create", help="Register stations that are not there, where a file says where they are."
    ),
    device: str = typer.Option(
        "", help=f"Device to store values under whose file names none; else '{DEVICE}' or 'dwd-…'."
    ),
    skip_bad: bool = typer.Option(False, "--skip-bad", help="Take the good rows; the others go to FILE.rejected.csv."),
    check: bool = typer.Option(False, "--check", help="Look through the files and store nothing."),
    as_json: bool = typer.Option(False, "--json", help="For scripts: JSON on stdout."),
) -> None:
    """Store data from files: the long form, DWD station files, istSOS. Interrupted, the same command goes on."""
    if device and not is_name(device):
        raise wrong_use(f"'{device}' cannot be a device: 1 to 64 of A-Z a-z 0-9 . _ -, a letter or digit first")
    settings = wiring.settings()
    try:
        sources, beside = look_through(files, device or None)
    except OSError as error:
        raise wrong_use(f"{error.filename} cannot be read: {error.strerror}") from None
    except UnreadableFile as error:
        raise Failure(str(error)) from None
    registry = _registry(settings, create)
    _refuse_taken(registry, sources, device)
    try:
        names = naming(station, sources, registry.snapshot().stations, beside)
    except NamingError as error:
        raise wrong_use(str(error)) from None
    created = make_stations(registry, names, sources, beside) if create and not check else []
    moved = {} if check else remember_places(Locations(registry.engine), names, beside)
    if not sources and not created and not moved:
        raise Failure(_nothing_to_do(beside, create))
    work = _Work(settings, registry, names, device, skip_bad, check, station)
    reports = [work.take(source) for source in sources]
    answer = {"files": reports, "created": created, "moves": moved, "passed_over": beside.passed_over}
    if as_json:
        print(json.dumps(answer, ensure_ascii=False))
    else:
        _print(answer, check)
    if any("error" in report for report in reports):
        raise typer.Exit(1)


class _Work:
    """One source after the other, each with what became of it."""

    def __init__(
        self, settings: Settings, registry: Registry, names: Naming, device: str, skip_bad: bool, check: bool,
        said: Iterable[str],
    ) -> None:  # fmt: skip
        self._settings = settings
        self._names = names
        self._skip_bad = skip_bad
        self._check = check
        self._options = (settings.store, device, str(skip_bad), *sorted(said))
        self._days = DailyReferences(registry.engine)
        self._changed = wiring.stored_changed(settings)
        self._store = None if check else wiring.store(settings)

    def take(self, source: Source) -> Report:
        path = source.part.path
        plan = Plan(
            source, self._names.known(source), self._names.way_out(source), wiring.now_ms(), self._skip_bad,
            path.with_name(f"{source.part.name.replace('/', '_')}.rejected.csv"),
        )  # fmt: skip
        begun = time.monotonic()
        report: Report = {"file": source.part.name, "kind": source.kind}
        if source.station_id is not None and plan.known(source.station_id) is None:
            name = self._names.ours(source, source.station_id)
            return report | {"error": f"{source.part.name}: station '{name}' is not registered; {plan.unknown}"}
        try:
            with bar(source.part.name, 2 * path.stat().st_size) as shown:
                if self._check:
                    found, _ = importing.look(plan, shown.advance)
                    return report | _of_look(found)
                file = StateFile(
                    self._settings.spool / FOLDER, content_hash(path), (source.part.member or "", *self._options)
                )
                assert self._store is not None
                outcome = importing.run(plan, self._store, self._days, file, shown.advance, self._changed)
        except RowsRefused as refused:
            return report | {"error": "refused, nothing of it was stored"} | _of_look(refused.look)
        except UnreadableFile as error:
            return report | {"error": str(error)}
        except (StoreUnavailable, StoreRefused) as error:
            raise Failure(f"{error}; what was stored stays, the same command goes on from there") from None
        except KeyboardInterrupt:
            raise Failure("stopped; what was stored stays, the same command goes on from there", 130) from None
        return report | _of_outcome(outcome, plan, time.monotonic() - begun)


def _registry(settings: Settings, create: bool) -> Registry:
    registry = wiring.registry(settings) if create else existing_registry()
    if registry is None:
        raise Failure(none_yet())
    return registry


def _refuse_taken(registry: Registry, sources: list[Source], device: str) -> None:
    """Imported values must not stand in the place of a registered device's."""
    if device:
        return
    taken = registry.snapshot().devices
    if DEVICE in taken and any(not source.foreign for source in sources):
        raise Failure(f"a device is registered as '{DEVICE}': name another for the values of the file with --device")
    clash = next((name for name in taken if name.startswith(OF_OTHERS)), None)
    if clash is not None and any(source.foreign for source in sources):
        raise Failure(f"a device is registered as '{clash}', as imports call theirs: name another with --device")


def _nothing_to_do(beside: Beside, create: bool) -> str:
    count = len(beside.listed.keys() | beside.places.keys())
    if not create:
        return f"there are no values in these files, but the places of {count} stations; --create registers them"
    return f"all {count} stations of these files are registered already"


def _of_look(found: Screened) -> Report:
    return {
        "values": found.values,
        "days": found.days,
        "repeated": found.repeated,
        "rejected": found.rejected,
        "rows": [importing.asdict_row(row) for row in found.bad],
        "stations": sorted(found.stations),
        "first": _time(found.first_ms),
        "last": _time(found.last_ms),
    }


def _of_outcome(outcome: Outcome, plan: Plan, seconds: float) -> Report:
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
        "resumed_at_row": outcome.resumed_at,
        "seconds": round(seconds, 3),
        **rest,
    }


def _time(time_ms: int | None) -> str | None:
    return None if time_ms is None else utc_text_ms(time_ms)


def _print(answer: Report, check: bool) -> None:
    for name in answer["created"]:
        print(f"station {name} is registered")
    for name, days in answer["moves"].items():
        print(f"station {name}: its places are known, it moved on {', '.join(days)}" if days else f"{name}: one place")
    for name in answer["passed_over"]:
        print(f"{show.plain(name)} is no data and was passed over")
    for report in answer["files"]:
        _print_file(report, check)


def _print_file(report: Report, check: bool) -> None:
    file = show.plain(report["file"])
    if "error" in report and "rows" not in report:
        print(f"klimanetz: {show.plain(report['error'])}", file=sys.stderr)
        return
    if "error" in report:
        count = report["rejected"]
        print(
            f"klimanetz: {file} was {report['error']}; mend {count} row{'s'[: count != 1]}, or take the others with "
            "--skip-bad:", file=sys.stderr,
        )  # fmt: skip
        _print_rows(report, sys.stderr)
        return
    days = f"{report['days']} days of reference series" if report["days"] else ""
    counts = " and ".join(filter(None, [f"{report['values']} values" if report["values"] or not days else "", days]))
    span = f" from {report['first']} to {report['last']}" if report["first"] else ""
    print(f"{file} ({report['kind']}): {counts} of {', '.join(report['stations']) or 'no station'}{span}")
    missing = sum(report.get("missing", {}).values())
    notes = [
        f"{missing} marked as missing" if missing else "",
        f"{report['repeated']} said twice" if report["repeated"] else "",
        f"went on at row {report['resumed_at_row']}" if report.get("resumed_at_row") else "",
        f"not kept here: {', '.join(report['not_taken'])}" if report.get("not_taken") else "",
        f"{report['values'] / report['seconds']:,.0f} values/s" if report.get("seconds", 0) > 1 else "",
        "nothing was stored (--check)" if check else "",
    ]
    if any(notes):
        print(f"  {'; '.join(filter(None, notes))}")
    if report["rejected"]:
        where = f", they are in {report['rejected_file']}" if "rejected_file" in report else ""
        print(f"  {report['rejected']} rows are wrong{where}:")
        _print_rows(report, sys.stdout)


def _print_rows(report: Report, out: Any) -> None:
    for row in report["rows"][:BAD_PRINTED]:
        print(f"  line {row['line']}: {show.plain(row['reason'])}", file=out)
    more = report["rejected"] - min(len(report["rows"]), BAD_PRINTED)
    if more > 0:
        print(f"  … and {more} more", file=out)
