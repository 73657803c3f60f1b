"""`klimanetz replay`: decode again what the raw log keeps, after a codec was mended; first show what would change."""

import json
from collections.abc import Iterator
from pathlib import Path

import typer

from cloud.ingest.compare import Comparison, compare
from cloud.ingest.message import Message
from cloud.ingest.rawlog import RawLog
from cloud.ingest.replay import is_wanted
from cloud.ledger.replays import Replays
from klimanetz import wiring
from klimanetz.cli import show
from klimanetz.cli.bar import Bar, bar
from klimanetz.cli.existing import existing_registry, none_yet
from klimanetz.cli.moments import moment
from klimanetz.failure import Failure, wrong_use
from klimanetz.settings import Settings
from schemas.models import utc_text_ms

EXAMPLE = "Example: klimanetz replay --device kn-0007 --from 2026-11-20; then the same with --apply"
LINES = 20  # differences shown to people


def replay(
    device: str = typer.Option("", help="Only messages of this device, by the name in its topic."),
    start: str = typer.Option("", "--from", help="Received since: RFC 3339, or a date. Without: all that is kept."),
    end: str = typer.Option("", "--to", help="Received before: the same. Without: until now."),
    tz: str = typer.Option("Europe/Berlin", help="Time zone of dates."),
    apply: bool = typer.Option(False, "--apply", help="Store it so. Without: only show what would change."),
    as_json: bool = typer.Option(False, "--json", help="For scripts: JSON on stdout."),
) -> None:
    """Decode kept messages again, as they would be decoded now, and show what differs from what is stored."""
    settings = wiring.settings()
    span = (moment("--from", start, tz, 0), moment("--to", end, tz, wiring.now_ms() + 1))
    if span[0] >= span[1]:
        raise wrong_use(f"--from {start} is not before --to {end or 'now'}; --to is not included")
    registry = existing_registry()
    if registry is None:
        raise Failure(none_yet())
    found: dict[str, Comparison] = {}
    store = wiring.store(settings)
    try:
        for instance, raw in _logs(settings):
            with bar(f"replay {instance}", raw.last()) as shown:
                messages = _messages(raw, device or None, span, shown)
                found[instance] = compare(messages, registry.snapshot(), store.points)
                if apply and found[instance].readings:
                    Replays(registry.engine).ask(raw.id, device or None, *span, raw.last(), wiring.now_ms())
            raw.close()
    finally:
        store.close()
    if as_json:
        print(json.dumps({instance: _as_json(one) for instance, one in found.items()}, ensure_ascii=False))
        return
    for instance, one in found.items():
        _tell(instance, one, apply)


def _logs(settings: Settings) -> Iterator[tuple[str, RawLog]]:
    """Every raw log in the spool folder, by the name of its ingest."""
    paths = sorted(Path(settings.spool).glob("*/rawlog.db"))
    if not paths:
        raise Failure(
            f"there is no raw log below {settings.spool}: run this beside `klimanetz ingest`, with its KLIMANETZ_SPOOL"
        )
    for path in paths:
        yield path.parent.name, RawLog(path.parent, alone=False)


def _messages(raw: RawLog, device: str | None, span: tuple[int, int], shown: Bar) -> Iterator[Message]:
    for batch in raw.kept(0, raw.last(), *span, most=2**62):
        yield from (message for message in batch.messages if is_wanted(message, device))
        shown.stand(batch.id)


def _as_json(one: Comparison) -> dict[str, object]:
    counts = {name: getattr(one, name) for name in ("messages", "readings", "same", "new", "changed", "put_aside")}
    differences = [
        {"station": d.station, "device": d.device, "time": utc_text_ms(d.time_ms), "channel": d.channel,
         "stored": d.stored, "decoded": d.decoded}
        for d in one.differences
    ]  # fmt: skip
    return {**counts, "differences": differences}


def _tell(instance: str, one: Comparison, applied: bool) -> None:
    print(
        f"{instance}: {one.messages} messages, {one.readings} readings: {one.same} as stored, {one.changed} with other "
        f"values, {one.new} not stored; {one.put_aside} parts are no readings now either"
    )
    if one.differences:
        rows = [
            {"station": d.station, "device": d.device, "time": utc_text_ms(d.time_ms), "channel": d.channel,
             "stored": "-" if d.stored is None else d.stored, "now": "-" if d.decoded is None else d.decoded}
            for d in one.differences[:LINES]
        ]  # fmt: skip
        show.table(rows, ("station", "device", "time", "channel", "stored", "now"))
        if one.changed + one.new and len(one.differences) > LINES:
            print(f"… and more: --json shows up to {len(one.differences)}")
    if applied and one.readings:
        print(
            f"{instance} stores them so as soon as it runs; `klimanetz replay` shows nothing to change when it is done"
        )
    elif one.changed or one.new:
        print("Nothing was changed: the same with --apply stores what is decoded now.")
