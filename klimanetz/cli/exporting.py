"""`klimanetz export`: stored values as they are, in the long form, to a file or a pipe."""

import json
import os
import sys
from contextlib import ExitStack
from enum import StrEnum
from pathlib import Path

import typer

from cloud.reference import DailyReferences
from cloud.registry.registry import Registry
from cloud.store.model import Store
from cloud.transfer.csv_writer import CsvWriter, open_csv, packer_for
from cloud.transfer.exporting import PartFile, Wanted, Writer, stream, to_file
from cloud.transfer.parquet_writer import ParquetMissing, ParquetWriter
from klimanetz import wiring
from klimanetz.cli.bar import Bar, bar
from klimanetz.cli.existing import existing_registry, none_yet
from klimanetz.cli.moments import moment
from klimanetz.failure import Failure, wrong_use
from schemas.channels import ChannelError, split

EXAMPLE = "Example: klimanetz export --station marktplatz --from 2026-11-01 --to 2026-12-01 --output november.csv.gz"
EVER_MS = (-9_200_000_000_000, 9_200_000_000_000)  # what a store can hold
DAYS = ("0000-01-01", "9999-12-31")


class Format(StrEnum):
    """What is written."""

    CSV = "csv"
    PARQUET = "parquet"


def export_data(
    station: list[str] = typer.Option([], help="Only this station; may be repeated. Without: all."),
    channel: list[str] = typer.Option([], help="Only this channel, like soil_moisture@30cm; may be repeated."),
    start: str = typer.Option("", "--from", help="RFC 3339, or a date: its midnight. Without: from the first value."),
    end: str = typer.Option("", "--to", help="The same, not included. Without: to the last value."),
    tz: str = typer.Option("Europe/Berlin", help="Time zone of dates."),
    form: Format | None = typer.Option(None, "--format", help="Without: by the name of the file, else csv."),
    output: str = typer.Option("-", help="File, packed if it ends in .gz or .zst; - is stdout."),
    daily: bool = typer.Option(False, "--daily", help="The daily reference series instead of values."),
    as_json: bool = typer.Option(False, "--json", help="For scripts: a summary as JSON, on stderr beside a pipe."),
) -> None:
    """Write stored values as they are: station,time,quantity,value,device,quality,generation,seq."""
    form = form or (Format.PARQUET if output.endswith(".parquet") else Format.CSV)
    if form is Format.PARQUET and (output == "-" or daily):
        raise wrong_use("Parquet needs a file and values: give --output FILE.parquet, without --daily")
    span = (moment("--from", start, tz, EVER_MS[0]), moment("--to", end, tz, EVER_MS[1]))
    if span[0] >= span[1]:
        raise wrong_use(f"--from {start} is not before --to {end or 'now'}; --to is not included")
    for one in channel:
        try:
            split(one)
        except ChannelError as error:
            raise wrong_use(f"--channel: {error}") from None
    settings = wiring.settings()
    registry = existing_registry()
    if daily:
        values, before = _days(registry, station, start[:10] or DAYS[0], end[:10] or DAYS[1], output)
    else:
        store = wiring.store(settings)
        stations = _stations(registry, store, station)
        wanted = Wanted(stations, tuple(sorted(set(channel))) or None, *span)
        values, before = _values(store, wanted, form, output)
    answer = {"values": values, "resumed_at_value": before, "output": output}
    if as_json:
        print(json.dumps(answer), file=sys.stderr if output == "-" else sys.stdout)
    elif output != "-":
        print(f"{values} values in {output}" + (f", {before} of them by the run before" if before else ""))


def _values(store: Store, wanted: Wanted, form: Format, output: str) -> tuple[int, int]:
    with bar("export", 1.0) as shown:
        told = _Stand(wanted, shown)
        if output == "-":
            return _to_pipe(store, wanted), 0
        path = Path(output)
        file = PartFile(path, wanted, form)
        try:
            return to_file(store, wanted, file, _opener(store, wanted, form), told)
        except ParquetMissing as error:
            raise Failure(str(error)) from None
        except OSError as error:
            if error.filename is None:
                raise
            raise Failure(f"{error.filename} cannot be written: {error.strerror}") from None
        except KeyboardInterrupt:
            raise Failure(f"stopped; the same command goes on with {file.part}", 130) from None


class _Stand:
    """Moves the bar: station by station, and within one by time."""

    def __init__(self, wanted: Wanted, shown: Bar) -> None:
        self._count = len(wanted.stations)
        self._end_ms = min(wanted.end_ms, wiring.now_ms())
        self._shown = shown
        self._station, self._first_ms = -1, 0

    def __call__(self, station: int, time_ms: int) -> None:
        if station != self._station:
            self._station, self._first_ms = station, time_ms
        part = (time_ms - self._first_ms) / max(self._end_ms - self._first_ms, 1)
        self._shown.stand((station + min(part, 1.0)) / self._count)


def _opener(store: Store, wanted: Wanted, form: Format):  # type: ignore[no-untyped-def]
    if form is Format.CSV:
        return open_csv

    def opened(stack: ExitStack, part: Path, _: int) -> Writer:
        channels = wanted.channels or sorted({c for station in wanted.stations for c in store.channels(station)})
        return ParquetWriter(stack, part, channels)

    return opened


def _to_pipe(store: Store, wanted: Wanted) -> int:
    out = sys.stdout.buffer
    try:
        return stream(store, wanted, CsvWriter(out, packer_for(""), begin=True))
    except BrokenPipeError:  # whoever reads has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(1) from None


def _days(registry: Registry | None, wanted: list[str], first: str, last: str, output: str) -> tuple[int, int]:
    if registry is None:
        raise Failure(none_yet())
    references = DailyReferences(registry.engine)
    count = 0
    with ExitStack() as stack:
        path = Path(output)
        part = path.with_name(path.name + ".part")
        writer = CsvWriter(sys.stdout.buffer, packer_for(""), True) if output == "-" else open_csv(stack, part, 0)
        for station in wanted or references.stations():
            days = list(references.days(station, first, last))
            count += len(days)
            writer.write_days(days)
        writer.finish()
    if output != "-":
        os.replace(part, path)
    return count, 0


def _stations(registry: Registry | None, store: Store, wanted: list[str]) -> tuple[str, ...]:
    there = {one.station for one in store.latest()}
    if registry is not None:
        there |= registry.snapshot().stations.keys()
    unknown = sorted(set(wanted) - there)
    if unknown:
        raise wrong_use(
            f"station '{unknown[0]}' is not registered and has no values; `klimanetz stations list` shows all"
        )
    return tuple(sorted(set(wanted) or there))
