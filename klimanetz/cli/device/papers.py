"""`klimanetz device export` and `klimanetz device label`: devices for other networks, and on paper."""

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from firmware.bench.identity import exports_chirpstack, exports_things_stack
from firmware.bench.identity.exports import Leaving, leaving
from firmware.bench.identity.manifest import devices_of, read, stays_of
from firmware.bench.identity.places import standing
from firmware.bench.trouble import WrongUse
from firmware.bench.words import say
from klimanetz.cli.device.asking import ManifestFile, now, online, rows_of
from klimanetz.cli.device.options import Json
from schemas.models import Device

EXPORT_EXAMPLE = "Example: klimanetz device export --format tts --from devices.csv --out devices"
LABEL_EXAMPLE = "Example: klimanetz device label --from devices.csv --paper 70x36 --out labels.pdf"


class Form(StrEnum):
    """Whose import takes it."""

    TTS = "tts"
    TTS_JSON = "tts-json"
    CHIRPSTACK = "chirpstack"
    CHIRPSTACK_PROFILES = "chirpstack-profiles"


Source = Annotated[
    Path | None,
    typer.Option("--from", metavar="FILE.csv", help=say("Rows of devices.csv.", "Zeilen von devices.csv.")),
]
Only = Annotated[
    list[str] | None,
    typer.Option("--device", help=say("Only this one; may be repeated.", "Nur dieses; mehrfach möglich.")),
]
Listed = list[tuple[Device, str | None, str]]  # each with its station and serial number


def listed(source: Path | None, manifest: Path | None, only: list[str] | None, as_json: bool = False) -> Listed:
    """Of a file, of a manifest, or of the registry itself. Raises WrongUse for a name that is not among them."""
    if source is not None:
        found: Listed = [(row.device, row.station, row.serial) for row in rows_of(source, as_json)]
    elif manifest is not None:
        trip, time = read(manifest), now()
        found = []
        for name, row in devices_of(trip).items():
            stay = standing(stays_of(trip, name), time)
            found.append((_device(row), str(stay["station"]) if stay else None, ""))
    else:
        found = [(_device(row), row.get("station"), "") for row in online().whole(only)["devices"]]
    if missing := [name for name in only or () if name not in {device.device for device, _, _ in found}]:
        raise WrongUse(say("there is no device %s there", "ein Gerät %s gibt es dort nicht", ", ".join(missing)))
    return [one for one in found if not only or one[0].device in only]


def _device(row: dict[str, object]) -> Device:
    return Device.model_validate({name: value for name, value in row.items() if name in Device.model_fields})


def export(
    form: Annotated[Form, typer.Option("--format", help=say("Whose import takes it.", "Wessen Import es nimmt."))],
    out: Annotated[
        Path, typer.Option(metavar="NAME", help=say("Files are called so.", "So heißen die Dateien."))
    ] = Path("devices"),
    source: Source = None,
    manifest: ManifestFile = None,
    device: Only = None,
    plan: Annotated[
        str, typer.Option(help=say("The Things Stack's frequency plan.", "Frequenzplan von The Things Stack."))
    ] = exports_things_stack.PLAN,
    application: Annotated[str, typer.Option(metavar="UUID", help="ChirpStack.")] = "",
    profile: Annotated[str, typer.Option(metavar="UUID", help="ChirpStack: OTAA.")] = "",
    abp_profile: Annotated[str, typer.Option("--abp-profile", metavar="UUID", help="ChirpStack: ABP.")] = "",
    tenant: Annotated[str, typer.Option(metavar="UUID", help="ChirpStack: chirpstack-profiles.")] = "",
    as_json: Json = False,
) -> None:
    """…"""
    going = leaving((one, station) for one, station, _ in listed(source, manifest, device, as_json))
    texts = _texts(form, going, plan, application, profile, abp_profile, tenant)
    files = [_written(out.with_name(out.name + end), text.encode()) for end, text in texts.items()]
    counts = {"otaa": len(going.otaa), "abp": len(going.abp), "left_out": [one.device for one in going.left_out]}
    if as_json:
        print(json.dumps({"files": list(map(str, files)), **counts}))
        return
    console = Console(highlight=False)
    console.print(
        say(
            "%s devices with their keys: %s. Delete the files once they are imported.",
            "%s Geräte mit ihren Schlüsseln: %s. Die Dateien nach dem Import löschen.",
            len(going.otaa) + len(going.abp),
            ", ".join(map(str, files)),
        ),
        soft_wrap=True,
    )
    if going.left_out:
        names = ", ".join(one.device for one in going.left_out)
        console.print(say("Left out, as they are on MQTT: %s.", "Ausgelassen, da per MQTT: %s.", names), soft_wrap=True)


def _texts(
    form: Form, going: Leaving, plan: str, application: str, profile: str, abp_profile: str, tenant: str
) -> dict[str, str]:
    """End of a file's name -> text. The Things Stack needs a CSV file for each way to join."""
    if form is Form.TTS:
        kinds = {"-otaa.csv": going.otaa, "-abp.csv": going.abp}
        return {end: exports_things_stack.csv_text(ones, going, plan) for end, ones in kinds.items() if ones}
    if form is Form.TTS_JSON:
        return {".json": exports_things_stack.json_lines(going, plan)}
    if form is Form.CHIRPSTACK:
        return {".jsonl": exports_chirpstack.json_lines(going, application, profile, abp_profile)}
    return {"-profiles.jsonl": exports_chirpstack.profiles(going, tenant)}


def label(
    out: Annotated[Path, typer.Option(metavar="FILE", help=say("A .pdf or .svg.", "Eine .pdf oder .svg."))] = Path(
        "labels.pdf"
    ),
    source: Source = None,
    manifest: ManifestFile = None,
    device: Only = None,
    paper: Annotated[
        str,
        typer.Option(help=say("70x36, 63.5x38.1, …, or 3x8:70x36.", "70x36, 63.5x38.1, …, oder 3x8:70x36.")),
    ] = "70x36",
    skip: Annotated[
        int, typer.Option(min=0, help=say("Labels of the first sheet that are used.", "Schon verbrauchte Etiketten."))
    ] = 0,
    site: Annotated[
        str, typer.Option(metavar="URL", help=say("Of the pages, for devices on MQTT.", "Der Seiten, für MQTT."))
    ] = "",
    profile_id: Annotated[
        str, typer.Option("--profile-id", metavar="HEX", help=say("TR005's ProfileID.", "ProfileID nach TR005."))
    ] = "",
    as_json: Json = False,
) -> None:
    """…"""
    from firmware.bench.label import identifier, label_pens, labels
    from firmware.bench.label.papers import paper as paper_of

    if out.suffix.lower() not in (".pdf", ".svg"):
        raise WrongUse(say("%s is neither .pdf nor .svg", "%s ist weder .pdf noch .svg", out))
    sheet = paper_of(paper)
    found = listed(source, manifest, device, as_json)
    if not found:
        raise WrongUse(say("there is no device to label", "es gibt kein Gerät zu beschriften"))
    made = [
        labels.label(one, identifier.of(one, station, serial, profile_id, site), station or "", serial)
        for one, station, serial in found
    ]
    pages = labels.pages(made, sheet, label_pens.width, skip % sheet.labels)
    if out.suffix.lower() == ".pdf":
        files = [_written(out, label_pens.pdf(pages))]
    else:
        names = [out] if len(pages) == 1 else [out.with_stem(f"{out.stem}-{n}") for n in range(1, len(pages) + 1)]
        files = [_written(name, label_pens.svg(page).encode()) for name, page in zip(names, pages, strict=True)]
    if as_json:
        print(json.dumps({"files": list(map(str, files)), "labels": len(made), "pages": len(pages)}))
        return
    sheets = say("one page", "einer Seite") if len(pages) == 1 else say("%d pages", "%d Seiten", len(pages))
    Console(highlight=False).print(
        say(
            "%d labels on %s: %s. Print them at 100 %%, not fitted to the page.",
            "%d Etiketten auf %s: %s. Mit 100 %% drucken, nicht an die Seite anpassen.",
            len(made),
            sheets,
            ", ".join(map(str, files)),
        ),
        soft_wrap=True,
    )


def _written(path: Path, data: bytes) -> Path:
    """Keys may be in it: its owner's alone, and there as a whole."""
    from firmware.bench.board.backup import durable

    durable(path, data)
    return path


export.__doc__ = say(
    "Write devices for the bulk import of The Things Stack or ChirpStack.",
    "Geräte für den Sammelimport von The Things Stack oder ChirpStack ausgeben.",
)
label.__doc__ = say(
    "Labels for boxes, many to a page: QR code, device, station, serial number.",
    "Etiketten für die Kisten, viele auf eine Seite: QR-Code, Gerät, Station, Seriennummer.",
)
