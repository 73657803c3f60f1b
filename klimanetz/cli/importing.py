"""`klimanetz import FILE…`: data of the past from files, judged and stored like readings that arrive."""

import json
import time
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path

import typer

from cloud.reference import DailyReferences
from cloud.registry.locations import Locations
from cloud.registry.registry import Registry
from cloud.store.model import StoreRefused, StoreUnavailable
from cloud.transfer import importing
from cloud.transfer.importing import RowsRefused
from cloud.transfer.long_csv import DEVICE
from cloud.transfer.looking import Plan, look
from cloud.transfer.naming import Naming, NamingError, naming
from cloud.transfer.opening import content_hash
from cloud.transfer.rows import UnreadableFile
from cloud.transfer.sources import Beside, Source, look_through
from cloud.transfer.state import FOLDER, StateFile
from klimanetz import wiring
from klimanetz.cli import import_report
from klimanetz.cli.bar import bar
from klimanetz.cli.existing import existing_registry, none_yet
from klimanetz.cli.import_report import Report
from klimanetz.cli.new_stations import make_stations, remember_places
from klimanetz.cli.piped import regular
from klimanetz.failure import Failure, wrong_use
from klimanetz.settings import Settings
from schemas.channels import is_name

EXAMPLE = "Example: klimanetz import values.csv; klimanetz import --create stundenwerte_TU_02932_akt.zip"
OF_OTHERS = ("dwd-", "beob-", "istsos-")  # begins the names of devices that imports make up


def import_data(
    files: list[Path] = typer.Argument(
        ..., metavar="FILE…", help="CSV, zip, also .gz and .zst; - is stdin; see docs/data.md."
    ),
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
    with ExitStack() as stack:
        try:
            here = [stack.enter_context(regular(path, settings.spool / FOLDER)) for path in files]
            sources, beside = look_through(here, device or None)
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
        answer: Report = {"files": [], "passed_over": beside.passed_over}
        answer["created"] = make_stations(registry, names, sources, beside) if create and not check else []
        answer["moves"] = {} if check else remember_places(Locations(registry.engine), names, beside)
        if not sources and not answer["created"] and not answer["moves"]:
            raise Failure(_nothing_to_do(beside, create))
        if not as_json:
            import_report.print_stations(answer)
        work = _Work(settings, registry, names, device, skip_bad, check, station)
        for source in sources:
            answer["files"].append(work.take(source))
            if not as_json:
                import_report.print_file(answer["files"][-1])
    if as_json:
        print(json.dumps(answer, ensure_ascii=False))
    if any("error" in report for report in answer["files"]):
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
            _beside(path, self._settings) / f"{source.part.name.replace('/', '_')}.rejected.csv",
        )  # fmt: skip
        begun = time.monotonic()
        report: Report = {"file": source.part.name, "kind": source.kind}
        if source.station_id is not None and plan.known(source.station_id) is None:
            name = self._names.ours(source, source.station_id)
            return report | {"error": f"{source.part.name}: station '{name}' is not registered; {plan.unknown}"}
        try:
            with bar(source.part.name, 2 * path.stat().st_size) as shown:
                if self._check:
                    found, _ = look(plan, shown.advance)
                    return report | import_report.of_look(found) | {"checked": True}
                file = StateFile(
                    self._settings.spool / FOLDER, content_hash(path), (source.part.member or "", *self._options)
                )
                assert self._store is not None
                outcome = importing.run(plan, self._store, self._days, file, shown.advance, self._changed)
        except RowsRefused as refused:
            return report | {"error": "refused, nothing of it was stored"} | import_report.of_look(refused.look)
        except UnreadableFile as error:
            return report | {"error": str(error)}
        except (StoreUnavailable, StoreRefused) as error:
            raise Failure(f"{error}; what was stored stays, the same command goes on from there") from None
        except KeyboardInterrupt:
            raise Failure("stopped; what was stored stays, the same command goes on from there", 130) from None
        return report | import_report.of_outcome(outcome, plan, time.monotonic() - begun)


def _beside(path: Path, settings: Settings) -> Path:
    """Where rejected rows go: beside the file, or here for what came through a pipe."""
    return Path() if path.parent == settings.spool / FOLDER else path.parent


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
