"""`klimanetz payload`: explain one device payload, or make one.

The codecs are the gateway's; here are words and JSON.
"""

import json
import math
from datetime import UTC, datetime
from typing import Annotated, Any, NoReturn

import typer

from gateway.codecs.codec import Codec, CodecError, Decoded
from gateway.codecs.registry import codec
from schemas.channels import ChannelError, split
from schemas.models import utc_text
from schemas.quantities import BY_NAME
from schemas.wire import STATUS_FLAGS, TIME_SOURCES

DECODE_EXAMPLE = "Example: klimanetz payload decode 20a0933838e3b24640 12096cbf775870 --codec klimanetz --json"
ENCODE_EXAMPLE = (
    "Example: klimanetz payload encode air_temperature=3.42 soil_moisture@30cm=22.1"
    " --generation 1 --seq 4711 --time 2026-11-22T10:15:00Z --time-source ntp"
)
app = typer.Typer(
    help="Explain and make device payloads.", epilog=DECODE_EXAMPLE, no_args_is_help=True, add_completion=False
)

CodecName = Annotated[
    str, typer.Option("--codec", metavar="NAME", help="klimanetz, cayenne-lpp, senml, vendor/device.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]


@app.callback()
def _group() -> None:
    """Explain and make device payloads."""


@app.command(epilog=DECODE_EXAMPLE)
def decode(
    payload: Annotated[list[str], typer.Argument(metavar="HEX", help="The payload, two hex digits a byte.")],
    codec_name: CodecName = "klimanetz",
    port: Annotated[int, typer.Option(min=0, max=255, help="The LoRaWAN port it came on.")] = 1,
    as_json: AsJson = False,
) -> None:
    """Explain one device payload: its readings, the newest first, in our names and units."""
    chosen = _codec(codec_name, as_json)
    try:
        octets = bytes.fromhex("".join(payload).replace(":", ""))
    except ValueError:
        _fail("this is not hexadecimal: give the payload as two hex digits a byte", as_json, 2)
    try:
        readings = chosen.decode(octets, port)
    except CodecError as error:
        _fail(str(error), as_json)
    if as_json:
        typer.echo(json.dumps({"readings": [_as_dict(reading) for reading in readings]}, ensure_ascii=False))
        return
    for reading in readings:
        typer.echo(_headline(reading))
        for channel, value in reading.values.items():
            typer.echo(f"  {channel:<24} {value:>10g} {split(channel)[0].unit}".rstrip())
        for name, value in reading.unmapped.items():
            typer.echo(f"  no quantity of ours: {name} {value}")


@app.command(epilog=ENCODE_EXAMPLE)
def encode(
    values: Annotated[list[str], typer.Argument(metavar="CHANNEL=VALUE...", help="In our names and units.")],
    codec_name: CodecName = "klimanetz",
    generation: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Generation of the device's count.")] = 0,
    seq: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Number of the reading.")] = 0,
    time: Annotated[str | None, typer.Option(metavar="RFC3339", help="When it was taken.")] = None,
    age: Annotated[int | None, typer.Option(min=0, metavar="SECONDS", help="Instead of --time: how old it is.")] = None,
    time_source: Annotated[str | None, typer.Option(help=f"One of {', '.join(TIME_SOURCES)}.")] = None,
    uncertainty: Annotated[float | None, typer.Option(min=0, metavar="SECONDS", help="Of the time, at most.")] = None,
    status: Annotated[
        list[str] | None, typer.Option(help=f"A flag, may be repeated: {', '.join(STATUS_FLAGS)}.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make one device payload of one reading, in hex."""
    chosen = _codec(codec_name, as_json)
    if time_source not in (None, *TIME_SOURCES):
        _fail(f"unknown time source '{time_source}': one of {', '.join(TIME_SOURCES)}", as_json, 2)
    unknown = sorted(set(status or ()) - set(STATUS_FLAGS))
    if unknown:
        _fail(f"unknown status '{unknown[0]}': one of {', '.join(STATUS_FLAGS)}", as_json, 2)
    if time is not None and age is not None:
        _fail("--time and --age say the same in two ways; give one of them", as_json, 2)
    reading = Decoded(
        values=_values(values, as_json),
        generation=generation,
        seq=seq,
        time_s=_time_s(time, as_json),
        age_s=age,
        time_source=time_source or ("device" if time else "none"),
        uncertainty_s=uncertainty,
        status=tuple(status or ()),
    )
    try:
        octets = chosen.encode([reading])
    except CodecError as error:
        _fail(str(error), as_json)
    typer.echo(json.dumps({"hex": octets.hex(), "bytes": len(octets)}) if as_json else octets.hex())


def _fail(sentence: str, as_json: bool, exit_code: int = 1) -> NoReturn:
    if as_json:
        typer.echo(json.dumps({"error": sentence}, ensure_ascii=False))
    else:
        typer.echo(f"klimanetz payload: {sentence}", err=True)
    raise typer.Exit(exit_code)


def _codec(name: str, as_json: bool) -> Codec:
    try:
        return codec(name)
    except CodecError as error:
        _fail(str(error), as_json, 2)


def _values(texts: list[str], as_json: bool) -> dict[str, float]:
    values: dict[str, float] = {}
    for text in texts:
        channel, equals, number = text.partition("=")
        try:
            split(channel)
            value = float(number)
        except ChannelError as error:
            known = "" if channel.partition("@")[0] in BY_NAME else f": one of {', '.join(BY_NAME)}"
            _fail(f"{error}{known}", as_json, 2)
        except ValueError:
            _fail(f"'{text}' is not CHANNEL=VALUE, like air_temperature=3.42", as_json, 2)
        if not equals or not math.isfinite(value) or channel in values:
            _fail(f"'{text}': every channel once, with a finite number", as_json, 2)
        values[channel] = value
    return values


def _time_s(text: str | None, as_json: bool) -> float | None:
    if text is None:
        return None
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        time = None
    if time is None or time.tzinfo is None:
        _fail(f"'{text}' is not a time with its zone, like 2026-11-22T10:15:00Z", as_json, 2)
    return time.timestamp()


def _time(reading: Decoded) -> str | None:
    return None if reading.time_s is None else utc_text(datetime.fromtimestamp(reading.time_s, UTC))


def _as_dict(reading: Decoded) -> dict[str, Any]:
    known: dict[str, Any] = {
        "generation": reading.generation,
        "seq": reading.seq,
        "age_s": reading.age_s,
        "time_source": None if reading.time_source == "none" else reading.time_source,
        "time_uncertainty_s": reading.uncertainty_s,
        "status": None if reading.status is None else list(reading.status),
        "unmapped": reading.unmapped or None,
    }
    return {"time": _time(reading), "values": reading.values} | {k: v for k, v in known.items() if v is not None}


def _headline(reading: Decoded) -> str:
    when = _time(reading) or ("time not known" if reading.age_s is None else f"{reading.age_s:g} s before sending")
    if reading.time_source != "none":
        when += f" by {reading.time_source}"
    if reading.uncertainty_s is not None:
        when += f" ±{reading.uncertainty_s:g} s"
    identity = "" if reading.seq is None else f"  generation {reading.generation}, seq {reading.seq}"
    return when + identity + (f"  {', '.join(reading.status)}" if reading.status else "")
