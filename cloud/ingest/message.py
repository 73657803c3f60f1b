"""One MQTT message as it came."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Message:
    """Topic, payload, and when we received it (milliseconds since 1970 UTC)."""

    topic: str
    payload: bytes
    received_ms: int
