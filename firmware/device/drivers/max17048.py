"""MAX17048 on I2C: the cell's voltage (datasheet 19-6171)."""

from edge.sensors import gauge
from edge.sensors.fault import SensorFault
from firmware.device import bus

_ADDRESS, _VCELL, _VERSION = 0x36, 0x02, 0x08


class Driver:
    def __init__(self, i2c, address=None):
        self._i2c, self._address = i2c, address or _ADDRESS

    def start(self, ambient):
        version = bus.read_register(self._i2c, self._address, _VERSION, 2)
        if version[0] or version[1] & 0xF0 != 0x10:
            raise SensorFault("self_test", "version 0x%02x%02x" % (version[0], version[1]))
        return 0

    def read(self, ambient):
        data = bus.read_register(self._i2c, self._address, _VCELL, 2)
        volts = gauge.max17048_v(data[0] << 8 | data[1])
        if not 1 <= volts <= 5.12:
            raise SensorFault("range", "%.2f V" % volts)
        return {"battery": volts}

    def stop(self):
        pass
