"""`klimanetz gateway`, `klimanetz ingest`, `klimanetz api`: the three services, one process each."""

import asyncio
import contextlib
import gc
import signal
import sys
from collections.abc import Awaitable, Callable

import typer

from klimanetz import wiring


def add_to(app: typer.Typer) -> None:
    """Put the three commands into the command line."""
    for command, example in ((gateway, "KLIMANETZ_UDP_LISTEN=0.0.0.0:1700"), (ingest, "KLIMANETZ_INSTANCE=ingest-2"),
                             (api, "KLIMANETZ_HTTP_LISTEN=127.0.0.1:8000")):  # fmt: skip
        app.command(epilog=f"Example: {example} klimanetz {command.__name__}")(command)


def gateway() -> None:
    """Hear LoRaWAN gateways over UDP and other networks' events; put readings on the broker."""
    _run("gateway")


def ingest(
    workers: int = typer.Option(
        1, min=1, max=48, help="Processes that apply what this one captures; 1: it does both itself"
    ),
    follow: int = typer.Option(-1, hidden=True, help="Be one of the workers; their ingest starts them so"),
) -> None:
    """Take readings from the broker, check and judge them, and store them."""
    _many_readings()
    sys.setswitchinterval(0.0005)  # capture must not wait 5 ms for each word with the system while a unit is applied
    if follow >= 0:
        _run("worker", follow, workers)
    else:
        _run("ingest", workers)


def api() -> None:
    """Answer over HTTP: the pages, the API and its documentation."""
    _many_readings()
    _run("api")


def _many_readings() -> None:
    """They are short-lived and without cycles: looking for garbage among them costs more than the work itself."""
    gc.freeze()
    gc.set_threshold(100_000, 20, 100)


def _run(name: str, *more: int) -> None:
    settings = wiring.settings()
    wiring.logging_to_stderr(settings.log)
    from klimanetz import services  # not before: other commands need not wait for it

    service = getattr(services, name)
    asyncio.run(until_signal(lambda stop: service(settings, stop, _say, *more)))


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


async def until_signal(service: Callable[[asyncio.Event], Awaitable[None]]) -> None:
    """Run a service; Ctrl-C and SIGTERM ask it to stop and the exit code is 0."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):  # Windows
            loop.add_signal_handler(number, stop.set)
    await service(stop)
