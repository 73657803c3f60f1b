"""Semtech's UDP protocol between packet forwarder and server, versions 1 and 2, both directions, without a socket.

A datagram is four bytes (version, two of token, kind), the gateway's EUI where the gateway speaks, and JSON. What
cannot be a datagram of this protocol raises DatagramError; a datagram with some broken objects is parsed and
names them in `faults`. Acknowledgements repeat version and token; nothing here retries, and neither does the protocol.

Specification: Lora-net/packet_forwarder PROTOCOL.TXT (v1), v2 adds TX_ACK and gives PULL_RESP a token.
"""

from dataclasses import dataclass
from typing import Any

import orjson

from gateway.semtech.objects import ObjectError, Rx, Stat, Tx, rx_of, stat_of, tx_of, txpk_of

PUSH_DATA, PUSH_ACK, PULL_DATA, PULL_RESP, PULL_ACK, TX_ACK = range(6)
VERSIONS = (1, 2)
RXPK_MAX = 256  # objects in one datagram; real forwarders send up to eight


class DatagramError(ValueError):
    """Not a datagram of this protocol; the message says why."""


@dataclass(frozen=True, slots=True)
class PushData:
    """Frames and state from a gateway. `faults` are the objects that could not be read."""

    version: int
    token: bytes
    gateway: str
    frames: tuple[Rx, ...] = ()
    stat: Stat | None = None
    faults: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PullData:
    """A gateway keeps its way for downlinks open: they go where the newest of these came from."""

    version: int
    token: bytes
    gateway: str


@dataclass(frozen=True, slots=True)
class TxAck:
    """What became of a PULL_RESP; `error` is None where it will be sent."""

    version: int
    token: bytes
    gateway: str
    error: str | None = None


@dataclass(frozen=True, slots=True)
class PushAck:
    """The server has taken a PUSH_DATA."""

    version: int
    token: bytes


@dataclass(frozen=True, slots=True)
class PullAck:
    """The server has taken a PULL_DATA."""

    version: int
    token: bytes


@dataclass(frozen=True, slots=True)
class PullResp:
    """A frame for the gateway to send."""

    version: int
    token: bytes
    tx: Tx


Datagram = PushData | PullData | TxAck | PushAck | PullAck | PullResp


def parse(datagram: bytes) -> Datagram:
    """The datagram as a value. Raises DatagramError."""
    if len(datagram) < 4:
        raise DatagramError("%d bytes, at least 4 are needed" % len(datagram))
    version, token, kind, rest = datagram[0], datagram[1:3], datagram[3], datagram[4:]
    if version not in VERSIONS:
        raise DatagramError("protocol version %d, 1 and 2 are known" % version)
    if kind == PUSH_ACK:
        return PushAck(version, token)
    if kind == PULL_ACK:
        return PullAck(version, token)
    if kind == PULL_RESP:
        return PullResp(version, token, _tx(rest))
    if kind not in (PUSH_DATA, PULL_DATA, TX_ACK):
        raise DatagramError("unknown kind %d" % kind)
    if len(rest) < 8:
        raise DatagramError("the gateway's EUI is cut off")
    gateway, body = rest[:8].hex(), rest[8:]
    if kind == PULL_DATA:
        return PullData(version, token, gateway)
    if kind == TX_ACK:
        return TxAck(version, token, gateway, _tx_error(_object(body)))
    return _push(version, token, gateway, _object(body))


def push_ack(data: PushData) -> bytes:
    """The answer to PUSH_DATA."""
    return bytes((data.version,)) + data.token + bytes((PUSH_ACK,))


def pull_ack(data: PullData) -> bytes:
    """The answer to PULL_DATA."""
    return bytes((data.version,)) + data.token + bytes((PULL_ACK,))


def pull_resp(token: bytes, tx: Tx, version: int = 2) -> bytes:
    """A frame for a gateway to send; its TX_ACK repeats `token` (two bytes)."""
    return bytes((version,)) + token + bytes((PULL_RESP,)) + orjson.dumps({"txpk": txpk_of(tx)})


def push_data(token: bytes, gateway: str, body: dict[str, Any], version: int = 2) -> bytes:
    """What a forwarder sends: `body` has `rxpk` and `stat`."""
    return bytes((version,)) + token + bytes((PUSH_DATA,)) + bytes.fromhex(gateway) + orjson.dumps(body)


def pull_data(token: bytes, gateway: str, version: int = 2) -> bytes:
    """What a forwarder sends to keep its way for downlinks open."""
    return bytes((version,)) + token + bytes((PULL_DATA,)) + bytes.fromhex(gateway)


def tx_ack(token: bytes, gateway: str, error: str | None = None) -> bytes:
    """A forwarder's answer to PULL_RESP."""
    body = orjson.dumps({"txpk_ack": {"error": error}}) if error else b""
    return b"\x02" + token + bytes((TX_ACK,)) + bytes.fromhex(gateway) + body


def _object(body: bytes) -> dict[str, Any]:
    """The JSON object of a datagram; none at all, or a NUL as some gateways end it, is an empty one."""
    body = body.rstrip(b"\0")
    if not body:
        return {}
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise DatagramError("no JSON: %s" % error) from None
    if not isinstance(value, dict):
        raise DatagramError("the JSON is not an object")
    return value


def _push(version: int, token: bytes, gateway: str, body: dict[str, Any]) -> PushData:
    objects = body.get("rxpk", [])
    faults = [] if isinstance(objects, list) else ["rxpk is not a list"]
    frames: list[Rx] = []
    for position, rxpk in enumerate(objects if isinstance(objects, list) else []):
        if position == RXPK_MAX:
            faults.append("more than %d objects in rxpk" % RXPK_MAX)
            break
        try:
            frames += rx_of(rxpk, gateway)
        except ObjectError as error:
            faults.append("rxpk[%d]: %s" % (position, error))
    return PushData(version, token, gateway, tuple(frames), stat_of(body.get("stat")), tuple(faults))


def _tx(body: bytes) -> Tx:
    try:
        return tx_of(_object(body).get("txpk"))
    except ObjectError as error:
        raise DatagramError(str(error)) from None


def _tx_error(body: dict[str, Any]) -> str | None:
    answer = body.get("txpk_ack")
    error = answer.get("error") if isinstance(answer, dict) else None
    return error[:64] if isinstance(error, str) and error not in ("", "NONE") else None
