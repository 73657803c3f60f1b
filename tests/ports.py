"""Ports for servers under test.

A server that is started later, or again, needs a number that nobody takes meanwhile. The system hands the ephemeral
range (Linux: 32768 and above) out to every outgoing connection, so a free port from there may be gone a second later:
ours are from below it.
"""

import random
import socket

_FIRST, _LAST = 15_000, 32_000


def free_port(kind: int = socket.SOCK_STREAM) -> int:
    """A port that nobody has at this moment and no outgoing connection will get."""
    while True:
        port = random.SystemRandom().randint(_FIRST, _LAST)
        with socket.socket(socket.AF_INET, kind) as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
