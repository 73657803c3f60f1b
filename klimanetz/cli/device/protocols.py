"""`klimanetz device protocol show|check`: signed protocols of verifications."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markdown import Markdown

from firmware.bench.checklist.check import colour_word
from firmware.bench.trouble import BenchError, WrongUse, unreadable
from firmware.bench.words import say
from klimanetz.cli.device.options import SHELF, Json, Shelf

SHOW_EXAMPLE = "Example: klimanetz device protocol show kn-0007-20261125T101500Z.json > kn-0007.md"
CHECK_EXAMPLE = "Example: klimanetz device protocol check protocols/*.json --signer 5f3a…"
app = typer.Typer(
    help=say("Signed protocols of verifications.", "Signierte Prüfprotokolle."),
    epilog=SHOW_EXAMPLE,
    no_args_is_help=True,
)

File = Annotated[Path, typer.Argument(metavar="FILE", help=say("A protocol.", "Ein Protokoll."))]


@app.command(
    "show",
    epilog=SHOW_EXAMPLE,
    help=say("As a page; through a pipe it is Markdown.", "Als Seite; in einer Pipe als Markdown."),
)
def show(file: File) -> None:
    from firmware.bench.checklist import protocol, protocol_page

    text = protocol_page.page(protocol.checked(_read(file), file.name))
    console = Console(highlight=False)
    if console.is_terminal:
        console.print(Markdown(text))
    else:
        print(text, end="")


@app.command(
    "check",
    epilog=CHECK_EXAMPLE,
    help=say(
        "Whether they are as they were signed, and by whom.", "Ob sie so sind, wie sie signiert wurden, und von wem."
    ),
)
def check(
    files: Annotated[list[Path], typer.Argument(metavar="FILE…", help=say("Protocols.", "Protokolle."))],
    signer: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY",
            help=say("Only these public keys (hex) are right.", "Nur diese öffentlichen Schlüssel (hex) gelten."),
        ),
    ] = None,
    shelf: Shelf = SHELF,
    as_json: Json = False,
) -> None:
    from firmware.bench.checklist import protocol

    keys = {key.strip().lower().replace(" ", "") for key in signer or ()}
    for key in keys:
        if len(key) != 64 or any(c not in "0123456789abcdef" for c in key):
            raise WrongUse(
                say("'%s' is no public key: 64 hex digits", "'%s' ist kein öffentlicher Schlüssel: 64 Hexziffern", key)
            )
    mine = shelf / "technician.key"
    own = protocol.public_hex(protocol.signing_key(mine)) if mine.exists() else ""
    rows, console = [], Console(highlight=False)
    for file in files:
        row: dict[str, object] = {"file": str(file), "ok": False}
        try:
            document = protocol.checked(_read(file), file.name)
        except BenchError as error:
            row["error"] = text = str(error)
        else:
            told, public = document["protocol"], document["signature"]["public_key"]
            known = public in keys if keys else True
            whose = say("this laptop's key", "Schlüssel dieses Laptops") if public == own else say("key", "Schlüssel")
            text = say(
                "%s: as signed by %s, %s %s; %s, %s",
                "%s: wie signiert von %s, %s %s; %s, %s",
                file.name,
                told["technician"] or "?",
                whose,
                protocol.fingerprint(public),
                told["device"],
                colour_word(told["colour"]),
            )
            if not known:
                text = say(
                    "%s: signed with a key that is none of yours (%s)",
                    "%s: mit einem fremden Schlüssel signiert (%s)",
                    file.name,
                    protocol.fingerprint(public),
                )
            row |= {"ok": known, "public_key": public, "technician": told["technician"], "device": told["device"]}
        rows.append(row)
        if not as_json:
            console.print(text, style="" if row["ok"] else "bold red", soft_wrap=True, markup=False)
    if as_json:
        print(json.dumps(rows, ensure_ascii=False))
    raise typer.Exit(0 if all(row["ok"] for row in rows) else 1)


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise unreadable(file, error) from None
