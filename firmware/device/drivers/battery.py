"""A cell's voltage at an ADC behind a divider, for boards that do not measure it themselves."""

from edge.sensors import gauge
from edge.sensors.fault import SensorFault
from firmware.device import bus

_SAMPLES = 8
_LOWEST_V = 0.5  # below, nothing is connected


class Driver:
    def __init__(self, adc, address=None, divider=2.0):
        self._adc, self._divider = adc, divider

    def start(self, ambient):
        return 0

    def read(self, ambient):
        volts = gauge.divided_v(bus.microvolts(self._adc, _SAMPLES), self._divider)
        if volts < _LOWEST_V:
            raise SensorFault("missing", "%.2f V" % volts)
        return {"battery": volts}

    def stop(self):
        pass
