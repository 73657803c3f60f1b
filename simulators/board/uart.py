"""The serial port of the simulated chip: bytes arrive in their own time and wait in a buffer that can overflow.

A part has `baud`, `received(data)` and `next_frame(after_us, until_us) -> (moment_us, bytes) or None`: the first frame
whose last byte arrived in that span. MicroPython only.
"""

from simulators.board import timeline
from simulators.board.part import garbage

_parts = {}


class UART:
    INV_TX, INV_RX = 32, 4
    RTS, CTS = 1, 2
    IRQ_RX, IRQ_RXIDLE, IRQ_BREAK = 1, 2, 4

    @staticmethod
    def attach(id, part):
        _parts[id] = part

    def __init__(self, id, baudrate=115200, bits=8, parity=None, stop=1, **options):
        if id not in (0, 1, 2):
            raise ValueError("UART(%d) does not exist" % id)
        self._part = _parts.get(id)
        self._buffer = bytearray()
        self._looked_us = timeline.true_us
        self._room, self._timeout, self._timeout_char, self._baud = 256, 0, 0, baudrate
        self.init(baudrate, bits, parity, stop, **options)

    def init(self, baudrate=None, bits=8, parity=None, stop=1, **options):
        self._baud = baudrate or self._baud
        self._room = options.get("rxbuf", self._room)
        self._timeout = options.get("timeout", self._timeout)
        self._timeout_char = options.get("timeout_char", self._timeout_char)

    def deinit(self):
        self._part = None

    def _fill(self):
        """What has arrived since the last look; a frame that finds no room loses its end."""
        part = self._part
        if part is None:
            return
        while True:
            frame = part.next_frame(self._looked_us, timeline.true_us)
            if frame is None or len(self._buffer) >= self._room:
                break
            self._looked_us = frame[0]
            if not part.is_away() and not part.holds():
                data = frame[1]
                if part.has("garbage") or part.baud != self._baud:
                    data = garbage(len(data))
                self._buffer += data[: self._room - len(self._buffer)]
        self._looked_us = timeline.true_us

    def any(self):
        timeline.look()
        self._fill()
        return len(self._buffer)

    def _wait(self, wanted):
        """Until `wanted` bytes are there, or nothing comes for as long as was set."""
        left_ms = self._timeout
        before = self.any()
        while before < wanted and left_ms > 0:
            timeline.advance_ticks(1000)
            left_ms -= 1
            now = self.any()
            if now > before:
                before, left_ms = now, max(self._timeout_char, 1)

    def read(self, nbytes=None):
        self._wait(self._room if nbytes is None else nbytes)
        n = len(self._buffer) if nbytes is None else min(nbytes, len(self._buffer))
        data = bytes(self._buffer[:n])
        self._buffer = self._buffer[n:]
        return data or None

    def readinto(self, buf, nbytes=None):
        data = self.read(len(buf) if nbytes is None else nbytes)
        if data is None:
            return None
        buf[: len(data)] = data
        return len(data)

    def readline(self):
        self._wait(self._room)
        end = self._buffer.find(b"\n")
        return self.read(len(self._buffer) if end < 0 else end + 1)

    def write(self, buf):
        part = self._part
        timeline.advance(len(buf) * 10 * 1000000 // self._baud)
        if part is not None and not part.is_away() and part.baud == self._baud:
            self._fill()
            part.received(bytes(buf))
        return len(buf)

    def flush(self):
        pass

    def txdone(self):
        return True

    def sendbreak(self):
        timeline.advance(13 * 1000000 // self._baud)
