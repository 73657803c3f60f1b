"""A wind vane at an ADC: eight reeds and resistors, or a potentiometer."""

from edge.sensors import weather
from edge.sensors.fault import SensorFault
from firmware.device import bus

_SAMPLES = 5


class Driver:
    def __init__(self, adc, address=None, north_deg=0.0, supply_mv=3000, pull_up_ohm=10000, linear=False):
        self._adc, self._north, self._supply_uv = adc, north_deg, supply_mv * 1000
        self._pull_up, self._linear = pull_up_ohm, linear

    def start(self, ambient):
        return 0

    def read(self, ambient):
        seen = []
        for _ in range(_SAMPLES):
            ratio = bus.microvolts(self._adc, 1) / self._supply_uv
            seen.append(weather.vane_deg(ratio, self._pull_up, self._north, self._linear))
        seen = [direction for direction in seen if direction is not None]
        mean = weather.mean_deg(seen) if seen else None
        if mean is None:
            raise SensorFault("missing", "no vane at the ADC")
        return {"wind_direction": mean}

    def stop(self):
        pass
