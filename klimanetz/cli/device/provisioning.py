"""`klimanetz device provision`: a board gets its identity, and the registry hears of it."""

import json
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from firmware.bench.words import say
from klimanetz.cli.device.asking import ManifestFile, Technician, chosen, registry
from klimanetz.cli.device.options import SHELF, Json, Port, RowFile, Shelf, port_or_only
from klimanetz.cli.device.screen import Screen
from schemas.models import Activation

EXAMPLE = "Example: klimanetz device provision --device kn-0007 --station marktplatz --config config.json"


def provision(
    port: Port = "",
    device: Annotated[
        str, typer.Option(help=say("Which it is; without it, what the board is.", "Welches; sonst das der Karte."))
    ] = "",
    row: RowFile = None,
    manifest: ManifestFile = None,
    new: Annotated[
        bool, typer.Option("--new", help=say("It is not registered yet.", "Es ist noch nicht eingetragen."))
    ] = False,
    activation: Annotated[
        Activation, typer.Option(help=say("Of a new one.", "Eines neuen."), case_sensitive=False)
    ] = Activation.OTAA,
    station: Annotated[str, typer.Option(help=say("Where it stands from now.", "Wo es ab jetzt steht."))] = "",
    height_m: Annotated[
        float | None, typer.Option("--height", metavar="M", help=say("Above ground.", "Über Grund."))
    ] = None,
    note: Annotated[str | None, typer.Option(help=say("On this stay.", "Zu diesem Einsatz."))] = None,
    config: Annotated[
        Path | None, typer.Option(metavar="FILE", help=say("Its configuration.", "Seine Konfiguration."))
    ] = None,
    replace_identity: Annotated[
        bool,
        typer.Option("--replace-identity", help=say("Though it is another device.", "Obwohl es ein anderes ist.")),
    ] = False,
    new_key: Annotated[
        bool, typer.Option("--new-key", help=say("Make new keys, also for a known one.", "Neue Schlüssel machen."))
    ] = False,
    mqtt_password: Annotated[
        bool, typer.Option("--mqtt-password", help=say("Make one for the broker.", "Eines für den Broker machen."))
    ] = False,
    technician: Technician = "",
    shelf: Shelf = SHELF,
    as_json: Json = False,
) -> None:
    """…"""
    from firmware.bench.board.repl import Repl
    from firmware.bench.board.shelf import Shelf as Shelves
    from firmware.bench.identity.provision import Order
    from firmware.bench.identity.provision import provision as work

    found, text = chosen(row, device, config, as_json)
    order = Order(
        device, found, activation if new else None, station, height_m, note, text, replace_identity, new_key,
        mqtt_password,
    )  # fmt: skip
    where = registry(manifest, technician)
    with Screen() as screen, Repl(port or (found.port if found else "") or port_or_only("")) as repl:
        done = work(
            repl, where, order, Shelves(shelf).save, datetime.now(UTC), lambda part, of: screen.told("copy", part, of)
        )
        repl.reset()
    if as_json:
        print(json.dumps(asdict(done), ensure_ascii=False))
        return
    console = Console(highlight=False)
    console.print(
        say(
            "This board (%s) is %s%s; the registry: %s.",
            "Diese Karte (%s) ist %s%s; Register: %s.",
            done.mac or "?",
            done.device,
            f", DevEUI {done.dev_eui.upper()}" if done.dev_eui else "",
            _change(done.change),
        )
    )
    if done.station:
        console.print(say("It stands at %s from now.", "Ab jetzt steht es an %s.", done.station))
    # What `install` does by itself is said here only.
    check = say("check it: klimanetz device verify", "noch prüfen: klimanetz device verify")
    for sentence in (*done.next, *((check,) if done.written else ())):
        console.print(say("Next: %s", "Weiter: %s", sentence), soft_wrap=True)


def _change(change: str) -> str:
    words = {
        "added": say("added", "eingetragen"),
        "changed": say("changed", "geändert"),
        "unchanged": say("unchanged", "unverändert"),
    }
    return words[change]


provision.__doc__ = say(
    "Give a board its identity and configuration, and register it: from a row, a manifest, the registry, or new.",
    "Einer Karte Identität und Konfiguration geben und sie eintragen: aus einer Zeile, einem Manifest, dem Register"
    " oder neu.",
)
