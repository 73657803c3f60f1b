"""A simulated LoRa gateway: the packet forwarder's side of Semtech UDP (PROTOCOL.TXT, version 2), on a real socket.

It sends received frames as PUSH_DATA until each datagram is acknowledged, asks for downlinks with PULL_DATA, and
hands every PULL_RESP to whoever listens on the simulated air. Its counter is ahead of the clock where more frames come
than a real gateway could hear.
"""

import asyncio
import base64
import itertools
import json
import socket
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple, cast

PUSH_DATA, PUSH_ACK, PULL_DATA, PULL_RESP, PULL_ACK, TX_ACK = range(6)
RESEND_S = 5.0  # patient: a frame that comes again after a later one is a replay to the network
TMST_WRAP = 2**32
TICK_US = 4_000_000  # longer than both receive windows of a frame and the longest answer in them
OnDownlink = Callable[[str, bytes, int], None]  # gateway, frame, the counter at which it is sent


class Heard(NamedTuple):
    """A frame as the gateway heard it. `tmst`: its counter then; without, nobody can answer the frame."""

    phy: bytes
    tmst: int | None
    received: datetime
    rssi_dbm: float
    snr_db: float


class Forwarder(asyncio.DatagramProtocol):
    """One gateway, connected to one server. `window`: so many datagrams, perhaps of several gateways, are under way."""

    def __init__(self, eui: str, window: asyncio.Semaphore, on_downlink: OnDownlink) -> None:
        self.eui = eui
        self.on_downlink = on_downlink
        self._eui = bytes.fromhex(eui)
        self._tokens = itertools.count(1)
        self._waiting: dict[bytes, asyncio.Future[None]] = {}
        self._window = window
        self._counter_us = 0
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        if len(data) < 4 or data[0] != 2:
            return
        token, kind = data[1:3], data[3]
        if kind in (PUSH_ACK, PULL_ACK) and (future := self._waiting.pop(token, None)) and not future.done():
            future.set_result(None)
        elif kind == PULL_RESP:
            self._send(TX_ACK, token, b"")
            txpk = json.loads(data[4:])["txpk"]
            self.on_downlink(self.eui, base64.b64decode(txpk["data"]), txpk.get("tmst", 0))

    def error_received(self, exc: Exception) -> None:
        """Nobody listens yet; the datagram is sent again."""

    def tick(self) -> int:
        """The counter at the next frame, in µs."""
        self._counter_us = max(time.monotonic_ns() // 1000, self._counter_us + TICK_US)
        return self._counter_us % TMST_WRAP

    async def push(self, frames: Sequence[Heard], sf: int = 9) -> None:
        """Frames in one datagram; returns once it is acknowledged."""
        async with self._window:
            await self._until_acknowledged(PUSH_DATA, json.dumps({"rxpk": [_rxpk(one, sf) for one in frames]}).encode())

    async def pull(self) -> None:
        """Open the way for downlinks; returns once the server has answered."""
        await self._until_acknowledged(PULL_DATA, b"")

    async def _until_acknowledged(self, kind: int, body: bytes) -> None:
        token = (next(self._tokens) % 65536).to_bytes(2, "big")
        done = self._waiting[token] = asyncio.get_running_loop().create_future()
        while not done.done():
            self._send(kind, token, body)
            await asyncio.wait([done], timeout=RESEND_S)

    def _send(self, kind: int, token: bytes, body: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.sendto(bytes((2,)) + token + bytes((kind,)) + self._eui + body)


def _rxpk(heard: Heard, sf: int) -> dict[str, Any]:
    rxpk = {
        "time": heard.received.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z"),
        "chan": 0, "rfch": 0, "freq": 868.1, "stat": 1, "modu": "LORA", "datr": f"SF{sf}BW125", "codr": "4/5",
        "rssi": round(heard.rssi_dbm), "lsnr": round(heard.snr_db, 1), "size": len(heard.phy),
        "data": base64.b64encode(heard.phy).decode(),
    }  # fmt: skip
    return rxpk if heard.tmst is None else {"tmst": heard.tmst, **rxpk}


async def connect(address: tuple[str, int], eui: str, window: asyncio.Semaphore, on_downlink: OnDownlink) -> Forwarder:
    """A forwarder on a socket of its own."""
    loop = asyncio.get_running_loop()
    transport, forwarder = await loop.create_datagram_endpoint(
        lambda: Forwarder(eui, window, on_downlink), remote_addr=address
    )
    transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    return forwarder
