"""DS18B20: one of several on a wire by its ROM, or the only one (datasheet 19-7487). MicroPython only.

85 °C exactly is what the register holds after power-on: a chip whose supply breaks down while it converts has it again.
It is a fault and no value; outdoors nothing is lost by that.
"""

from binascii import hexlify, unhexlify

from edge.sensors import ds18b20
from edge.sensors.crc import dallas
from edge.sensors.fault import SensorFault

_CONVERT, _READ = 0x44, 0xBE
_FAMILY = 0x28
_MS = 760


def _checked(rom):
    """The eight bytes of a ROM. Raises ValueError."""
    rom = unhexlify(rom)
    if len(rom) != 8 or rom[0] != _FAMILY or dallas(rom[:7]) != rom[7]:
        raise ValueError("no ROM of a DS18B20: %s" % hexlify(rom).decode())
    return rom


class Driver:
    def __init__(self, wire, address=None, rom=None):
        self._wire = wire
        self._named = _checked(rom) if rom else None
        self._rom = None

    def _find(self):
        """The ROM to talk to: the one that is named, or the only one there."""
        if self._named:
            return self._named
        roms = [bytes(rom) for rom in self._wire.scan()]
        if any(dallas(rom[:7]) != rom[7] or not any(rom) for rom in roms):
            raise SensorFault("bus", "a ROM whose check sum is wrong")
        found = [rom for rom in roms if rom[0] == _FAMILY]
        if len(found) != 1:
            names = ", ".join([hexlify(rom).decode() for rom in found])
            raise SensorFault("config" if found else "missing", "%d on the wire: %s" % (len(found), names))
        return found[0]

    def _address(self):
        if not self._wire.reset():
            raise SensorFault("missing", "nobody on the wire")
        self._wire.select_rom(self._rom)

    def start(self, ambient):
        try:
            if not self._wire.reset():
                raise SensorFault("missing", "nobody on the wire")
            self._rom = self._find()
            self._address()
            self._wire.writebyte(_CONVERT)
        except OSError as error:
            raise SensorFault("bus", repr(error)) from None
        return _MS

    def read(self, ambient):
        try:
            pad = self._scratchpad()
        except OSError as error:
            raise SensorFault("bus", repr(error)) from None
        value = ds18b20.celsius(pad)
        if ds18b20.is_power_on(pad):
            raise SensorFault("self_test", "85 °C: it has not converted")
        return {"air_temperature": value}

    def _scratchpad(self):
        self._address()
        self._wire.writebyte(_READ)
        pad = bytearray(9)
        self._wire.readinto(pad)
        return bytes(pad)

    def stop(self):
        pass
