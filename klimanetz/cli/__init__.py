"""The command `klimanetz`: one module a group of commands, put together here.

Errors are one sentence with the way out, on stderr: exit 2 for wrong use, 1 for a failure. With --json a script
reads the answer on stdout.
"""

import sys

import typer

from klimanetz import __version__
from klimanetz.cli import (
    demo,
    device,
    exporting,
    importing,
    keys,
    letters,
    lorawan,
    payload,
    registry,
    replay,
    services,
    sessions,
    simulate,
    usage,
)
from klimanetz.failure import Failure, exit_code_of, sentence_of

app = typer.Typer(
    name="klimanetz",
    help="A city's climate readings, from the sensor to the people who use them.",
    epilog="Example: klimanetz demo --stations 24; then klimanetz stations import stations.csv",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
demo.add_to(app)
services.add_to(app)
app.command("import", epilog=importing.EXAMPLE)(importing.import_data)
app.command("export", epilog=exporting.EXAMPLE)(exporting.export_data)
app.command("replay", epilog=replay.EXAMPLE)(replay.replay)
app.add_typer(registry.stations, name="stations")
app.add_typer(registry.devices, name="devices")
app.add_typer(registry.deployments, name="deployments")
app.add_typer(letters.dead_letters, name="dead-letters")
app.add_typer(letters.unknown, name="unknown")
app.add_typer(keys.app, name="keys")
app.add_typer(lorawan.app, name="lorawan", epilog=lorawan.EXAMPLE)
app.add_typer(payload.app, name="payload")
app.add_typer(sessions.app, name="sessions")
app.add_typer(device.app, name="device", epilog=device.EXAMPLE)
app.add_typer(simulate.app, name="simulate", epilog=simulate.BOARD_EXAMPLE)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"klimanetz {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Show the version."),
) -> None:
    pass


def main() -> None:
    """Run the command line."""
    try:
        code = app(standalone_mode=False)
    except usage.USAGE_ERROR as error:
        sentence = usage.sentence_of(error)
        if sentence is None:
            error.show()  # type: ignore[attr-defined]
        else:
            print(f"klimanetz: {sentence}", file=sys.stderr)
        sys.exit(2)
    except Failure as failure:
        print(f"klimanetz: {failure}", file=sys.stderr)
        sys.exit(failure.exit_code)
    except Exception as error:
        sentence = sentence_of(error)
        if sentence is None:
            raise
        print(f"klimanetz: {sentence}", file=sys.stderr)
        sys.exit(exit_code_of(error))
    sys.exit(code if isinstance(code, int) else 0)
