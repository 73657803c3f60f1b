"""BH1750 on I2C: one measurement of high resolution, then off (datasheet BH1750FVI, pages 5, 7 and 11).

With the usual measurement time it ends at 54,612 lx, and the sun gives 120,000: so the shortest time, which ends at
121,557 lx and has steps of 1.9 lx.
"""

from edge.sensors import light
from edge.sensors.fault import SensorFault
from firmware.device import bus

_ON, _ONCE = b"\x01", b"\x20"
_TIME = 31  # register MTreg, 31 to 254; 69 takes at most 180 ms
_MS = 90


class Driver:
    def __init__(self, i2c, address=None):
        self._i2c, self._address = i2c, address or 0x23

    def start(self, ambient):
        for command in (_ON, bytes((0x40 | _TIME >> 5,)), bytes((0x60 | _TIME & 31,)), _ONCE):
            bus.write(self._i2c, self._address, command)
        return _MS

    def read(self, ambient):
        data = bus.read(self._i2c, self._address, 2)
        raw = data[0] << 8 | data[1]
        if raw == 0xFFFF:
            raise SensorFault("range", "more light than it can tell")
        return {"illuminance": light.bh1750_lx(raw, _TIME)}

    def stop(self):
        pass
