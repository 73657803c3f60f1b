"""SDS011 on UART: woken, read after 30 s of its fan, sent to sleep (protocol V1.3; its laser lives for 8,000 hours)."""

from edge.sensors import sds
from edge.sensors.fault import SensorFault
from firmware.device import bus

_MS = 30000
_FRAME_MS = 2500  # it sends once a second


class Driver:
    def __init__(self, uart, address=None):
        self._uart = uart
        self._running = False

    def start(self, ambient):
        if self._running:
            return 1000
        bus.speed(self._uart, 9600)
        for kind, value in ((sds.SLEEP, 1), (sds.MODE, 0), (sds.PERIOD, 0)):  # awake, sends by itself, every second
            bus.send(self._uart, sds.setting(kind, value))
        self._running = True
        return _MS

    def read(self, ambient):
        bus.drain(self._uart)  # frames of the time in which the fan came up
        values = sds.measured(bus.frame(self._uart, sds.find_measurement, _FRAME_MS))
        return {"pm2_5": values["pm2_5"], "pm10": values["pm10"]}

    def stop(self):
        self._running = False
        try:
            bus.send(self._uart, sds.setting(sds.SLEEP, 0))
        except SensorFault:
            pass
