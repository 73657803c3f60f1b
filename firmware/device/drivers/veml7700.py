"""VEML7700 on I2C: coarse first, finer while it is dark (application note 84323, flow chart on page 21)."""

from time import sleep_ms

from edge.sensors import light
from edge.sensors.fault import SensorFault
from firmware.device import bus

_ADDRESS, _CONF, _ALS, _ID = 0x10, 0x00, 0x04, 0x07
# (bits of gain and integration time, gain, ms) from the coarsest on
_STEPS = ((2 << 11 | 0 << 6, 0.125, 100), (3 << 11 | 0 << 6, 0.25, 100), (0 << 11 | 0 << 6, 1, 100),
          (1 << 11 | 0 << 6, 2, 100), (1 << 11 | 2 << 6, 2, 400))  # fmt: skip
_ENOUGH = 100  # counts
_OFF = 1


class Driver:
    def __init__(self, i2c, address=None):
        self._i2c, self._address = i2c, address or _ADDRESS

    def _configure(self, bits):
        bus.write_register(self._i2c, self._address, _CONF, bytes((bits & 255, bits >> 8)))

    def start(self, ambient):
        if bus.read_register(self._i2c, self._address, _ID, 1)[0] != 0x81:
            raise SensorFault("self_test", "no VEML7700")
        self._configure(_STEPS[0][0])
        return _STEPS[0][2] * 5 // 4

    def read(self, ambient):
        for n, (bits, gain, ms) in enumerate(_STEPS):
            if n:
                self._configure(bits)
                sleep_ms(ms + ms // 4)
            data = bus.read_register(self._i2c, self._address, _ALS, 2)
            raw = data[0] | data[1] << 8
            if raw == 0xFFFF:
                raise SensorFault("range", "more light than it can tell")
            if raw >= _ENOUGH or n == len(_STEPS) - 1:
                return {"illuminance": light.veml7700_lx(raw, gain, ms)}

    def stop(self):
        try:
            self._configure(_OFF)
        except SensorFault:
            pass
