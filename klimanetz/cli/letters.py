"""`klimanetz dead-letters …` and `klimanetz unknown …`: what arrived and is not a reading, and why."""

import json
import re
from collections.abc import Mapping

import typer

from cloud.ledger.dead_letters import DeadLetters
from cloud.registry import adoption
from klimanetz import wiring
from klimanetz.cli import show
from klimanetz.cli.existing import existing_registry, none_yet
from klimanetz.failure import Failure, wrong_use

JSON = typer.Option(False, "--json", help="For scripts: JSON on stdout.")

dead_letters = typer.Typer(
    help="Messages that were not readings.",
    epilog="Example: klimanetz dead-letters list --limit 20",
    no_args_is_help=True,
)
unknown = typer.Typer(
    help="Devices that nobody has registered.", epilog="Example: klimanetz unknown list", no_args_is_help=True
)


@dead_letters.command("list", epilog="Example: klimanetz dead-letters list --limit 20")
def list_letters(limit: int = typer.Option(50, min=1, help="How many, newest first."), as_json: bool = JSON) -> None:
    """Show the newest messages that were put aside, with the reason."""
    letters = _letters()
    rows = [] if letters is None else wiring.Letters(letters).dead_letters(limit)
    if as_json:
        print(json.dumps(rows, ensure_ascii=False))
    elif not rows:
        print(none_yet() if letters is None else "no dead letters")
    else:
        columns = ("id", "received", "device", "reason", "detail")
        show.table([_seconds(row, "received") for row in rows], columns, texts=("detail",), below="detail")


@dead_letters.command("show", epilog="Example: klimanetz dead-letters show 17")
def show_letter(number: int = typer.Argument(..., metavar="ID"), as_json: bool = JSON) -> None:
    """Show one message whole."""
    letters = _letters()
    letter = None if letters is None else letters.one(number)
    if letter is None:
        raise Failure(f"there is no dead letter {number}; `klimanetz dead-letters list` shows which there are")
    whole = wiring.shown(letter)
    if as_json:
        print(json.dumps(whole, ensure_ascii=False))
        return
    for name, value in whole.items():
        print(f"{name + ':':12} {show.plain(value)}")


@dead_letters.command("replay", epilog="Example: klimanetz dead-letters replay 17 18")
def replay_letters(
    numbers: list[int] = typer.Argument(None, metavar="ID…", help="Which; see `dead-letters list`."),
    everything: bool = typer.Option(False, "--all", help="Every letter that was not replayed yet."),
) -> None:
    """Let a running `ingest` take messages again, after what was wrong has been mended."""
    if bool(numbers) == everything:
        raise wrong_use("name the letters by ID, or say --all")
    letters = _letters()
    count = 0 if letters is None else letters.want_replay(None if everything else numbers)
    if not count:
        raise Failure("none of them is there, or all were replayed already")
    print(f"{count} will be taken again by a running `klimanetz ingest`")


@unknown.command("adopt", epilog="Example: klimanetz unknown adopt kn-0013 --station marktplatz")
def adopt(
    device: str = typer.Argument(..., help="Its name, as `unknown list` shows it."),
    station: str = typer.Option(..., help="Where it stands; what it sent so far belongs there too."),
) -> None:
    """Register a device that sends already; its waiting readings are stored by a running `ingest`."""
    registry = wiring.registry(wiring.settings(), keys=True)
    try:
        adoption.adopt(registry, DeadLetters(registry.engine), device, station)
    except adoption.AlreadyRegistered as error:
        raise Failure(f"{error}; `klimanetz devices import` moves it") from None
    except adoption.NoSuchStation as error:
        raise Failure(f"{error}; `klimanetz stations import` does that") from None
    except adoption.NeverHeard as error:
        way_out = (
            "`klimanetz unknown list` shows who sends, and `klimanetz devices import` registers a device before it does"
        )
        raise Failure(f"{error}; {way_out}") from None
    except adoption.AdoptionRefused as error:
        raise Failure(str(error)) from None
    print(f"'{device}' stands at '{station}'")


@unknown.command("list", epilog="Example: klimanetz unknown list")
def list_unknown(as_json: bool = JSON) -> None:
    """Show devices that nobody has registered; their messages wait and are stored once somebody does."""
    letters = _letters()
    rows = [] if letters is None else wiring.Letters(letters).unknown()
    if as_json:
        print(json.dumps(rows, ensure_ascii=False))
    elif not rows:
        print(none_yet() if letters is None else "every device that sends is registered")
    else:
        show.table([_seconds(row, "first", "last") for row in rows], ("device", "messages", "first", "last"))


def _letters() -> DeadLetters | None:
    """None where there is no database yet, and so no letter."""
    registry = existing_registry()
    return None if registry is None else DeadLetters(registry.engine)


def _seconds(row: Mapping[str, object], *times: str) -> dict[str, object]:
    """For people the second is enough."""
    return {**row, **{name: re.sub(r"\.\d+Z$", "Z", str(row[name])) for name in times}}
