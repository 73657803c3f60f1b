"""A tipping bucket: the running total. Counting, also in deep sleep, is firmware/device/pulses.py."""

from edge.sensors import weather
from edge.sensors.fault import SensorFault


class Driver:
    def __init__(self, counter, address=None, mm_per_tip=weather.MM_PER_TIP, debounce_ms=20):
        self._counter, self._mm = counter, mm_per_tip

    def start(self, ambient):
        return 0

    def read(self, ambient):
        try:
            self._counter.store()
        except OSError as error:  # a total that a loss of power could take back is not told
            raise SensorFault("self_test", repr(error)) from None
        return {"precipitation_total": weather.rain_mm(self._counter.total, self._mm)}

    def stop(self):
        pass
