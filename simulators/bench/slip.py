"""SLIP as an ESP32's loader speaks it (RFC 1055; docs.espressif.com, "Serial Protocol"). Pure.

A packet stands between two 0xC0; inside, 0xC0 and 0xDB are escaped. What is not between them is no packet.
"""

END, ESC = 0xC0, 0xDB
_ESCAPED = {0xDC: 0xC0, 0xDD: 0xDB}


def framed(packet: bytes) -> bytes:
    """A packet as it goes over the cable."""
    return b"\xc0" + packet.replace(b"\xdb", b"\xdb\xdd").replace(b"\xc0", b"\xdb\xdc") + b"\xc0"


class Decoder:
    """Packets out of a stream. `loose`: bytes that came outside of one since it was last emptied."""

    def __init__(self) -> None:
        self.loose = bytearray()
        self._packet: bytearray | None = None

    def feed(self, data: bytes) -> list[bytes]:
        """The packets that end in `data`. One with a wrong escape is dropped, as the ROM does."""
        out = []
        parts = data.split(b"\xc0")
        for n, part in enumerate(parts):
            if n:  # an END stood before this part
                if self._packet:
                    packet = _unescaped(bytes(self._packet))
                    if packet is not None:
                        out.append(packet)
                    self._packet = None
                else:
                    self._packet = bytearray()
            if self._packet is None:
                self.loose += part
            else:
                self._packet += part
        return out


def _unescaped(raw: bytes) -> bytes | None:
    if ESC not in raw:
        return raw
    first, *rest = raw.split(b"\xdb")
    out = bytearray(first)
    for part in rest:
        if not part or part[0] not in _ESCAPED:
            return None
        out.append(_ESCAPED[part[0]])
        out += part[1:]
    return bytes(out)
