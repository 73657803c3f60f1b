"""SCD40 and SCD41 on I2C (datasheet SCD4x, section 3): a single shot where the part has it, else periodic.

An SCD40 has no single shot: it measures periodically for one measurement and is stopped. Pressure is handed over where
the station measures it, else the altitude. Settings are handed over each time, for they are gone when the sensors'
supply was off. Self-calibration needs fresh air once a week, which a street has.
"""

from struct import pack
from time import sleep_ms

from edge.sensors import scd
from edge.sensors.crc import sensirion
from edge.sensors.fault import SensorFault
from firmware.device import bus

_ADDRESS = 0x62
_SINGLE, _PERIODIC, _STOP, _READY, _READ = b"\x21\x9d", b"\x21\xb1", b"\x3f\x86", b"\xe4\xb8", b"\xec\x05"
_PRESSURE, _SELF_CALIBRATION, _ALTITUDE = b"\xe0\x00", b"\x24\x16", b"\x24\x27"
_MS = 5050
_POWER_UP_MS, _STOP_MS = 30, 500


class Driver:
    def __init__(self, i2c, address=None, self_calibration=True, altitude_m=0, single_shot=True):
        self._i2c, self._address = i2c, address or _ADDRESS
        self._self_calibration, self._altitude_m, self._single = self_calibration, altitude_m, single_shot

    def _word(self, command, word):
        data = pack(">H", word)
        bus.write(self._i2c, self._address, command + data + bytes((sensirion(data),)))
        sleep_ms(2)

    def _configure(self):
        self._word(_SELF_CALIBRATION, 1 if self._self_calibration else 0)
        self._word(_ALTITUDE, int(self._altitude_m))

    def start(self, ambient):
        try:
            self._configure()
        except SensorFault as fault:
            if fault.code != "missing":
                raise
            sleep_ms(_POWER_UP_MS)  # it is not awake yet, or still measuring from before a reset, or just stopping
            self.halt()
            sleep_ms(_STOP_MS)
            self._configure()
        pressure = ambient.get("air_pressure")
        if pressure is not None and 700 <= pressure <= 1200:
            self._word(_PRESSURE, int(pressure + 0.5))
        bus.write(self._i2c, self._address, _SINGLE if self._single else _PERIODIC)
        return _MS

    def read(self, ambient):
        for _ in range(10):
            if scd.scd4x_ready(bus.command(self._i2c, self._address, _READY, 2, 3)):
                break
            sleep_ms(100)
        else:
            raise SensorFault("timeout", "no measurement")
        co2, t, h = scd.scd4x(bus.command(self._i2c, self._address, _READ, 2, 9))
        if co2 == 0:
            raise SensorFault("self_test", "0 ppm")
        return {"co2": co2, "air_temperature": t, "relative_humidity": h}

    def stop(self):
        if not self._single:
            self.halt()

    def halt(self):
        try:
            bus.write(self._i2c, self._address, _STOP)
        except SensorFault:
            pass
