"""MQTT topics, version 1. One place that spells them; everything else calls these.

Runs on MicroPython and CPython.
"""

from schemas.channels import is_name

PREFIX = "klimanetz/v1/"
UP = "up"  # readings as JSON
RAW = "raw"  # readings in the binary wire format
STATUS = "status"  # retained, last will
ACK = "ack"  # what the cloud has stored for good
DOWN = "down"  # commands to a device
UNREAD = "unread"  # what a gateway heard of a device and could not read
KINDS = (UP, RAW, STATUS, ACK, DOWN, UNREAD)

CHIRPSTACK_EVENTS = "application/+/device/+/event/+"
TTS_UPLINKS = "v3/+/devices/+/up"
TTS_JOINS = "v3/+/devices/+/join"
TTS_DOWNLINK_EVENTS = tuple(["v3/+/devices/+/down/" + kind for kind in ("queued", "sent", "ack", "nack", "failed")])
TTS_OTHER_EVENTS = ("v3/+/devices/+/service/data", "v3/+/devices/+/location/solved")


class TopicError(ValueError):
    """The topic is not one of ours; the message says why."""


def topic(kind: str, device: str) -> str:
    """The topic of one kind for one device (`+` for every device)."""
    if kind not in KINDS:
        raise TopicError("unknown kind of topic '%s'" % kind)
    if device != "+" and not is_name(device):
        raise TopicError("'%s' is not a device name" % device)
    return PREFIX + kind + "/" + device


def parse(text):
    """`(kind, device)` of a topic. Raises TopicError."""
    if not text.startswith(PREFIX):
        raise TopicError("'%s' does not start with %s" % (text, PREFIX))
    kind, slash, device = text[len(PREFIX) :].partition("/")
    if not slash or kind not in KINDS:
        raise TopicError("'%s' is not %s<%s>/<device>" % (text, PREFIX, "|".join(KINDS)))
    if not is_name(device):
        raise TopicError("'%s' is not a device name: 1 to 64 of A-Z a-z 0-9 . _ -" % device)
    return kind, device
