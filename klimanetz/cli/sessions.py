"""`klimanetz sessions`: the LoRaWAN sessions of the built-in network role, to move devices without a new join."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Any

import typer

from cloud.registry.registry import Registry
from edge.lorawan.frames import addr_text
from edge.lorawan.session import Session
from gateway.database import Database
from gateway.lorawan import handover
from gateway.lorawan.sessions import SessionError, Sessions
from klimanetz import wiring
from klimanetz.failure import Failure

app = typer.Typer(
    help="LoRaWAN sessions: move devices to another network server without a new join.",
    epilog="Example: klimanetz sessions export --for chirpstack > activations.jsonl",
    no_args_is_help=True,
)


class Form(StrEnum):
    """Whose import takes it."""

    KLIMANETZ = "klimanetz"
    CHIRPSTACK = "chirpstack"
    THINGS_STACK = "things-stack"


@app.command("list", epilog="Example: klimanetz sessions list")
def list_(as_json: bool = typer.Option(False, "--json", help="For scripts: JSON on stdout.")) -> None:
    """Who has a session: address and counters, no keys."""
    with _opened() as (registry, sessions):
        rows = [
            {"device": _name(registry, key), "dev_addr": addr_text(one.dev_addr), "fcnt_up": one.fcnt_up,
             "fcnt_down": one.fcnt_down, "activation": "otaa" if one.join_nonce else "abp"}
            for key, one in sessions.all()
        ]  # fmt: skip
    if as_json:
        print(json.dumps(rows))
        return
    for row in rows:
        print("{device}  {dev_addr}  {activation}  uplink {fcnt_up}  downlink {fcnt_down}".format(**row))
    if not rows:
        print("no device has a session here")


@app.command("export", epilog="Example: klimanetz sessions export --for things-stack > devices.jsonl")
def export(
    form: Form = typer.Option(Form.KLIMANETZ, "--for", help="Whose import takes it; counters are written its way."),
    device: list[str] = typer.Option([], "--device", help="Only this one; may be given several times."),
) -> None:
    """Sessions with their keys, one JSON object a line. Stop the gateway first, or its counters run on."""
    with _opened() as (registry, sessions):
        known = {_name(registry, key): one for key, one in sessions.all()}
        missing = [name for name in device if name not in known]
        if missing:
            raise Failure(f"{', '.join(missing)} has no session here; `klimanetz sessions list` says who has")
        for name, session in known.items():
            if not device or name in device:
                found = registry.by_name(name)
                print(json.dumps(handover.FORMS[form](name, (found and found.dev_eui) or "", session)))


@app.command("import", epilog="Example: klimanetz sessions import sessions.jsonl")
def import_(file: Path = typer.Argument(..., metavar="FILE", help="Lines as `sessions export` writes them.")) -> None:
    """Take sessions over: all or none; counters never go back. The devices have to be registered."""
    rows = _rows(file)
    with _opened() as (registry, sessions), sessions.transaction():
        bad, taken = [], []
        for number, row in rows:
            try:
                taken.append(_take(registry, sessions, row))
            except (ValueError, SessionError) as error:
                bad.append(f"  line {number}: {error}")
        if bad:
            raise Failure("nothing was imported:\n" + "\n".join(bad), exit_code=2)
    print(f"{len(taken)} sessions taken over")


def _take(registry: Registry, sessions: Sessions, row: dict[str, Any]) -> Session:
    name, session = handover.read(row)
    device = registry.by_name(name)
    if device is None:
        raise ValueError(f"'{name}' is not registered; `klimanetz devices import` does")
    return sessions.bring_in(device.dev_eui or name, session)


def _rows(file: Path) -> list[tuple[int, dict[str, Any]]]:
    rows = []
    for number, line in enumerate(file.read_text("utf-8").splitlines(), 1):
        if line.strip():
            try:
                row = json.loads(line)
            except ValueError:
                row = None
            if not isinstance(row, dict):
                raise Failure(f"line {number} of {file} is no JSON object", exit_code=2)
            rows.append((number, row))
    return rows


@contextmanager
def _opened() -> Iterator[tuple[Registry, Sessions]]:
    settings = wiring.settings()
    database = Database(settings.spool, beside=True)
    try:
        yield wiring.registry(settings), Sessions(database, wiring.seal(settings))
    finally:
        database.close()
        sys.stdout.flush()


def _name(registry: Registry, key: str) -> str:
    device = registry.by_dev_eui(key)
    return device.device if device else key
