"""A cell's voltage at an ADC behind a divider, for boards that do not measure it themselves."""

from edge.sensors import gauge

_SAMPLES = 8


class Driver:
    def __init__(self, adc, address=None, divider=2.0):
        self._adc, self._divider = adc, divider

    def start(self, ambient):
        return 0

    def read(self, ambient):
        uv = sum([self._adc.read_uv() for _ in range(_SAMPLES)]) / _SAMPLES
        return {"battery": gauge.divided_v(uv, self._divider)}

    def stop(self):
        pass
