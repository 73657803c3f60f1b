"""One MQTT message as it came."""

from typing import NamedTuple


class Message(NamedTuple):
    """Topic, payload, and when we received it (milliseconds since 1970 UTC)."""

    topic: str
    payload: bytes
    received_ms: int
    retained: bool = False  # the broker kept it: it may have been sent long ago
    replayed_ms: int = 0  # 0, or when a dead letter or a kept message was taken again
    whole: bool = False  # taken again whole, as it first came: what was made of it then may be stored
