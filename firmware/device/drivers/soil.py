"""An analogue soil moisture probe between two points of calibration, which belong to the probe and its soil."""

from edge.sensors import weather
from edge.sensors.fault import SensorFault
from firmware.device import bus

_SAMPLES = 8
_SETTLE_MS = 100


class Driver:
    def __init__(self, adc, address=None, dry_mv=2500, wet_mv=1000, dry_percent=0.0, wet_percent=100.0):
        self._adc = adc
        self._points = (dry_mv, wet_mv, dry_percent, wet_percent)
        weather.soil_percent(dry_mv, *self._points)  # a ValueError here is a fault of the configuration

    def start(self, ambient):
        return _SETTLE_MS

    def read(self, ambient):
        mv = bus.microvolts(self._adc, _SAMPLES) / 1000
        percent = weather.soil_percent(mv, *self._points)
        if percent is None:
            raise SensorFault("missing", "%d mV" % mv)
        return {"soil_moisture": percent}

    def stop(self):
        pass
