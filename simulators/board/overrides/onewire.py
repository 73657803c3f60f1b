"""`onewire` of the simulated chip: the class of micropython-lib, over doubles at the level of bytes."""

from simulators.board import buses, timeline


class OneWireError(Exception):
    pass


class OneWire:
    SEARCH_ROM, MATCH_ROM, SKIP_ROM = 0xF0, 0x55, 0xCC

    def __init__(self, pin):
        self._name = "onewire0"
        self._chosen = []

    def _there(self):
        return [one for one in buses.attached.get(self._name, ()) if one.present()]

    def reset(self, required=False):
        timeline.advance(960)
        self._chosen = []
        there = bool(self._there()) and not buses.is_held(self._name)
        if required and not there:
            raise OneWireError
        return there

    def scan(self):
        timeline.advance(14000 * (1 + len(self._there())))
        return [] if buses.is_held(self._name) else [bytearray(one.rom) for one in self._there()]

    def select_rom(self, rom):
        self.reset()
        self._chosen = [one for one in self._there() if bytes(one.rom) == bytes(rom)]

    def writebyte(self, value):
        timeline.advance(560)
        if value == self.SKIP_ROM:
            self._chosen = self._there()
        for one in self._chosen:
            one.command(value)

    def write(self, data):
        for value in data:
            self.writebyte(value)

    def readbyte(self):
        timeline.advance(560)
        if buses.is_held(self._name):
            return 0
        value = 0xFF
        for one in self._chosen:
            value &= one.readbyte()
        return value

    def readinto(self, buffer):
        for i in range(len(buffer)):
            buffer[i] = self.readbyte()

    def crc8(self, data):
        crc = 0
        for byte in data:
            for _ in range(8):
                crc, byte = crc >> 1 ^ (0x8C if (crc ^ byte) & 1 else 0), byte >> 1
        return crc
