"""Whom the simulated chip asks for the time: a datagram socket behind which an NTP server knows the true time.

`chip["ntp"]`: {host: {"way_ms": 40, "offset_ms": 0, "stratum": 2, "leap": 0, "kiss": "RATE", "silent": true}}, all of
it optional; a host that is not there does not answer. The way there and back passes in virtual time while the question
is sent, so that a question costs no real time. Packet: RFC 5905, figure 8, written here apart from edge/sntp.py.
"""

import io
import struct

from simulators.board import network, timeline

_SINCE_1900_S = 2208988800
_POLL_IN, _IOCTL_POLL, _IOCTL_CLOSE = 1, 3, 4


class Datagrams(io.IOBase):
    """A socket(AF_INET, SOCK_DGRAM); its addresses are ("name", port)."""

    def __init__(self):
        self._answer = None

    def setblocking(self, on):
        pass

    def sendto(self, packet, address):
        network.check()
        server = timeline.chip.get("ntp", {}).get(address[0])
        if server is not None and not server.get("silent"):
            way_us = server.get("way_ms", 40) * 1000
            timeline.advance(way_us // 2)
            self._answer = _answered(packet, server), address
            timeline.advance(way_us - way_us // 2)
        return len(packet)

    def recvfrom(self, size):
        if self._answer is None:
            raise OSError(11)
        (packet, address), self._answer = self._answer, None
        return packet[:size], address

    def ioctl(self, what, argument):
        if what == _IOCTL_POLL:
            return _POLL_IN & argument if self._answer is not None else 0
        return 0

    def close(self):
        self._answer = None


def _answered(packet, server):
    kiss = server.get("kiss")
    now = _stamp(timeline.true_us + server.get("offset_ms", 0) * 1000)
    head = (server.get("leap", 0) << 6 | 4 << 3 | 4, 0 if kiss else server.get("stratum", 2), 6, -20)
    return (
        struct.pack(">BBbb", *head)
        + struct.pack(">II", 0x0000_0200, 0x0000_0400)  # root delay 1/128 s, root dispersion 1/64 s
        + (kiss.encode() if kiss else b"\xc0\x00\x02\x01")
        + now  # the server was set just now
        + bytes(packet[40:48])
        + now
        + now
    )


def _stamp(us):
    """An NTP time: seconds since 1900 of its era, and 2^-32 seconds."""
    return struct.pack(">II", (us // 1000000 + _SINCE_1900_S) & 0xFFFFFFFF, (us % 1000000 << 32) // 1000000)
