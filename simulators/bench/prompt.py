"""What stands between the cable and MicroPython's own prompt, to make the Unix port's that of an ESP32's. Pure.

The rule: what passes is left as it is, but for three things. A start's marks (simulators/board/live.py) and the Unix
port's banner are taken out; after a soft reset in the raw REPL the new interpreter is brought back into it; and
raw-paste is done here, because the Unix port cannot be interrupted in it.
Source: MicroPython documentation, "The raw REPL", "Raw-paste mode".
"""

import re
from struct import pack

READY, PROMPT = b"\x1eR", b"\x1eP"
RAW = b"raw REPL; CTRL-B to exit\r\n>"
FRIENDLY = b">>> "
PASTE = b"\x05A\x01"
WINDOW = 256
CTRL_B, CTRL_D = b"\x02", b"\x04"
_UNIX = re.compile(rb"MicroPython [^\r\n]*; linux[^\r\n]*")


class Prompt:
    """One start of the interpreter. `raw`: whether it is in the raw REPL, or is to go there; `banner`: what it says."""

    def __init__(self, raw: bool, banner: str, keep: bytes | None = None) -> None:
        self.raw = raw
        self.is_ready = False
        self.to_host = bytearray()
        self.to_inside = bytearray()
        self._banner = banner.encode()
        self._keep = keep  # what the host sent meanwhile, where it is not to be lost
        self._awaits = READY
        self._seen = bytearray()  # since the last mark
        self._tail = bytearray()  # the end of what passed, in which RAW may have begun
        self._line = bytearray()  # from the host, while it may become the begin of raw-paste
        self._paste: bytearray | None = None
        self._room = 0

    @property
    def is_prompt(self) -> bool:
        """Whether the files have run and the prompt is the host's."""
        return self.is_ready and self._awaits not in (PROMPT, FRIENDLY, RAW)

    def from_host(self, data: bytes) -> None:
        """Bytes from the cable."""
        if not self.is_ready:
            if self._keep is not None:
                self._keep += data
            return
        if self._paste is not None:
            self._pasted(data)
        elif self.raw and self.is_prompt:
            self._line += data
            if self._line.startswith(PASTE):
                rest = bytes(self._line[len(PASTE) :])
                self._line.clear()
                self._paste, self._room = bytearray(), WINDOW
                self.to_host += b"R\x01" + pack("<H", WINDOW)
                self._pasted(rest)
            elif not PASTE.startswith(self._line):
                if CTRL_B in self._line:
                    self.raw = False
                self.to_inside += self._line
                self._line.clear()
        else:
            self.to_inside += data

    def _pasted(self, data: bytes) -> None:
        assert self._paste is not None
        code, end, rest = data.partition(CTRL_D)
        self._paste += code
        self._room -= len(code)
        while self._room <= 0 and not end:
            self._room += WINDOW
            self.to_host += b"\x01"
        if end:
            self.to_host += CTRL_D
            self.to_inside += self._paste + CTRL_D
            self._paste, self._awaits = None, b"OK"
            if rest:
                self.from_host(rest)

    def from_inside(self, data: bytes) -> None:
        """Bytes from the interpreter."""
        while self._awaits and data:
            self._seen += data
            before, mark, rest = bytes(self._seen).partition(self._awaits)
            if not mark:
                if self._awaits in (READY, PROMPT):  # what a program prints passes; the begin of a mark waits
                    kept = 1 if self._seen.endswith(READY[:1]) else 0
                    self.to_host += self._seen[: len(self._seen) - kept]
                    del self._seen[: len(self._seen) - kept]
                return
            self._seen.clear()
            self._came(before)
            data = rest
        self.to_host += _UNIX.sub(lambda _: self._banner, data)
        self._tail += data
        if RAW in self._tail:
            self.raw = True
        del self._tail[: -len(RAW) + 1]

    def _came(self, before: bytes) -> None:
        """One of the awaited marks; what stood before it."""
        mark, self._awaits = self._awaits, b""
        if mark == READY:
            self.to_host += before
            self.is_ready, self._awaits = True, PROMPT
            self.to_inside += self._keep or b""
        elif mark == PROMPT:
            self.to_host += before
            self._awaits = FRIENDLY
        elif mark == FRIENDLY and self.raw:
            self.to_inside += b"\x01"
            self._awaits = RAW
        elif mark == FRIENDLY:
            self.to_host += self._banner + b'\r\nType "help()" for more information.\r\n' + FRIENDLY
        elif mark == RAW:
            self.to_host += RAW
        else:  # OK, which raw-paste does not say
            self.to_host += before
