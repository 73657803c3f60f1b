"""BME680 on I2C: forced mode with the gas heater off (datasheet BST-BME680-DS001, sections 3.2 and 5.3).

With its heater on the chip warms itself and its air; what it would tell is no quantity of ours.
"""

from time import sleep_ms

from edge.sensors import bme680
from edge.sensors.fault import SensorFault
from firmware.device import bus

_ID, _CTRL_GAS, _CTRL_HUM, _CTRL_MEAS, _STATUS = 0xD0, 0x70, 0x72, 0x74, 0x1D
_DATA = 0x1F
_CHIP_ID = 0x61
_HEATER_OFF = b"\x08\x00"  # ctrl_gas_0, and no gas conversion in ctrl_gas_1 behind it
_FORCED = b"\x25"  # temperature x1, pressure x1, forced
_MS = 15
_NEW = 0x80


class Driver:
    def __init__(self, i2c, address=None):
        self._i2c, self._address = i2c, address or 0x76
        self._calibration = None

    def start(self, ambient):
        chip = self._read(_ID, 1)[0]
        if chip != _CHIP_ID:
            raise SensorFault("self_test", "chip 0x%02x is no BME680" % chip)
        if self._calibration is None:
            self._calibration = bme680.calibration(self._read(0x8A, 23), self._read(0xE1, 10))
        # Each register is written with its own address: this chip does not count on by itself when written.
        for i in range(len(_HEATER_OFF)):
            self._write(_CTRL_GAS + i, _HEATER_OFF[i : i + 1])
        self._write(_CTRL_HUM, b"\x01")
        self._write(_CTRL_MEAS, _FORCED)
        return _MS

    def read(self, ambient):
        for _ in range(5):
            if self._read(_STATUS, 1)[0] & _NEW:
                break
            sleep_ms(5)
        else:
            raise SensorFault("timeout", "still measuring")
        t, p, h = bme680.compensate(self._calibration, *bme680.raw(self._read(_DATA, 8)))
        if not -40 <= t <= 85 or not 30000 <= p <= 110000:  # what it can measure (tables 4 and 5)
            raise SensorFault("range", "%.1f °C, %.0f Pa" % (t, p))
        return {"air_temperature": t, "relative_humidity": h, "air_pressure": p / 100}

    def stop(self):
        pass  # it sleeps by itself

    def _read(self, register, n):
        return bus.read_register(self._i2c, self._address, register, n)

    def _write(self, register, data):
        bus.write_register(self._i2c, self._address, register, data)
