"""`klimanetz lorawan`: explain LoRaWAN frames. What they mean: `gateway.lorawan.explain`; here are words and colours.

The rule: colours carry no meaning of their own, a pipe or NO_COLOR loses nothing; lines fit 80 columns, and what does
not fit goes on in the next.
"""

import json
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from edge.lorawan.frames import FrameError
from gateway.lorawan.explain import PastedError, Row, annotate, explain, headline, hex_of, read

app = typer.Typer(help="Explain LoRaWAN frames.", no_args_is_help=True, add_completion=False)

EXAMPLE = (
    "Example: klimanetz lorawan decode 40f17dbe4900020001954378762b11ff0d"
    " --nwk-skey 44024241ed4ce9a68c6a8bc055233fd3 --app-skey ec925802ae430ca77fd3dd73cb2cc588"
)
OUR_PORTS = (1, 2)  # readings, and readings sent again
STYLES = {
    "type": "bold", "address": "cyan", "control": "yellow", "counter": "magenta", "command": "blue",
    "payload": "green", "encrypted": "dim", "right": "bold green", "wrong": "bold red", "unchecked": "bold yellow",
}  # fmt: skip


def _key(text: str) -> bytes:
    key = hex_of(text)
    if key is None:
        raise typer.BadParameter("a key is 32 hex digits, and this is not hexadecimal")
    if len(key) != 16:
        raise typer.BadParameter(f"a key is 32 hex digits (16 bytes), this one has {len(key)} bytes")
    return key


@app.callback()
def _group() -> None:
    """Explain LoRaWAN frames."""


@app.command(epilog=EXAMPLE)
def decode(
    frame: Annotated[
        list[str], typer.Argument(metavar="HEX", help="The PHYPayload: hex, base64, or an rxpk or txpk as JSON.")
    ],
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
    """Explain one LoRaWAN frame, byte by byte and bit by bit, with MIC and decrypted payload."""
    try:
        pasted = read(frame)
        values = explain(pasted.phy, nwk_skey, app_skey, app_key, fcnt_high)
        rows = annotate(pasted.phy, nwk_skey, app_skey, app_key, fcnt_high)
    except PastedError as error:
        _fail(str(error), f"klimanetz lorawan: {error}", as_json, 2)
    except FrameError as error:
        _fail(str(error), f"Not a LoRaWAN frame: {error}.", as_json, 1)
    values["notes"] = [*pasted.notes, *values["notes"]]
    if as_json:
        typer.echo(json.dumps(values))
    else:
        _show(rows, values)


def _fail(error: str, sentence: str, as_json: bool, exit_code: int) -> NoReturn:
    if as_json:
        typer.echo(json.dumps({"error": error}, ensure_ascii=False))
    else:
        typer.echo(sentence, err=True)
    raise typer.Exit(exit_code)


def _show(rows: list[Row], values: dict[str, Any]) -> None:
    console = Console(highlight=False)
    console.print(Text(headline(values), "bold"))
    console.print()
    console.print(_table(rows))
    verdict = Table.grid(padding=(0, 1))
    for text, style in _verdict(values):
        verdict.add_row(Text("-", style), Text(text, style, overflow="fold"))
    if verdict.row_count:
        console.print()
        console.print(verdict)


def _table(rows: list[Row]) -> Table:
    table = Table("at", "bytes", "field", "meaning", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.columns[0].justify = "right"
    table.columns[1].no_wrap = table.columns[2].no_wrap = True
    table.columns[3].overflow = "fold"
    before = ""
    for row in rows:
        style = STYLES[row.kind]
        field = "" if row.field == before and row.kind in ("payload", "encrypted") else row.field
        table.add_row(str(row.at), Text(row.octets.hex(" "), style), Text(field, style), Text(row.meaning, style))
        before = row.field
        for part in row.parts:
            table.add_row("", Text(part.shown, style), Text("  " + part.field, style), part.meaning)
    return table


def _verdict(values: dict[str, Any]) -> list[tuple[str, str]]:
    """What stands below: the MIC in words, every note, and what to do with the payload."""
    mic_ok = values["mic_ok"]
    said = [_sentence(note) for note in values["notes"]]
    found = (values["hint"] or {}).get("reason") not in (None, "unknown")
    style = "bold red" if mic_ok is False else "bold yellow" if found else ""
    lines = [(line, style if "MIC" in line or "key" in line else "") for line in said]
    port, payload = values.get("fport"), values.get("payload_hex")
    if mic_ok and payload and port and port < 224 and values["type"].endswith("Up"):
        codec = "" if port in OUR_PORTS else " --codec NAME"
        lines.append((f"To read the payload: klimanetz payload decode --port {port}{codec} {payload}", ""))
    return lines


def _sentence(note: str) -> str:
    return note[0].upper() + note[1:] + "."
