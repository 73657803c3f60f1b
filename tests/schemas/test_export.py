import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from pydantic import BaseModel, TypeAdapter, ValidationError

from schemas import topics
from schemas.asyncapi import EXAMPLE_READING, EXAMPLES, MODELS, asyncapi, json_schemas
from schemas.export import files
from schemas.models import Reading

ROOT = Path(__file__).resolve().parents[2]
COPIES = ROOT / "schemas" / "json"
SCHEMAS = json_schemas()


def test_the_copies_in_the_repository_are_current() -> None:
    assert {path.name: path.read_text("utf-8") for path in COPIES.iterdir()} == files(), "make schemas"


def test_the_command_writes_them(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "schemas.export"]
    subprocess.run([*command, tmp_path / "new"], cwd=ROOT, check=True, timeout=60)
    assert {path.name for path in (tmp_path / "new").iterdir()} == set(files())
    refused = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert refused.returncode == 2
    assert "python -m schemas.export FOLDER" in refused.stderr


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_schema_is_one_and_stands_alone(name: str) -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMAS[name])
    assert json.dumps(SCHEMAS[name]).count("#/components") == 0
    for example in EXAMPLES.get(name, []):
        jsonschema.Draft202012Validator(SCHEMAS[name]).validate(example)


def test_every_model_has_a_schema() -> None:
    assert set(SCHEMAS) == {model.__name__ for model in MODELS} | {"Readings"}


READINGS: list[tuple[dict[str, Any], bool]] = [
    ({}, True),
    ({"device": "kn 7"}, False),
    ({"device": ".kn"}, False),
    ({"device": "K" * 64}, True),
    ({"device": "K" * 65}, False),
    ({"values": {}}, False),
    ({"values": {"air_temperature": -1470.0}}, True),  # shape, not plausibility
    ({"values": {"smell": 1.0}}, False),
    ({"values": {"co2@": 1.0}}, False),
    ({"values": {"co2@30cm": 1.0}}, True),
    ({"values": {"co2@30 cm": 1.0}}, False),
    ({"values": {"co2@" + 17 * "a": 1.0}}, False),
    ({"values": {"co2": "1.0"}}, False),
    ({"seq": -1}, False),
    ({"seq": None, "generation": None, "time": None}, True),
    ({"time_source": "sundial"}, False),
    ({"status": ["reboot"]}, True),
    ({"status": "reboot"}, False),
    ({"colour": "blue"}, True),
]


@pytest.mark.parametrize(("some", "good"), READINGS)
def test_schema_and_model_agree(some: dict[str, Any], good: bool) -> None:
    reading = EXAMPLE_READING | some
    assert jsonschema.Draft202012Validator(SCHEMAS["Reading"]).is_valid(reading) == good
    assert accepts(Reading, reading) == good


def accepts(model: type[BaseModel], value: Any) -> bool:
    try:
        TypeAdapter(model).validate_json(json.dumps(value))
    except ValidationError:
        return False
    return True


def references(node: Any) -> list[str]:
    inner = list(node.values()) if isinstance(node, dict) else node if isinstance(node, list) else []
    own = [node["$ref"]] if isinstance(node, dict) and isinstance(node.get("$ref"), str) else []
    return own + [found for one in inner for found in references(one)]


def test_asyncapi_refers_to_what_is_there() -> None:
    document = asyncapi("1.2.3")
    assert (document["asyncapi"], document["info"]["version"]) == ("3.0.0", "1.2.3")
    for reference in references(document):
        node: Any = document
        for part in reference.removeprefix("#/").split("/"):
            node = node[part]


def test_asyncapi_has_every_topic_in_its_direction() -> None:
    document = asyncapi("1")
    assert {c["address"] for c in document["channels"].values()} == {
        topics.topic(kind, "+").replace("+", "{device}") for kind in topics.KINDS
    }
    received = {name.partition("_")[2] for name, o in document["operations"].items() if o["action"] == "receive"}
    assert received == {topics.UP, topics.RAW, topics.STATUS, topics.UNREAD}
    assert set(document["channels"]) - received == {topics.ACK, topics.DOWN}
