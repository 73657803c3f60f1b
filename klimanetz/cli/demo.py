"""`klimanetz demo`: the whole chain on this machine."""

import asyncio
import logging
from pathlib import Path

import typer

from klimanetz import wiring
from klimanetz.cli.foreground import own_foreground
from klimanetz.cli.services import until_signal
from klimanetz.failure import wrong_use


def add_to(app: typer.Typer) -> None:
    """Put the command into the command line."""
    app.command(epilog="Example: klimanetz demo --stations 24 --history 7")(demo)


def demo(
    stations: int = typer.Option(12, min=1, max=2000, help="How many simulated stations."),
    history: float = typer.Option(2.0, min=0, max=60, help="Days of readings that are sent first.", metavar="DAYS"),
    port: int = typer.Option(8000, min=1, max=65535, help="Port of the pages and the API on 127.0.0.1."),
    data: str = typer.Option("demo-data", help="Folder of everything; a later start goes on from it.", metavar="DIR"),
    verbose: bool = typer.Option(False, help="Show what the parts log."),
) -> None:
    """Run the whole chain on embedded parts: stations, gateway, broker, ingest, store, API and pages."""
    from klimanetz import demo as whole_chain

    if not data.strip():  # which pathlib takes for the current folder
        raise wrong_use("--data is empty; name a folder, or leave it out for demo-data")
    folder = Path(data)
    if folder.exists() and not folder.is_dir():
        raise wrong_use(f"--data {data} is a file; name a folder")
    wiring.logging_to_stderr(logging.INFO if verbose else logging.WARNING)
    with own_foreground():
        asyncio.run(until_signal(lambda stop: whole_chain.run(stations, history, port, folder, stop)))
