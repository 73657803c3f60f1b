"""JSON Schema of the models and the AsyncAPI 3.0 document of our topics, generated from `models` and `topics`.

What the models check in Python (names, channels, status flags) is said here in JSON Schema's words, so that other
languages refuse the same messages. The view is the platform's: it receives `up`, sends `ack`.
"""

from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from schemas import topics
from schemas.channels import DEVICE_MAX, PLACE_MAX
from schemas.models import (
    READINGS_MAX,
    Acknowledgement,
    Command,
    Deployment,
    Device,
    Reading,
    Station,
    Status,
    Unread,
)
from schemas.quantities import QUANTITIES
from schemas.wire import STATUS_FLAGS

DIALECT = "https://json-schema.org/draft/2020-12/schema"
MODELS: tuple[type[BaseModel], ...] = (Acknowledgement, Command, Deployment, Device, Reading, Station, Status, Unread)
NAME_PATTERN = rf"^[A-Za-z0-9][A-Za-z0-9._-]{{0,{DEVICE_MAX - 1}}}$"
PLACE_PATTERN = rf"[a-z0-9][a-z0-9._-]{{0,{PLACE_MAX - 1}}}"
CHANNEL_PATTERN = f"^({'|'.join(q.name for q in QUANTITIES)})(@{PLACE_PATTERN})?$"
_UNITS = " · ".join(f"{q.name} {q.unit}" for q in QUANTITIES)
_COMPONENTS = "#/components/schemas/{model}"
_DEFS = "#/$defs/{model}"

# topic kind: (who sends, the models it carries, sentence)
_TOPICS: dict[str, tuple[str, tuple[str, ...], str]] = {
    topics.UP: ("receive", ("Reading", "Readings"), "A reading, or a JSON array of up to %d." % READINGS_MAX),
    topics.RAW: ("receive", ("Frame",), "Readings in the binary wire format, version 1 (docs/wire.md)."),
    topics.STATUS: ("receive", ("Status",), "The device's or gateway's own state; retained, and its last will."),
    topics.UNREAD: ("receive", ("Unread",), "What a gateway heard and could not read; it becomes a dead letter."),
    topics.ACK: ("send", ("Acknowledgement",), "What is stored for good; whoever spools may forget it."),
    topics.DOWN: ("send", ("Command",), "A command to the device."),
}
EXAMPLE_READING = {
    "device": "kn-0007",
    "generation": 1,
    "seq": 4711,
    "time": "2026-11-22T10:15:00Z",
    "time_source": "ntp",
    "time_uncertainty_s": 0.5,
    "values": {"air_temperature": 3.42, "relative_humidity": 81.5, "soil_moisture@30cm": 22.1, "battery": 3.91},
    "link": {"via": "lorawan", "gateway": "a84041ffff1ec1f5", "rssi_dbm": -101, "snr_db": 4.5, "sf": 9, "fcnt": 120},
}
EXAMPLES: dict[str, list[Any]] = {
    "Reading": [EXAMPLE_READING],
    "Readings": [[EXAMPLE_READING]],
    "Status": [
        {"online": True},
        {
            "online": True,
            "via": "chirpstack",
            "time": "2026-11-22T10:15:00Z",
            "joined": "2026-11-20T08:00:00Z",
            "dev_addr": "01a2b3c4",
            "battery_percent": 93.5,
            "margin_db": 9,
            "errors": {"UPLINK_F_CNT_RESET": 2},
        },
        {
            "online": True,
            "firmware": "1.0.0",
            "config": 48879,
            "uptime_s": 259200,
            "boots": 3,
            "reset": "sleep",
            "waiting": 12,
            "forgotten": 0,
            "free_heap": 81234,
            "battery": 3.91,
            "faults": [{"sensor": "soil-30", "fault": "crc"}],
            "answer": {"reference": 41394, "ok": True, "detail": ""},
        },
    ],
    "Unread": [
        {
            "device": "eui-70b3d57ed0000001",
            "reason": "the device is not registered, so no codec is known",
            "registered": False,
            "time": "2026-11-22T10:15:00Z",
            "fport": 1,
            "payload_hex": "0167002a",
        }
    ],
    "Acknowledgement": [{"stored": [[1, 4700, 4711]]}],
    "Command": [{"id": "7f3a", "command": "resend", "ranges": [[1, 4702, 4705]]}],
}


def json_schemas() -> dict[str, dict[str, Any]]:
    """A self-contained JSON Schema (2020-12) by name: every model, and Readings (the array on `up`)."""
    defs = _definitions(_DEFS)
    schemas = {model.__name__: defs[model.__name__] for model in MODELS} | {"Readings": _readings(_DEFS)}
    documents = {}
    for name, schema in schemas.items():
        used = _used(schema, defs)
        examples = {"examples": EXAMPLES[name]} if name in EXAMPLES else {}
        documents[name] = {"$schema": DIALECT, **schema, **examples}
        if used:
            documents[name]["$defs"] = {model: defs[model] for model in sorted(used)}
    return documents


def asyncapi(version: str) -> dict[str, Any]:
    """The AsyncAPI 3.0 document; `version` is that of the software that serves it."""
    schemas = _definitions(_COMPONENTS) | {
        "Readings": _readings(_COMPONENTS),
        "Frame": {"type": "string", "format": "binary", "description": "One frame, docs/wire.md; no text."},
    }
    carried = {name for _, names, _ in _TOPICS.values() for name in names}
    wanted = carried.union(*(_used(schemas[name], schemas) for name in carried))
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "klimanetz",
            "version": version,
            "description": "Topics of a city's climate readings, over MQTT 3.1.1 or 5, QoS 1.",
        },
        "defaultContentType": "application/json",
        "channels": {kind: _channel(kind, names, said) for kind, (_, names, said) in _TOPICS.items()},
        "operations": {
            f"{action}_{kind}": {
                "action": action,
                "channel": {"$ref": f"#/channels/{kind}"},
                "summary": said,
                "bindings": {"mqtt": {"qos": 1, "retain": kind == topics.STATUS}},
            }
            for kind, (action, _, said) in _TOPICS.items()
        },
        "components": {
            "messages": {name: _message(name) for name in sorted(carried)},
            "schemas": {name: schemas[name] for name in sorted(wanted)},
        },
    }


def _channel(kind: str, names: tuple[str, ...], said: str) -> dict[str, Any]:
    return {
        "address": topics.PREFIX + kind + "/{device}",
        "description": said,
        "parameters": {"device": {"description": f"The device's name, {NAME_PATTERN}", "examples": ["kn-0007"]}},
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in names},
    }


def _message(name: str) -> dict[str, Any]:
    message: dict[str, Any] = {"name": name, "payload": {"$ref": _COMPONENTS.format(model=name)}}
    if name == "Frame":
        message["contentType"] = "application/octet-stream"
    if name in EXAMPLES:
        message["examples"] = [{"payload": payload} for payload in EXAMPLES[name]]
    return message


def _definitions(template: str) -> dict[str, dict[str, Any]]:
    wanted = [(model, "validation") for model in MODELS]
    _, schema = models_json_schema(wanted, ref_template=template)  # type: ignore[arg-type]
    defs: dict[str, dict[str, Any]] = schema["$defs"]
    for name, definition in defs.items():
        _say(name, definition.get("properties", {}))
    return defs


def _say(model: str, properties: dict[str, Any]) -> None:
    """Adds what the models check in Python and pydantic cannot put into JSON Schema."""
    for field in {"device", "station"} & properties.keys():
        properties[field] |= {"pattern": NAME_PATTERN}
    if model == "Reading":
        properties["values"] |= {"propertyNames": {"pattern": CHANNEL_PATTERN}, "description": "By channel: " + _UNITS}
        properties["status"] |= {"description": "Flags; our devices know " + ", ".join(STATUS_FLAGS)}


def _readings(template: str) -> dict[str, Any]:
    reading = {"$ref": template.format(model="Reading")}
    return {"title": "Readings", "type": "array", "items": reading, "minItems": 1, "maxItems": READINGS_MAX}


def _used(schema: Any, defs: dict[str, dict[str, Any]]) -> set[str]:
    """The definitions that a schema refers to, directly or through others."""
    inner = schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ()
    found = set()
    if isinstance(schema, dict) and isinstance(schema.get("$ref"), str):
        found.add(schema["$ref"].rsplit("/", 1)[1])
    for name in list(found):
        found |= _used(defs[name], defs)
    return found.union(*(_used(one, defs) for one in inner))
