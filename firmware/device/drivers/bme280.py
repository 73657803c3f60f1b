"""BME280 on I2C: forced mode, oversampled once, no filter: the maker's setting for weather (section 3.5.1)."""

from time import sleep_ms

from edge.sensors import bme280
from edge.sensors.fault import SensorFault
from firmware.device import bus

_ID, _CTRL_HUM, _STATUS, _CTRL_MEAS, _DATA = 0xD0, 0xF2, 0xF3, 0xF4, 0xF7
_CHIP_ID = 0x60
_MS = 15
_FORCED = b"\x25"  # temperature x1, pressure x1, forced


class Driver:
    def __init__(self, i2c, address=None):
        self._i2c, self._address = i2c, address or 0x76
        self._calibration = None

    def start(self, ambient):
        chip = bus.read_register(self._i2c, self._address, _ID, 1)[0]
        if chip != _CHIP_ID:
            raise SensorFault("self_test", "chip 0x%02x is no BME280" % chip)
        if self._calibration is None:
            low = bus.read_register(self._i2c, self._address, 0x88, 26)
            self._calibration = bme280.calibration(low, bus.read_register(self._i2c, self._address, 0xE1, 7))
        bus.write_register(self._i2c, self._address, _CTRL_HUM, b"\x01")
        bus.write_register(self._i2c, self._address, _CTRL_MEAS, _FORCED)
        return _MS

    def read(self, ambient):
        for _ in range(5):
            if not bus.read_register(self._i2c, self._address, _STATUS, 1)[0] & 8:
                break
            sleep_ms(5)
        else:
            raise SensorFault("timeout", "still measuring")
        data = bus.read_register(self._i2c, self._address, _DATA, 8)
        t, p, h, _ = bme280.compensate(self._calibration, *bme280.raw(data))
        if not -40 <= t <= 85 or not 30000 <= p <= 110000:  # what it can measure (tables 1 and 2)
            raise SensorFault("range", "%.1f °C, %.0f Pa" % (t, p))
        return {"air_temperature": t, "relative_humidity": h, "air_pressure": p / 100}

    def stop(self):
        pass  # it sleeps by itself
