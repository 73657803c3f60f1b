"""A connection to the broker: MQTT 3.1.1, QoS 1, a session that outlives the process, messages acknowledged by hand."""

import logging
import random
import ssl
from dataclasses import dataclass

import aiomqtt

INFLIGHT_MAX = 100
RETRY_FIRST_S, RETRY_MAX_S = 0.5, 60.0
_QUIET = logging.getLogger("gateway.mqtt.client")
_QUIET.setLevel(logging.ERROR)  # it warns of many publications under way, which is what we want


@dataclass(frozen=True, slots=True)
class MqttUrl:
    """Where the broker is. `ca_file`: what to trust instead of the system's certificates."""

    host: str
    port: int = 1883
    username: str | None = None
    password: str | None = None
    tls: bool = False
    ca_file: str | None = None

    def __str__(self) -> str:
        return "%s://%s:%d" % ("mqtts" if self.tls else "mqtt", self.host, self.port)

    def __repr__(self) -> str:
        return "MqttUrl(%s)" % self  # without the password


def client(url: MqttUrl, identifier: str, will: aiomqtt.Will) -> aiomqtt.Client:
    """A client that is not connected yet. Messages count as delivered when `acknowledge` says so, and not before."""
    made = aiomqtt.Client(
        url.host,
        url.port,
        username=url.username,
        password=url.password,
        identifier=identifier,
        clean_session=False,
        will=will,
        protocol=aiomqtt.ProtocolVersion.V311,
        tls_context=ssl.create_default_context(cafile=url.ca_file) if url.tls else None,
        max_inflight_messages=INFLIGHT_MAX,
        logger=_QUIET,
    )
    made._client.manual_ack_set(True)  # aiomqtt 2 has no public way (aiomqtt#345)
    return made


def acknowledge(made: aiomqtt.Client, message: aiomqtt.Message) -> None:
    """PUBACK. Only on the connection that the message came by."""
    if message.qos:
        made._client.ack(message.mid, message.qos)


def retry_s(failures: int) -> float:
    """How long to wait after so many failures in a row; at random, so that many gateways do not come at once."""
    return min(RETRY_MAX_S, RETRY_FIRST_S * 2.0 ** min(failures, 10)) * random.uniform(0.5, 1)
