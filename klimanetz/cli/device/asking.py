"""What commands of the bench ask: the registry, over the API or from a trip's manifest; and rows of a file."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from cloud.api.texts import spoken
from firmware.bench.board.shelf import stamp
from firmware.bench.identity import rows
from firmware.bench.identity.registry import Online, Registry
from firmware.bench.identity.rows import BadRows, BenchRow
from firmware.bench.identity.trip import Trip
from firmware.bench.trouble import WrongUse, unreadable
from firmware.bench.words import german, say
from klimanetz.cli.device.options import text_of
from klimanetz.failure import wrong_use
from klimanetz.wiring import settings

ManifestFile = Annotated[
    Path | None,
    typer.Option(
        "--manifest",
        metavar="FILE",
        help=say("Without a network: the manifest of a trip.", "Ohne Netz: das Manifest einer Fahrt."),
    ),
]
Technician = Annotated[
    str,
    typer.Option(
        "--technician", metavar="AB", help=say("Your initials, for the record.", "Dein Kürzel, für das Protokoll.")
    ),
]


def now() -> str:
    """UTC, RFC 3339."""
    return stamp(datetime.now(UTC))


def chosen(row: Path | None, device: str, config: Path | None, as_json: bool) -> tuple[BenchRow | None, bytes]:
    """(the row of a file for this device, the configuration that is given or that the row names). Raises WrongUse."""
    found = None
    if row is not None:
        listed = rows_of(row, as_json)
        found = listed[0] if len(listed) == 1 and not device else rows.pick(listed, device, row.name)
        if config is None and found.config:
            config = row.parent / found.config
    return found, text_of(config)


def online() -> Online:
    """The registry of KLIMANETZ_API_URL. Raises WrongUse where it is not set."""
    given = settings()
    if not given.api_url or not given.api_key:
        raise WrongUse(
            say(
                "set KLIMANETZ_API_URL and KLIMANETZ_API_KEY (made with `klimanetz keys create --scope admin`), or name"
                " a manifest: --manifest trip.json",
                "KLIMANETZ_API_URL und KLIMANETZ_API_KEY setzen (von `klimanetz keys create --scope admin`) oder ein"
                " Manifest nennen: --manifest trip.json",
            )
        )
    return Online(given.api_url, given.api_key)


def registry(manifest: Path | None, technician: str) -> Registry:
    """Over the API, or of a manifest. Raises WrongUse."""
    return Trip(manifest, technician, now) if manifest is not None else online()


def rows_of(path: Path, as_json: bool = False) -> list[BenchRow]:
    """The rows of a devices.csv. Raises WrongUse; a refusal names every bad row."""
    try:
        return rows.read(path.read_bytes(), path.name)
    except OSError as error:
        raise unreadable(path, error) from None
    except BadRows as bad:
        told = [(row.line, _spoken(row.reason)) for row in bad.rows]
        if as_json:
            print(json.dumps({"error": str(bad), "rows": [{"line": line, "reason": why} for line, why in told]}))
            raise typer.Exit(2) from None
        lines = [say("  line %d: %s", "  Zeile %d: %s", line, why) for line, why in told]
        raise wrong_use("\n".join([str(bad) + ":", *lines])) from None


def _spoken(reason: str) -> str:
    """In the terminal's language; it begins with a column's name, which stays as it is."""
    text = spoken(reason, "de" if german() else "en")[0]
    return text[:1].lower() + text[1:] if reason[:1].islower() else text
