"""README and docs say what is so: the example, its sizes, every command and option, every link, every setting."""

import json
import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import typer.main
from typer.testing import CliRunner

from klimanetz.cli import app
from klimanetz.settings import PREFIX, Settings
from schemas.models import Reading
from schemas.quantities import BY_NAME
from schemas.wire import WireReading, encode

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
PAGES = [README, *sorted((ROOT / "docs").glob("*.md"))]
COMMANDS = typer.main.get_command(app)


def example() -> dict[str, Any]:
    (block,) = re.findall(r"```json\n(.*?)```", README.read_text(), re.S)
    found: dict[str, Any] = json.loads(block)
    return found


def sizes() -> tuple[int, int]:
    text = " ".join(README.read_text().split())
    told = re.search(r"the same reading is (\d+) bytes, with the whole reading before it at most (\d+)\.", text)
    assert told
    return int(told[1]), int(told[2])


def test_the_example_is_a_reading_of_the_size_told() -> None:
    reading = example()
    Reading.model_validate_json(json.dumps(reading))
    values = [f"{channel}={value}" for channel, value in reading["values"].items()]
    told = {"generation": "generation", "seq": "seq", "time": "time", "time-source": "time_source"}
    options = [word for option, key in told.items() for word in (f"--{option}", str(reading[key]))]
    done = CliRunner().invoke(app, ["payload", "encode", *values, *options, "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["bytes"] == sizes()[0]


def test_the_reading_before_it_costs_no_more_than_told() -> None:
    """The most that any values in the span of their width can differ."""
    low, high = {}, {}
    for channel in example()["values"]:
        quantity = BY_NAME[channel]
        low[channel] = float(quantity.low)
        high[channel] = (2**quantity.bits - 3 + quantity.low * quantity.steps) / quantity.steps
    for newest, before in ((low, high), (high, low)):
        pair = [WireReading(1, 4711 - n, 1_795_342_500 - 900 * n, None, "ntp", None, v, ()) for n, v in
                enumerate((newest, before))]  # fmt: skip
        payload, count = encode(pair)
        assert (len(payload), count) == (sizes()[1], 2)


def named(page: Path) -> list[str]:
    """Whatever stands in code on the page and begins with our command."""
    text = page.read_text()
    spans = re.findall(r"`(klimanetz [^`\n]+)`", text)
    lines = [line for block in re.findall(r"```\w*\n(.*?)```", text, re.S) for line in block.splitlines()]
    return spans + [part for line in lines for part in re.findall(r"klimanetz (?:[a-z<>.=-]+ ?)+(?:[^ ]+ )*", line)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_named_is_one(page: Path) -> None:
    for text in named(page):
        for part in re.split(r"(?=klimanetz )", text):
            words = part.split()[1:]
            if not words or part.startswith("klimanetz gateway|"):
                continue
            command: Any = COMMANDS
            while words and words[0] in getattr(command, "commands", ()):
                command = command.commands[words.pop(0)]
            assert command is not COMMANDS, f"{page.name}: {part}"
            options = {name for parameter in command.params for name in parameter.opts}
            assert {word for word in words if word.startswith("--")} <= options, f"{page.name}: {part}"
            assert not hasattr(command, "commands"), f"{page.name}: {part}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_to_a_file(page: Path) -> None:
    for link in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text()):
        if "://" not in link:
            assert (page.parent / link).exists(), f"{page.name}: {link}"


def test_every_setting_is_told() -> None:
    text = (ROOT / "docs" / "operations.md").read_text()
    settings = {one.name for one in fields(Settings)} - {"files"}  # where they were read
    for setting in settings:
        assert f"`{PREFIX}{setting.upper()}`" in text
    assert {name.removeprefix(PREFIX).lower() for name in re.findall(rf"`({PREFIX}[A-Z_]+)`", text)} <= settings
