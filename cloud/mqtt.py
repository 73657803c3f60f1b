"""The broker's address and a client for it: MQTT 3.1.1, QoS 1, a session that survives us, acknowledged by hand."""

import ssl
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit

import aiomqtt


class MqttUrlError(ValueError):
    """The text is not a broker's address; the message says what is."""


@dataclass(frozen=True, slots=True)
class MqttUrl:
    """`mqtt://user:password@host:1883` or `mqtts://…:8883`."""

    host: str
    port: int
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: bool = False

    def __str__(self) -> str:
        return f"{'mqtts' if self.tls else 'mqtt'}://{self.host}:{self.port}"


def parse_mqtt_url(text: str) -> MqttUrl:
    """Raises MqttUrlError."""
    parts = urlsplit(text)
    try:
        port = parts.port
    except ValueError:
        raise MqttUrlError("the port is not one: use mqtt://user:password@host:1883 or mqtts://host:8883") from None
    if parts.scheme not in ("mqtt", "mqtts") or not parts.hostname or parts.path not in ("", "/"):
        raise MqttUrlError("use mqtt://user:password@host:1883 or mqtts://host:8883")
    tls = parts.scheme == "mqtts"
    return MqttUrl(
        parts.hostname,
        port or (8883 if tls else 1883),
        unquote(parts.username) if parts.username else None,
        unquote(parts.password) if parts.password else None,
        tls,
    )


def client(url: MqttUrl, identifier: str, **options: Any) -> aiomqtt.Client:
    """A client with a persistent session; messages are acknowledged by `inbox.Inbox.acknowledge` and not before."""
    made = aiomqtt.Client(
        url.host,
        url.port,
        username=url.username,
        password=url.password,
        identifier=identifier,
        clean_session=False,
        protocol=aiomqtt.ProtocolVersion.V311,
        tls_context=ssl.create_default_context() if url.tls else None,
        max_inflight_messages=1000,
        **options,
    )
    made._client.manual_ack_set(True)  # aiomqtt 2 has no public way
    return made


def refused(error: aiomqtt.MqttError) -> bool:
    """Whether the broker answered and does not want us (user name, password, rights): a person must act."""
    code = getattr(error, "rc", None)
    return getattr(code, "value", code) in (4, 5, 134, 135)
