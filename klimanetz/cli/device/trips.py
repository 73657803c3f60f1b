"""`klimanetz device manifest export|show|merge`: a trip without a network."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from firmware.bench.identity import exporting
from firmware.bench.identity import manifest as manifests
from firmware.bench.identity.manifest import hidden
from firmware.bench.identity.merge import Conflict, Merged
from firmware.bench.identity.merge import merge as settle
from firmware.bench.trouble import WrongUse
from firmware.bench.words import say
from klimanetz.cli.device.asking import now, online
from klimanetz.cli.device.options import Json

EXPORT_EXAMPLE = "Example: klimanetz device manifest export --out trip.json"
SHOW_EXAMPLE = "Example: klimanetz device manifest show trip.json"
MERGE_EXAMPLE = "Example: klimanetz device manifest merge trip.json"
File = Annotated[Path, typer.Argument(metavar="FILE", help=say("The manifest of a trip.", "Das Manifest einer Fahrt."))]


app = typer.Typer(
    help=say("A trip without a network, in one file.", "Eine Fahrt ohne Netz, in einer Datei."),
    epilog=EXPORT_EXAMPLE,
    no_args_is_help=True,
)


@app.command("export", epilog=EXPORT_EXAMPLE, help=say("Take the registry along.", "Das Register mitnehmen."))
def export(
    out: Annotated[Path, typer.Option(metavar="FILE", help=say("Where to.", "Wohin."))] = Path("trip.json"),
    device: Annotated[
        list[str] | None, typer.Option(help=say("Only this one; may be repeated.", "Nur dieses; mehrfach möglich."))
    ] = None,
    as_json: Json = False,
) -> None:
    """…"""
    if out.exists() and manifests.read(out).waiting:
        raise WrongUse(
            say(
                "%s has work in it that is not merged yet; run `klimanetz device manifest merge %s` first",
                "in %s steht Arbeit, die noch nicht zusammengeführt ist; erst `klimanetz device manifest merge %s`",
                out,
                out,
            )
        )
    made = exporting.export(online(), now(), device or ())
    manifests.write(made, out)
    counts = {name: len(getattr(made, name)) for name in ("stations", "devices", "deployments")}
    if as_json:
        print(json.dumps({"file": str(out), **counts}))
        return
    Console(highlight=False).print(
        say(
            "%d stations and %d devices in %s. Their keys are in it: only you may read it; do not pass it on.",
            "%d Stationen und %d Geräte in %s. Die Schlüssel sind darin: nur du darfst es lesen; nicht weitergeben.",
            counts["stations"],
            counts["devices"],
            out,
        ),
        soft_wrap=True,
    )


@app.command("show", epilog=SHOW_EXAMPLE, help=say("What is in it and what was done.", "Was darin steht."))
def show(file: File, as_json: Json = False) -> None:
    """…"""
    found = manifests.read(file)
    rows = [{**asdict(one), "row": hidden(one.row), "before": hidden(one.before or {})} for one in found.done]
    if as_json:
        counts = {name: len(getattr(found, name)) for name in ("stations", "devices", "deployments")}
        about = {"exported": found.exported, "url": found.url, "revision": found.revision}
        print(json.dumps({**about, **counts, "waiting": len(found.waiting), "done": rows}, ensure_ascii=False))
        return
    console = Console(highlight=False)
    console.print(
        say(
            "Exported %s from %s: %d stations, %d devices. %d changes wait to be merged.",
            "Ausgegeben %s aus %s: %d Stationen, %d Geräte. %d Änderungen sind noch zusammenzuführen.",
            found.exported, found.url, len(found.stations), len(found.devices), len(found.waiting),
        ),
        soft_wrap=True,
    )  # fmt: skip
    if rows:
        table = Table(say("time", "Zeit"), say("by", "von"), say("what", "was"), say("device", "Gerät"), "",
                      box=None, pad_edge=False)  # fmt: skip
        for one in rows:
            told = one["settled"] or (say("waits", "wartet") if one["what"] in manifests.CHANGES else "")
            table.add_row(one["time"], one["technician"], one["what"], one["device"], told)
        console.print(table)


@app.command("merge", epilog=MERGE_EXAMPLE, help=say("Tell the registry what was done.", "Ins Register eintragen."))
def merge(
    file: File,
    mine: Annotated[
        bool, typer.Option("--mine", help=say("Where both changed, mine stands.", "Im Streitfall gilt meines."))
    ] = False,
    theirs: Annotated[
        bool, typer.Option("--theirs", help=say("… the registry's stands.", "… gilt das Register."))
    ] = False,
    as_json: Json = False,
) -> None:
    """…"""
    if mine and theirs:
        raise WrongUse(say("one of --mine and --theirs", "eines von --mine und --theirs"))
    found = manifests.read(file)
    side = "mine" if mine else "theirs" if theirs else None
    merged = settle(found, online(), lambda: manifests.write(found, file), side)  # type: ignore[arg-type]
    if as_json:
        print(json.dumps(_told(merged), ensure_ascii=False))
    else:
        _show(merged, Console(highlight=False))
    if merged.conflicts:
        raise typer.Exit(1)


def _told(merged: Merged) -> dict[str, Any]:
    def about(done: manifests.Done) -> dict[str, Any]:
        return {"what": done.what, "device": done.device, "time": done.time}

    return {
        "written": [{**about(done), "change": change} for done, change in merged.written],
        "there": [about(done) for done in merged.there],
        "left": [about(done) for done in merged.left],
        "conflicts": [
            {**about(one.done), "reason": one.reason, "mine": one.mine, "theirs": one.theirs, "base": one.base}
            for one in merged.conflicts
        ],
    }


def _show(merged: Merged, console: Console) -> None:
    console.print(
        say(
            "%d written, %d there already, %d left as the registry has it, %d conflicts.",
            "%d eingetragen, %d schon da, %d wie im Register gelassen, %d Konflikte.",
            len(merged.written), len(merged.there), len(merged.left), len(merged.conflicts),
        )
    )  # fmt: skip
    for one in merged.conflicts:
        _show_conflict(one, console)
    if merged.conflicts:
        console.print(
            say(
                "Settle them: run it again with --mine or --theirs, or change the registry and run it again.",
                "Klären: noch einmal mit --mine oder --theirs, oder das Register ändern und noch einmal.",
            ),
            soft_wrap=True,
        )


def _show_conflict(one: Conflict, console: Console) -> None:
    console.print(f"  {one.done.device}: {one.reason}", soft_wrap=True)
    for name, row in ((say("mine", "meines"), one.mine), (say("theirs", "Register"), one.theirs)):
        cells = ", ".join(f"{column} {value}" for column, value in (row or {}).items() if value is not None)
        console.print(f"    {name:<9} {cells or '–'}", soft_wrap=True)
