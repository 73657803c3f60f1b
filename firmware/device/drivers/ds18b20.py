"""DS18B20: one of several on a wire by its ROM, or the only one (datasheet 19-7487). MicroPython only.

85 °C exactly is what the register holds after power-on: a chip whose supply breaks down while it converts has it again.
It is a fault and no value; outdoors nothing is lost by that.
"""

from binascii import hexlify, unhexlify

from edge.sensors import ds18b20
from edge.sensors.fault import SensorFault

_CONVERT, _READ = 0x44, 0xBE
_MS = 760


class Driver:
    def __init__(self, wire, address=None, rom=None):
        self._wire = wire
        self._rom = unhexlify(rom) if rom else None

    def _address(self):
        if not self._wire.reset():
            raise SensorFault("missing", "nobody on the wire")
        if self._rom is None:
            found = [bytes(rom) for rom in self._wire.scan() if rom[0] == 0x28]
            if len(found) != 1:
                names = ", ".join([hexlify(rom).decode() for rom in found])
                raise SensorFault("config" if found else "missing", "%d on the wire: %s" % (len(found), names))
            self._rom = found[0]
        self._wire.select_rom(self._rom)

    def start(self, ambient):
        self._address()
        self._wire.writebyte(_CONVERT)
        return _MS

    def read(self, ambient):
        pad = self._scratchpad()
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
