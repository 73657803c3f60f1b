"""A network of a few lines on a real UDP socket: it acknowledges, and lets devices in after a pause."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, cast

from edge.lorawan import frames, server
from edge.lorawan.session import Session
from gateway.lorawan.aes import aes

PAUSE_S = 0.2  # as the real one waits for other gateways
NET_ID = 0


class Network(asyncio.DatagramProtocol):
    """`keys`: AppKey by DevEUI. Answers wait for `PAUSE_S` and leave in the opposite order."""

    def __init__(self, keys: dict[str, str], answers: Callable[[int], bool]) -> None:
        self.keys = keys
        self.rxpk: list[tuple[str, dict[str, Any]]] = []  # with the gateway's EUI
        self.requests = 0
        self.most_waiting = 0
        self.sessions: dict[str, Session] = {}  # by DevEUI, the newest
        self.sent: list[tuple[str, int]] = []  # (gateway, tmst)
        self._answers = answers  # whether the n-th JoinRequest is answered in time
        self._waiting: list[tuple[bytes, Any]] = []
        self._late: list[tuple[bytes, Any]] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        if data[3] == 2:
            self.transport.sendto(data[:3] + b"\x04", addr)
        elif data[3] == 0:
            self.transport.sendto(data[:3] + b"\x01", addr)
            for rxpk in json.loads(data[12:])["rxpk"]:
                self._take(data[4:12].hex(), rxpk, addr)

    def _take(self, gateway: str, rxpk: dict[str, Any], addr: Any) -> None:
        self.rxpk.append((gateway, rxpk))
        request = frames.parse(base64.b64decode(rxpk["data"]))
        if not isinstance(request, frames.JoinRequest):
            return
        self.requests += 1
        dev_eui = frames.eui_text(request.dev_eui)
        nonce = self.requests
        answer = server.accept_join(aes, request, bytes.fromhex(self.keys[dev_eui]), nonce, NET_ID, 0x01000000 + nonce)
        assert isinstance(answer, server.JoinAnswer), answer
        self.sessions[dev_eui] = answer.session
        tmst = (rxpk["tmst"] + 5_000_000) % 2**32
        self.sent.append((gateway, tmst))
        txpk = {"tmst": tmst, "data": base64.b64encode(answer.phy).decode()}
        resp = b"\x02\x00\x00\x03" + json.dumps({"txpk": txpk}).encode()
        if not self._answers(self.requests):
            self._late.append((resp, addr))
            return
        self._waiting.append((resp, addr))
        self.most_waiting = max(self.most_waiting, len(self._waiting))
        asyncio.get_running_loop().call_later(PAUSE_S, self._answer)

    def _answer(self) -> None:
        for resp, addr in self._late:  # of an earlier request, before the right one
            self.transport.sendto(resp, addr)
        self._late.clear()
        if self._waiting:
            self.transport.sendto(*self._waiting.pop())


@asynccontextmanager
async def network(
    keys: dict[str, str], answers: Callable[[int], bool] = lambda _: True
) -> AsyncIterator[tuple[Network, tuple[str, int]]]:
    """The network and its address."""
    loop = asyncio.get_running_loop()
    transport, one = await loop.create_datagram_endpoint(lambda: Network(keys, answers), local_addr=("127.0.0.1", 0))
    try:
        yield one, transport.get_extra_info("sockname")
    finally:
        transport.close()
