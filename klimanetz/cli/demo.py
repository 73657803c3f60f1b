"""`klimanetz demo`: the whole chain on this machine."""

import asyncio
import contextlib
import logging
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import typer

from klimanetz import wiring
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
    with _own_foreground():
        asyncio.run(until_signal(lambda stop: whole_chain.run(stations, history, port, folder, stop)))


@contextlib.contextmanager
def _own_foreground() -> Iterator[None]:
    """Under `make` on a terminal: let Ctrl-C reach the demo alone, or make would report it as an error of its own."""
    if "MAKELEVEL" not in os.environ or os.name != "posix" or not sys.stdin.isatty():
        yield
        return
    terminal, before = sys.stdin.fileno(), os.getpgrp()
    if os.tcgetpgrp(terminal) != before:
        yield
        return
    quiet = signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    os.setpgid(0, 0)
    os.tcsetpgrp(terminal, os.getpgrp())
    try:
        yield
    finally:
        os.tcsetpgrp(terminal, before)
        signal.signal(signal.SIGTTOU, quiet)
