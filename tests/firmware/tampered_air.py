"""Between a simulated gateway and the gateway's core: what goes down to a device may be replaced on its way."""

import base64
import json
import socket
import threading
from collections.abc import Callable
from types import TracebackType

PULL_RESP = 3
HEAD_BYTES = 4
Tamper = Callable[[bytes], bytes]


class TamperedAir:
    """`with TamperedAir(core.address) as air`: a gateway speaks to `air.address`; `air.tamper` gets each downlink."""

    def __init__(self, server: tuple[str, int]) -> None:
        self._server = server
        self.tamper: Tamper = lambda phy: phy
        self.seen: list[bytes] = []  # downlinks as they were sent
        self._device_side = self._socket()
        self._server_side = self._socket()
        self.address: tuple[str, int] = self._device_side.getsockname()
        self._gateway: tuple[str, int] | None = None
        self._threads = [threading.Thread(target=run, daemon=True) for run in (self._up, self._down)]

    @staticmethod
    def _socket() -> socket.socket:
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        made.bind(("127.0.0.1", 0))
        return made

    def _up(self) -> None:
        while (heard := self._device_side.recvfrom(65_535))[0]:
            self._gateway = heard[1]
            self._server_side.sendto(heard[0], self._server)

    def _down(self) -> None:
        while data := self._server_side.recvfrom(65_535)[0]:
            if data[3] == PULL_RESP:
                data = self._changed(data)
            if self._gateway:
                self._device_side.sendto(data, self._gateway)

    def _changed(self, data: bytes) -> bytes:
        body = json.loads(data[HEAD_BYTES:])
        phy = base64.b64decode(body["txpk"]["data"])
        self.seen.append(phy)
        phy = self.tamper(phy)
        body["txpk"] |= {"data": base64.b64encode(phy).decode(), "size": len(phy)}
        return data[:HEAD_BYTES] + json.dumps(body).encode()

    def __enter__(self) -> "TamperedAir":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for end in (self._device_side, self._server_side):  # an empty datagram ends a thread
            end.sendto(b"", end.getsockname())
        for thread in self._threads:
            thread.join(10)
        self._device_side.close()
        self._server_side.close()
