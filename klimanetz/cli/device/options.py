"""Options that several commands of the bench have."""

from pathlib import Path
from typing import Annotated

import typer

from firmware.bench.words import say

SHELF = Path(typer.get_app_dir("klimanetz")) / "bench"

Port = Annotated[str, typer.Option("--port", metavar="PORT", help=say("Where the board is.", "Wo die Karte hängt."))]
Shelf = Annotated[
    Path,
    typer.Option(
        "--shelf",
        metavar="DIR",
        help=say("What this laptop keeps of each board.", "Was dieser Laptop von jeder Karte aufhebt."),
    ),
]
Images = Annotated[
    Path | None,
    typer.Option(
        "--images",
        metavar="DIR",
        help=say("Folder of pinned images; see `fetch`.", "Ordner der festgelegten Images; siehe `fetch`."),
    ),
]
Json = Annotated[
    bool, typer.Option("--json", help=say("For scripts: JSON on stdout.", "Für Skripte: JSON auf stdout."))
]
BoardName = Annotated[
    str,
    typer.Option(
        "--board", help=say("What it is; a flashed board says it itself.", "Was es ist; sonst sagt es die Karte.")
    ),
]
ConfigFile = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        help=say("config.json; without it the board's own.", "config.json; sonst die der Karte."),
    ),
]
RowFile = Annotated[
    Path | None,
    typer.Option("--row", metavar="FILE.csv", help=say("Its row is in here.", "Seine Zeile steht hierin.")),
]
Height = Annotated[
    float | None,
    typer.Option("--height", min=0, max=500, metavar="M", help=say("Metres above ground.", "Meter über Grund.")),
]
Shield = Annotated[
    str,
    typer.Option(
        "--shield",
        help=say("Radiation shield: passive, ventilated, none.", "Strahlungsschutz, etwa passiv, belüftet."),
    ),
]
NoRadio = Annotated[bool, typer.Option("--no-radio", help=say("Do not send anything.", "Nichts senden."))]
CloudWait = Annotated[
    int,
    typer.Option(
        "--cloud-wait", min=0, max=3600, metavar="S",
        help=say("Seconds to wait for the cloud.", "Sekunden auf die Cloud warten."),
    ),
]  # fmt: skip


def text_of(path: Path | None) -> bytes:
    """A file's bytes, b"" without one. Raises WrongUse."""
    from firmware.bench.trouble import unreadable

    if path is None:
        return b""
    try:
        return path.read_bytes()
    except OSError as error:
        raise unreadable(path, error) from None


def images_in(images: Path | None, shelf: Path) -> Path:
    """The folder of images: beside the shelf where none is named."""
    return images if images is not None else shelf / "images"


def port_or_only(port: str) -> str:
    """The named port, or the only board there is. Raises WrongUse."""
    if port:
        return port
    from firmware.bench.board import ports
    from firmware.bench.trouble import WrongUse

    boards = [one.path for one in ports.found() if one.bridge]
    if len(boards) == 1:
        return boards[0]
    if not boards:
        raise WrongUse(
            say(
                "no board is plugged in; is its cable one that carries data, and is the driver there (CP210x, CH340)?",
                "keine Karte angesteckt; überträgt das Kabel Daten, ist der Treiber da (CP210x, CH340)?",
            )
        )
    raise WrongUse(
        say("several boards are plugged in: name one, --port %s", "mehrere Karten: eine nennen, --port %s", boards[0])
    )
