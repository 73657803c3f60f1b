"""`klimanetz stations|devices|deployments import FILE.csv | list | export`."""

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

import typer

from cloud.registry import exports, files, imports
from cloud.registry.files import FileRefused
from cloud.registry.locations import Locations
from cloud.registry.registry import Registry
from klimanetz import wiring
from klimanetz.cli import show
from klimanetz.cli.existing import existing_registry, none_yet
from klimanetz.failure import Failure, wrong_use

FILE = typer.Argument(..., help="CSV file in UTF-8, separated by commas or semicolons.", metavar="FILE.csv")
JSON = typer.Option(False, "--json", help="For scripts: JSON on stdout.")
WITH_KEYS = typer.Option(False, "--with-keys", help="Also the LoRaWAN keys: keep that file safe.")

PLACE = ("since", "until", "latitude", "longitude", "elevation_m", "name")
TEXTS = ("name", "shield", "lcz", "district", "note", "codec")
SPARE = ("shield", "lcz", "elevation_m", "height_m", "district", "join_eui", "activation", "note")

stations = typer.Typer(
    help="Places that measure.", epilog="Example: klimanetz stations import stations.csv", no_args_is_help=True
)
devices = typer.Typer(
    help="Hardware, and where it stands.", epilog="Example: klimanetz devices import devices.csv", no_args_is_help=True
)
deployments = typer.Typer(
    help="Which device stood where, from when to when.",
    epilog="Example: klimanetz deployments import deployments.csv",
    no_args_is_help=True,
)


@stations.command("import", epilog="Example: klimanetz stations import stations.csv")
def import_stations(file: Path = FILE, as_json: bool = JSON) -> None:
    """Add and change stations: all rows or none."""
    _import(file, imports.import_stations, "stations", as_json)


@devices.command("import", epilog="Example: klimanetz devices import devices.csv")
def import_devices(file: Path = FILE, as_json: bool = JSON) -> None:
    """Add and change devices; `station` puts a device there from now: all rows or none."""
    _import(file, imports.import_devices, "devices", as_json)


@deployments.command("import", epilog="Example: klimanetz deployments import deployments.csv")
def import_deployments(file: Path = FILE, as_json: bool = JSON) -> None:
    """Say which device stood where, from when to when: all rows or none."""
    _import(file, imports.import_deployments, "deployments", as_json)


@stations.command("list", epilog="Example: klimanetz stations list --json")
def list_stations(as_json: bool = JSON) -> None:
    """Show the stations."""
    _list("stations", exports.station_rows, files.STATION_COLUMNS[:9], as_json)


@stations.command("places", epilog="Example: klimanetz stations places dwd-02932")
def list_places(
    station: str = typer.Argument(..., help="A station whose data came with its history."), as_json: bool = JSON
) -> None:
    """Show where a station of a weather service stood over the years."""
    registry = existing_registry()
    rows = [] if registry is None else [asdict(place) for place in Locations(registry.engine).of(station)]
    if as_json:
        print(json.dumps([{c: row[c] for c in PLACE} for row in rows], ensure_ascii=False))
    elif not rows:
        print(f"nothing is known of places of '{station}'; `klimanetz import` takes them from the service's metadata")
    else:
        show.table(rows, PLACE, texts=("name",))


@devices.command("list", epilog="Example: klimanetz devices list --json")
def list_devices(as_json: bool = JSON) -> None:
    """Show the devices, without their keys."""
    _list("devices", exports.device_rows, exports.WITHOUT_KEYS, as_json)


@deployments.command("list", epilog="Example: klimanetz deployments list --json")
def list_deployments(as_json: bool = JSON) -> None:
    """Show which device stood where."""
    _list("deployments", exports.deployment_rows, files.DEPLOYMENT_COLUMNS, as_json)


@stations.command("export", epilog="Example: klimanetz stations export > stations.csv")
def export_stations() -> None:
    """Write stations.csv to stdout."""
    sys.stdout.write(exports.stations_csv(_registry()))


@devices.command("export", epilog="Example: klimanetz devices export > devices.csv")
def export_devices(with_keys: bool = WITH_KEYS) -> None:
    """Write devices.csv to stdout."""
    sys.stdout.write(exports.devices_csv(_registry(with_keys), with_keys))


@deployments.command("export", epilog="Example: klimanetz deployments export > deployments.csv")
def export_deployments() -> None:
    """Write deployments.csv to stdout."""
    sys.stdout.write(exports.deployments_csv(_registry()))


def _registry(keys: bool = False) -> Registry:
    registry = existing_registry(keys)
    if registry is None:
        raise Failure(none_yet())
    return registry


def _import(file: Path, take: Callable[[Registry, bytes], imports.Imported], what: str, as_json: bool) -> None:
    try:
        data = file.read_bytes()
    except OSError as error:
        raise wrong_use(f"{file} cannot be read: {error.strerror}") from None
    settings = wiring.settings()
    try:
        with show.patience(f"{what} from {file.name}"):
            done = take(wiring.registry(settings, keys=what == "devices"), data)
    except FileRefused as refused:
        _show_refused(file, refused, as_json)
        raise typer.Exit(1) from None
    if as_json:
        answer: dict[str, object] = {"added": done.added, "changed": done.changed, "unchanged": done.unchanged}
        if done.gave_way:
            answer["gave_way"] = [str(gave) for gave in done.gave_way]
        print(json.dumps(answer, ensure_ascii=False))
    else:
        counts = f"{done.added} added, {done.changed} changed, {done.unchanged} unchanged"
        print(f"{what}: {counts} in {_without_password(settings.registry)}")
        for gave in done.gave_way:
            print(f"  {gave}")


def _show_refused(file: Path, refused: FileRefused, as_json: bool) -> None:
    if as_json:
        rows = [{"line": row.line, "reason": row.reason} for row in refused.rows]
        print(json.dumps({"error": f"{file.name} was refused, nothing was changed", "rows": rows}, ensure_ascii=False))
        return
    count = len(refused.rows)
    print(f"klimanetz: {file} was refused, nothing was changed; mend {count} row{'s'[: count != 1]}:", file=sys.stderr)
    for row in refused.rows:
        print(f"  {row}", file=sys.stderr)


def _without_password(url: str) -> str:
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}"


def _list(what: str, rows_of: Callable[[Registry], list[exports.Row]], columns: Sequence[str], as_json: bool) -> None:
    registry = existing_registry()
    rows = [] if registry is None else rows_of(registry)
    if as_json:
        print(json.dumps([{c: row.get(c) for c in columns} for row in rows], ensure_ascii=False))
    elif registry is None:
        print(none_yet())
    elif not rows:
        print(f"no {what} are registered; `klimanetz {what} import FILE.csv` does that")
    else:
        used = [c for c in columns if any(row.get(c) not in (None, "") for row in rows)]
        show.table(rows, used, texts=TEXTS, spare=SPARE)
