"""The UDP socket of the gateway on asyncio. What has arrived is read in batches: one flush serves many.

While a batch is being captured the next one waits in the kernel's buffer, which is made large.
"""

import asyncio
import socket
from collections.abc import Callable, Iterable

from gateway.semtech.forwarders import Address

BATCH_MAX = 64
BUFFER_BYTES = 4 << 20
DATAGRAM_MAX = 65536
UdpAddress = tuple[str, int]


class PortError(Exception):
    """The port cannot be had; the message says what to do."""


class UdpEndpoint:
    """Calls `on_batch` with what has arrived."""

    def __init__(self, host: str, port: int, on_batch: Callable[[list[tuple[bytes, Address]]], None]) -> None:
        """Raises PortError."""
        self._on_batch = on_batch
        try:
            family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
            self._socket = socket.socket(family, kind, protocol)
            self._socket.setblocking(False)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
            self._socket.bind(address)
        except OSError as error:
            why = error.strerror or error
            raise PortError(
                f"UDP {host}:{port} cannot be opened ({why}); stop the program that has it or set KLIMANETZ_UDP_LISTEN"
            ) from error
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._socket.fileno(), self._readable)

    @property
    def address(self) -> UdpAddress:
        """Where it listens."""
        name = self._socket.getsockname()
        return str(name[0]), int(name[1])

    def send(self, outgoing: Iterable[tuple[bytes, Address]]) -> int:
        """Sends datagrams; how many the system did not take. UDP has no more to offer."""
        failed = 0
        for datagram, address in outgoing:
            try:
                self._socket.sendto(datagram, address)
            except OSError:
                failed += 1
        return failed

    def close(self) -> None:
        """Closes the socket."""
        self._loop.remove_reader(self._socket.fileno())
        self._socket.close()

    def _readable(self) -> None:
        batch: list[tuple[bytes, Address]] = []
        while len(batch) < BATCH_MAX:
            try:
                batch.append(self._socket.recvfrom(DATAGRAM_MAX))
            except BlockingIOError:
                break
            except OSError:  # an answer to something we sent: somebody's port is closed
                continue
        if batch:
            self._on_batch(batch)
