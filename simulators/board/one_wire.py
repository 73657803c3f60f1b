"""The 1-Wire bus of the simulated chip, at the level of bytes, with the methods of MicroPython's `onewire`.

A part has `reset()`, `written(byte)`, `read() -> byte or None`. A line that is held low looks like a presence pulse and
reads zeros, whose CRC is right: as on the real one. MicroPython only.
"""

from simulators.board import timeline
from simulators.board.buses import attached, is_held
from simulators.board.part import garbage

_RESET_US, _SLOT_US = 960, 65


class OneWireError(Exception):
    pass


class OneWire:
    SEARCH_ROM, MATCH_ROM, SKIP_ROM = 0xF0, 0x55, 0xCC

    def __init__(self, pin):
        self.pin = pin
        self._bus = "pin%d" % pin.number
        if not attached(self._bus):
            self._bus = "onewire0"
        self._chosen = []

    def _parts(self):
        return [(rom, part) for rom, part in attached(self._bus) if not part.is_away()]

    def _held(self):
        return is_held(self._bus)

    def reset(self, required=False):
        timeline.advance(_RESET_US)
        self._chosen = []
        self._command = None
        for _, part in self._parts():
            part.reset()
        present = bool(self._parts()) or self._held()
        if required and not present:
            raise OneWireError
        return present

    def writebyte(self, value):
        timeline.advance(8 * _SLOT_US)
        if self._held():
            return
        if isinstance(self._command, bytearray):  # the ROM of MATCH ROM
            self._command.append(value)
            if len(self._command) == 8:
                self._chosen = [part for rom, part in self._parts() if rom == bytes(self._command)]
                self._command = 0
        elif self._command is None:
            self._command = bytearray() if value == self.MATCH_ROM else 0
            if value == self.SKIP_ROM:
                self._chosen = [part for _, part in self._parts()]
        else:
            for part in self._chosen:
                part.written(value)

    def write(self, buf):
        for byte in buf:
            self.writebyte(byte)

    def writebit(self, value):
        timeline.advance(_SLOT_US)

    def readbit(self):
        return self._read(1) & 1

    def readbyte(self):
        return self._read(8)

    def _read(self, bits):
        timeline.advance(bits * _SLOT_US)
        if self._held():
            return 0
        byte = 0xFF
        for part in self._chosen:
            if part.has("garbage"):
                byte &= garbage(1)[0]
            else:
                byte &= part.read_bit() if bits == 1 else part.read()
        return byte

    def readinto(self, buf):
        for i in range(len(buf)):
            buf[i] = self.readbyte()

    def select_rom(self, rom):
        self.reset()
        self.writebyte(self.MATCH_ROM)
        self.write(rom)

    def scan(self):
        """The ROMs of all that are there; each takes a search of 64 times three slots."""
        if not self.reset():
            return []
        if self._held():
            timeline.advance(64 * 3 * _SLOT_US)
            return [bytearray(b"\xff" * 8)]  # two zeros say that both bits are there: ones are tried first
        found = []
        for rom, part in self._parts():
            timeline.advance(64 * 3 * _SLOT_US + _RESET_US)
            found.append(bytearray(garbage(8) if part.has("garbage") else rom))
        return found

    def crc8(self, data):
        """Dallas/Maxim: x^8 + x^5 + x^4 + 1, least significant bit first (application note 27)."""
        crc = 0
        for byte in data:
            for _ in range(8):
                mix = (crc ^ byte) & 1
                crc = crc >> 1 ^ (0x8C if mix else 0)
                byte >>= 1
        return crc
