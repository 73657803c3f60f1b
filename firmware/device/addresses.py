"""Names to addresses. An address that once worked outlives a name server that does not answer.

`getaddrinfo` of the chip blocks: lwIP asks each name server four times in about ten seconds, and the watchdog has to
allow for that. So the address of last time comes first, and the name is asked where there is none, or that failed.
MicroPython only.
"""

import socket

from firmware.device.trouble import Trouble


class Addresses:
    """`kept`: {"name:port": host} of what worked."""

    def __init__(self, kept):
        self._known = dict(kept)

    def to_dict(self):
        return self._known

    def known(self, name, port):
        """The socket address that worked last time, or None."""
        host = self._known.get("%s:%d" % (name, port))
        return host and socket.getaddrinfo(host, port)[0][-1]

    def ask(self, name, port):
        """The socket address of a name, asked now. Raises Trouble."""
        try:
            return socket.getaddrinfo(name, port)[0][-1]
        except (OSError, IndexError) as error:
            raise Trouble("dns", "no address for %s: %s" % (name, error)) from None

    def worked(self, name, port, address):
        self._known["%s:%d" % (name, port)] = _host(address)

    def failed(self, name, port):
        self._known.pop("%s:%d" % (name, port), None)


def _host(address):
    """The ESP32 port's addresses are (host, port), the Unix port's are bytes."""
    if isinstance(address, tuple):
        return address[0]
    return socket.inet_ntop(socket.AF_INET, bytes(address[4:8]))  # type: ignore[attr-defined]
