"""`klimanetz lorawan`: explain LoRaWAN frames. What they mean: `gateway.lorawan.explain`; here are words and tables."""

import json
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from edge.lorawan.frames import FrameError
from gateway.lorawan.explain import Row, annotate, explain

app = typer.Typer(help="Explain LoRaWAN frames.", no_args_is_help=True, add_completion=False)

EXAMPLE = (
    "Example: klimanetz lorawan decode 40f17dbe4900020001954378762b11ff0d"
    " --nwk-skey 44024241ed4ce9a68c6a8bc055233fd3 --app-skey ec925802ae430ca77fd3dd73cb2cc588"
)


def _key(text: str) -> bytes:
    try:
        key = bytes.fromhex(text)
    except ValueError:
        raise typer.BadParameter("a key is 32 hex digits, and this is not hexadecimal") from None
    if len(key) != 16:
        raise typer.BadParameter(f"a key is 32 hex digits (16 bytes), this one has {len(key)} bytes")
    return key


def _phy(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise FrameError("this is not hexadecimal: give the frame as two hex digits a byte") from None


@app.callback()
def _group() -> None:
    """Explain LoRaWAN frames."""


@app.command(epilog=EXAMPLE)
def decode(
    frame: Annotated[str, typer.Argument(metavar="HEX", help="The PHYPayload, as on the air.")],
    nwk_skey: Annotated[
        Any, typer.Option(parser=_key, metavar="KEY", help="NwkSKey: checks the MIC, opens port 0.")
    ] = None,
    app_skey: Annotated[Any, typer.Option(parser=_key, metavar="KEY", help="AppSKey: decrypts the payload.")] = None,
    app_key: Annotated[
        Any, typer.Option(parser=_key, metavar="KEY", help="AppKey: for JoinRequest and JoinAccept.")
    ] = None,
    fcnt_high: Annotated[int, typer.Option(min=0, max=0xFFFF, help="Upper 16 bits of the frame counter.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")] = False,
) -> None:
    """Explain one LoRaWAN frame, byte by byte, with MIC and decrypted payload."""
    try:
        phy = _phy(frame)
        values = explain(phy, nwk_skey, app_skey, app_key, fcnt_high)
        rows = annotate(phy, nwk_skey, app_skey, app_key, fcnt_high)
    except FrameError as error:
        if as_json:
            typer.echo(json.dumps({"error": str(error)}))
        else:
            typer.echo(f"Not a LoRaWAN frame: {error}.", err=True)
        raise typer.Exit(1) from None
    if as_json:
        typer.echo(json.dumps(values))
    else:
        _show(rows, values["notes"])


def _show(rows: list[Row], notes: list[str]) -> None:
    table = Table("at", "bytes", "field", "meaning", box=None, pad_edge=False)
    for at, _, octets, field, meaning in rows:
        table.add_row(str(at), octets, field, meaning)
    table.columns[0].justify = "right"
    table.columns[1].overflow = table.columns[3].overflow = "fold"
    table.columns[2].no_wrap = True
    console = Console(highlight=False, soft_wrap=False)
    console.print(table)
    for note in notes:
        console.print(note[0].upper() + note[1:] + ".", markup=False)
