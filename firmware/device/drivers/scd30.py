"""SCD30 on I2C: measures every 2 s from start to stop (interface description SCD30, section 1.4).

Self-calibration is kept in the chip's own flash, so it is written only where it differs. It needs a supply that stays
on.
"""

from struct import pack
from time import sleep_ms

from edge.sensors import scd
from edge.sensors.crc import sensirion, words
from edge.sensors.fault import SensorFault
from firmware.device import bus

_ADDRESS = 0x61
_START, _STOP, _READY, _READ = b"\x00\x10", b"\x01\x04", b"\x02\x02", b"\x03\x00"
_SELF_CALIBRATION = b"\x53\x06"
_WAIT_MS = 4  # between a command and its answer
_MS = 2500
_TRIES = 25


class Driver:
    def __init__(self, i2c, address=None, self_calibration=True):
        self._i2c, self._address = i2c, address or _ADDRESS
        self._self_calibration = 1 if self_calibration else 0

    def _ask(self, command, n):
        return bus.command(self._i2c, self._address, command, _WAIT_MS, n)

    def _word(self, command, word):
        data = pack(">H", word)
        bus.write(self._i2c, self._address, command + data + bytes((sensirion(data),)))
        sleep_ms(_WAIT_MS)

    def start(self, ambient):
        if words(self._ask(_SELF_CALIBRATION, 3), 1)[0] != self._self_calibration:
            self._word(_SELF_CALIBRATION, self._self_calibration)
        pressure = ambient.get("air_pressure", 0)
        self._word(_START, int(pressure + 0.5) if 700 <= pressure <= 1400 else 0)  # 0: it reckons with 1013.25 hPa
        return _MS

    def read(self, ambient):
        for _ in range(_TRIES):
            if words(self._ask(_READY, 3), 1)[0] == 1:
                break
            sleep_ms(100)
        else:
            raise SensorFault("timeout", "no measurement")
        co2, t, h = scd.scd30(self._ask(_READ, 18))
        if not 0 < co2 <= 40000 or not -40 <= t <= 125:  # 0 ppm: nothing has been measured yet
            raise SensorFault("range", "%.0f ppm, %.1f °C" % (co2, t))
        return {"co2": co2, "air_temperature": t, "relative_humidity": min(100.0, max(0.0, h))}

    def stop(self):
        try:
            bus.write(self._i2c, self._address, _STOP)
        except SensorFault:
            pass
