"""`klimanetz dead-letters …` and `klimanetz unknown …`: what arrived and is not a reading, and why."""

import csv
import io
import json

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cloud.ledger.dead_letters import DeadLetters
from cloud.registry import imports
from cloud.registry.files import FileRefused
from cloud.registry.tables import BY_EUI
from klimanetz import wiring
from klimanetz.failure import Failure, wrong_use

JSON = typer.Option(False, "--json", help="For scripts: JSON on stdout.")

dead_letters = typer.Typer(help="Messages that were not readings.", no_args_is_help=True)
unknown = typer.Typer(help="Devices that nobody has registered.", no_args_is_help=True)


@dead_letters.command("list", epilog="Example: klimanetz dead-letters list --limit 20")
def list_letters(limit: int = typer.Option(50, min=1, help="How many, newest first."), as_json: bool = JSON) -> None:
    """Show the newest messages that were put aside, with the reason."""
    letters = wiring.Letters(_letters()).dead_letters(limit)
    if as_json:
        print(json.dumps(letters, ensure_ascii=False))
        return
    _table(letters, ("id", "received", "device", "reason", "detail"), "no dead letters")


@dead_letters.command("show", epilog="Example: klimanetz dead-letters show 17")
def show_letter(number: int = typer.Argument(..., metavar="ID"), as_json: bool = JSON) -> None:
    """Show one message whole."""
    letter = _letters().one(number)
    if letter is None:
        raise Failure(f"there is no dead letter {number}; `klimanetz dead-letters list` shows which there are")
    shown = wiring.shown(letter)
    if as_json:
        print(json.dumps(shown, ensure_ascii=False))
        return
    for name, value in shown.items():
        print(f"{name + ':':12} {_plain(value)}")


@dead_letters.command("replay", epilog="Example: klimanetz dead-letters replay 17 18")
def replay_letters(
    numbers: list[int] = typer.Argument(None, metavar="ID…", help="Which; see `dead-letters list`."),
    everything: bool = typer.Option(False, "--all", help="Every letter that was not replayed yet."),
) -> None:
    """Let a running `ingest` take messages again, after what was wrong has been mended."""
    if bool(numbers) == everything:
        raise wrong_use("name the letters by ID, or say --all")
    count = _letters().want_replay(None if everything else numbers)
    if not count:
        raise Failure("none of them is there, or all were replayed already")
    print(f"{count} will be taken again by a running `klimanetz ingest`")


@unknown.command("adopt", epilog="Example: klimanetz unknown adopt kn-0013 --station marktplatz")
def adopt(
    device: str = typer.Argument(..., help="Its name, as `unknown list` shows it."),
    station: str = typer.Option(..., help="Where it stands; what it sent so far belongs there too."),
) -> None:
    """Register a device that sends already; its waiting readings are stored by a running `ingest`."""
    registry = wiring.registry(wiring.settings())
    snapshot = registry.snapshot()
    if (name := snapshot.name_of(device)) in snapshot.devices:
        under = f" as '{name}'" if name != device else ""
        raise Failure(f"'{device}' is registered already{under}; `klimanetz devices import` moves it")
    row = io.StringIO()
    eui = device.removeprefix(BY_EUI) if device.startswith(BY_EUI) else ""
    csv.writer(row).writerows([("device", "station", "dev_eui"), (device, station, eui)])
    try:
        imports.import_devices(registry, row.getvalue().encode())
    except FileRefused as refused:
        raise Failure(refused.rows[0].reason) from None
    print(f"'{device}' stands at '{station}'")


@unknown.command("list", epilog="Example: klimanetz unknown list")
def list_unknown(as_json: bool = JSON) -> None:
    """Show devices that nobody has registered; their messages wait and are stored once somebody does."""
    rows = wiring.Letters(_letters()).unknown()
    if as_json:
        print(json.dumps(rows, ensure_ascii=False))
        return
    _table(rows, ("device", "messages", "first", "last"), "every device that sends is registered")


def _letters() -> DeadLetters:
    return DeadLetters(wiring.registry(wiring.settings()).engine)


def _table(rows: list[dict[str, object]], columns: tuple[str, ...], empty: str) -> None:
    if not rows:
        print(empty)
        return
    table = Table(*columns, box=None, pad_edge=False)
    for row in rows:
        table.add_row(*(Text(_plain(row[c])) for c in columns))
    Console().print(table)


def _plain(value: object) -> str:
    """What a stranger sent, without what would move the cursor of a terminal or colour it."""
    text = "" if value is None else str(value)
    return "".join(c if c.isprintable() or c == "\n" else repr(c)[1:-1] for c in text)
