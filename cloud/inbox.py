"""Messages from the broker by the thousand: what the socket holds is read in one go and cut into packets here.

paho's own reader asks the system three times for each packet and makes an object of it, which costs more than all that
ingest does with a reading. Here PUBLISH packets (MQTT 3.1.1, 3.3) become tuples; every other packet is handed to paho,
which goes on keeping the connection. Nothing more is read from the socket while `LIMIT_BYTES` wait to be taken.
https://docs.oasis-open.org/mqtt/mqtt/v3.1.1/os/mqtt-v3.1.1-os.html
"""

import asyncio
import ssl
import struct
import time
from typing import Any

import aiomqtt
from paho.mqtt import MQTTException
from paho.mqtt.enums import MQTTErrorCode

CHUNK_BYTES = 1 << 18
CHUNKS = 8
LIMIT_BYTES = 8 << 20  # waiting to be taken
_PUBLISH, _PUBACK = 3, b"\x40\x02"


# One PUBLISH as it came: topic, payload, whether it was retained, packet identifier (None at QoS 0).
Delivery = tuple[bytes, bytes, bool, bytes | None]


class _Malformed(Exception):
    """What came is not MQTT."""


class Inbox:
    """Takes the place of the reader of an aiomqtt client, before it connects."""

    def __init__(self, made: aiomqtt.Client) -> None:
        self._made, self._client = made, made._client
        self._client.loop_read = self._read  # type: ignore[method-assign]  # aiomqtt calls it when the socket has something
        self._waiting: list[Delivery] = []
        self._bytes = 0
        self._came = asyncio.Event()
        self._rest: list[bytes] = []  # the beginning of a packet, and how many bytes it has, once that is known
        self._have = self._need = 0
        self._lost = False
        self._paused: int | None = None  # the socket that is not read

    async def take(self) -> list[Delivery]:
        """Wait for messages, then all that have come. Raises MqttError when the connection ends."""
        while not self._waiting:
            if not self._lost:
                self._came.clear()
            await self._until_something()
        taken, self._waiting, self._bytes = self._waiting, [], 0
        self._resume()
        return taken

    async def _until_something(self) -> None:
        came: asyncio.Future[Any] = asyncio.ensure_future(self._came.wait())
        ended: asyncio.Future[Any] = self._made._disconnected
        try:
            await asyncio.wait([came, ended], return_when=asyncio.FIRST_COMPLETED)
        finally:
            came.cancel()
        if self._waiting:
            return
        if ended.done() and (error := ended.exception()) is not None:
            raise error if isinstance(error, aiomqtt.MqttError) else aiomqtt.MqttError(repr(error)) from error
        if ended.done() or self._lost:  # aiomqtt forgets an end that comes right behind the CONNACK
            raise aiomqtt.MqttError("the connection ended")

    def acknowledge(self, deliveries: list[Delivery]) -> None:
        """PUBACK them, as one write; never blocks."""
        mids = [mid for _, _, _, mid in deliveries if mid is not None]
        if mids:
            self._client._packet_queue(0x40, _PUBACK + _PUBACK.join(mids), 0, 0)

    def _read(self, max_packets: int = 1) -> MQTTErrorCode:
        """What aiomqtt calls when the socket has something."""
        client = self._client
        sock = client.socket()
        if sock is None:
            return MQTTErrorCode.MQTT_ERR_NO_CONN
        if self._bytes > LIMIT_BYTES:
            self._pause(sock.fileno())
            return MQTTErrorCode.MQTT_ERR_SUCCESS
        data = self._received(sock)
        if data is None:
            return MQTTErrorCode.MQTT_ERR_SUCCESS
        if not data:
            return self._ended(MQTTErrorCode.MQTT_ERR_CONN_LOST)
        client._last_bytes_received = time.monotonic()
        self._rest.append(data)
        self._have += len(data)
        if self._have < self._need:
            return MQTTErrorCode.MQTT_ERR_SUCCESS
        try:
            code = self._cut(data if len(self._rest) == 1 else b"".join(self._rest))
        except (_Malformed, MQTTException, struct.error, IndexError):
            code = MQTTErrorCode.MQTT_ERR_PROTOCOL
        return self._ended(code) if code else code

    def _received(self, sock: Any) -> bytes | None:
        """All that the socket holds, up to some chunks; None for nothing yet, empty where it has ended."""
        pieces: list[bytes] = []
        while len(pieces) < CHUNKS:
            try:
                pieces.append(sock.recv(CHUNK_BYTES))
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                break
            except OSError:
                pieces.append(b"")
            if not pieces[-1]:  # told again at the next reading, if something came before it
                break
            if len(pieces[-1]) < CHUNK_BYTES and not isinstance(sock, ssl.SSLSocket):
                break
        return b"".join(pieces) if pieces else None

    def _cut(self, data: bytes) -> MQTTErrorCode:
        """Whole packets out of the bytes; the rest waits for more."""
        at, end, need = 0, len(data), 0
        waiting = self._waiting
        while end - at >= 2:
            first, length, body = data[at], data[at + 1], at + 2
            if length & 0x80:
                found = _length(data, at + 1)
                if found is None:
                    break
                length, body = found
            after = body + length
            if after > end:
                need = after - at
                break
            if first >> 4 != _PUBLISH:
                if code := self._hand_over(first, data[body:after]):
                    return code
                at = after
                continue
            if length < 2:
                raise _Malformed
            behind = body + 2 + (data[body] << 8 | data[body + 1])
            name = data[body + 2 : behind]
            mid = None
            if first & 0x06:
                mid = data[behind : behind + 2]
                behind += 2
            if behind > after:
                raise _Malformed
            waiting.append((name, data[behind:after], first & 1 == 1, mid))
            self._bytes += length
            at = after
        self._rest = [data[at:]] if at < end else []
        self._have, self._need = end - at, need
        if waiting:
            self._came.set()
        return MQTTErrorCode.MQTT_ERR_SUCCESS

    def _hand_over(self, first: int, packet: bytes) -> MQTTErrorCode:
        """Any other packet: paho's."""
        client = self._client
        incoming = client._in_packet
        incoming["command"], incoming["remaining_length"], incoming["pos"] = first, len(packet), 0
        incoming["packet"] = bytearray(packet)
        try:
            return client._packet_handle()
        finally:
            incoming["command"], incoming["packet"] = 0, bytearray()

    def _ended(self, code: MQTTErrorCode) -> MQTTErrorCode:
        self._lost = True
        self._came.set()
        return self._client._loop_rc_handle(code)

    def _pause(self, fileno: int) -> None:
        self._paused = fileno
        asyncio.get_running_loop().remove_reader(fileno)

    def _resume(self) -> None:
        fileno, self._paused = self._paused, None
        sock = self._client.socket()
        if fileno is not None and sock is not None and sock.fileno() == fileno:
            asyncio.get_running_loop().add_reader(fileno, self._ready)
            self._ready()  # TLS may hold what the system no longer tells of

    def _ready(self) -> None:
        """What aiomqtt's reader does: as long as TLS holds something the system says nothing of."""
        while self._paused is None:
            self._read()
            pending = getattr(self._client.socket(), "pending", None)
            if pending is None or not pending():
                return


def _length(data: bytes, at: int) -> tuple[int, int] | None:
    """A remaining length of several bytes (2.2.3) and where the packet's body begins; None when it is not whole."""
    length = 0
    for n in range(4):
        if at + n >= len(data):
            return None
        byte = data[at + n]
        length |= (byte & 0x7F) << 7 * n
        if not byte & 0x80:
            return length, at + n + 1
    raise _Malformed
