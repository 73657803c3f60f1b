"""What the cloud says to a device over MQTT, as JSON: `ack/<device>` and `down/<device>`.

The rule: whatever the bytes, the answer is a value or a DownlinkError with words; nothing of a message that is wrong
somewhere is taken. A command's `id` becomes the 16-bit reference that the gateway tells over LoRaWAN for it, so both
radios answer alike (docs/wire.md). Runs on MicroPython and CPython.
"""

import hashlib
import json

from schemas.wire_down import COMMANDS, GENERATION_MAX, SEQ_MAX, DownCommand


class DownlinkError(ValueError):
    """The message is none of ours; the message says why."""


def acknowledgement(payload):
    """[(generation, first, last), …] that are stored for good."""
    return _ranges(_object(payload).get("stored"))


def command(payload):
    """(the command's id, a DownCommand)."""
    body = _object(payload)
    name, kind = body.get("id"), body.get("command")
    if not isinstance(name, str) or not name:
        raise DownlinkError("a command without an id")
    if kind not in COMMANDS:
        raise DownlinkError("the command '%s' is none of %s" % (kind, ", ".join(COMMANDS)))
    ranges: list = []
    configuration = ""
    if kind == "resend":
        ranges = _ranges(body.get("ranges"))
    if kind == "configure":
        if not isinstance(body.get("configuration"), dict):
            raise DownlinkError("a configuration is a JSON object")
        configuration = json.dumps(body["configuration"])
    return name, DownCommand(reference(name), kind, ranges, configuration)


def reference(name):
    digest = hashlib.sha256(name.encode()).digest()
    return digest[0] << 8 | digest[1]


def _object(payload):
    if payload is None:
        raise DownlinkError("a message that is too long")
    try:
        body = json.loads(payload)
    except ValueError:
        raise DownlinkError("a message that is no JSON") from None
    except (RuntimeError, MemoryError):
        raise DownlinkError("a message that is nested too deep") from None
    if not isinstance(body, dict):
        raise DownlinkError("a message that is no JSON object")
    return body


def _ranges(found):
    if not isinstance(found, list):
        raise DownlinkError("ranges are a list")
    ranges = []
    for one in found:
        if not isinstance(one, list) or len(one) != 3 or not all([type(n) is int for n in one]):
            raise DownlinkError("a range is [generation, first, last]")
        generation, first, last = one
        if not 0 <= generation <= GENERATION_MAX or not 0 <= first <= last <= SEQ_MAX:
            raise DownlinkError("[%d, %d, %d] is not a range below 2^32" % (generation, first, last))
        ranges.append((generation, first, last))
    return ranges
