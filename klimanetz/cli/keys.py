"""`klimanetz keys create --scope read|write|admin`."""

import json
import secrets
from enum import StrEnum

import typer

from klimanetz import wiring

app = typer.Typer(help="API keys.", epilog="Example: klimanetz keys create --scope read", no_args_is_help=True)


class Scope(StrEnum):
    """What a key may do; each includes the one before."""

    READ = "read"
    WRITE = "write"
    ADMIN = "admin"


@app.callback()
def _group() -> None:
    pass


@app.command("create", epilog="Example: klimanetz keys create --scope write --note 'laptop of team 3'")
def create(
    scope: Scope = typer.Option(..., help="What the key may do; each includes the one before."),
    note: str = typer.Option("", help="Whose key it is."),
    as_json: bool = typer.Option(False, "--json", help="For scripts: JSON on stdout."),
) -> None:
    """Make a key and show it once; only its SHA-256 is kept."""
    key = "kn_" + secrets.token_urlsafe(32)
    wiring.registry(wiring.settings()).add_key(key, scope.value, note or None)
    if as_json:
        print(json.dumps({"key": key, "scope": scope.value}))
    else:
        print(f"{key}\n\nKeep it now, it is not shown again. Use: Authorization: Bearer {key}")
