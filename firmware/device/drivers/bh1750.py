"""BH1750 on I2C: one measurement of high resolution, then off (datasheet BH1750FVI, pages 4 and 5)."""

from edge.sensors import light
from edge.sensors.fault import SensorFault
from firmware.device import bus

_ONCE, _MS = b"\x20", 185


class Driver:
    def __init__(self, i2c, address=None):
        self._i2c, self._address = i2c, address or 0x23

    def start(self, ambient):
        bus.write(self._i2c, self._address, _ONCE)
        return _MS

    def read(self, ambient):
        data = bus.read(self._i2c, self._address, 2)
        raw = data[0] << 8 | data[1]
        if raw == 0xFFFF:
            raise SensorFault("range", "more light than it can tell")
        return {"illuminance": light.bh1750_lx(raw)}

    def stop(self):
        pass
