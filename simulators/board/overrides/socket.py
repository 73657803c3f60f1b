"""`socket` of the simulated chip: the real sockets, names of `chip["hosts"]`, and no network without Wi-Fi.

A chip without `wifi` in `chip.json` has the network of the host, as it is.
"""

import usocket
from usocket import *

from simulators.board import network, timeline

NTP_PORT = 123


def socket(family=usocket.AF_INET, kind=usocket.SOCK_STREAM, *more):
    if "wifi" not in timeline.chip:
        return usocket.socket(family, kind, *more)
    if kind == usocket.SOCK_DGRAM:
        from simulators.board.ntp_peer import Datagrams

        return Datagrams()
    stream = usocket.socket(family, kind, *more)
    network.follow(stream)
    return stream


def getaddrinfo(host, port, *more):
    if "wifi" not in timeline.chip:
        return usocket.getaddrinfo(host, port, *more)
    network.check()
    if port == NTP_PORT and (host in timeline.chip.get("ntp", {}) or _is_numeric(host)):
        return [(usocket.AF_INET, usocket.SOCK_DGRAM, 0, "", (host, port))]
    if not _is_numeric(host):
        found = timeline.chip.get("hosts", {}).get("%s:%d" % (host, port))
        if found is None or not network.names_answer():
            timeline.advance(network.DNS_GIVES_UP_MS * 1000)
            raise OSError(-2)
        host, port = found
    return usocket.getaddrinfo(host, port, *more)


def _is_numeric(host):
    return host.replace(".", "").isdigit()
