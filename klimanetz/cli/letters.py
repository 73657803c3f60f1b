"""`klimanetz dead-letters …` and `klimanetz unknown …`: what arrived and is not a reading, and why."""

import json

import typer
from rich.console import Console
from rich.table import Table

from cloud.dead_letters import DeadLetters
from klimanetz import wiring
from klimanetz.cli.failure import Failure

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
    shown = wiring.shown(letter, whole=True)
    if as_json:
        print(json.dumps(shown, ensure_ascii=False))
        return
    for name, value in shown.items():
        print(f"{name + ':':12} {value}")


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
        table.add_row(*("" if row[c] is None else str(row[c]) for c in columns))
    Console().print(table)
