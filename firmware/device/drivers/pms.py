"""Plantower on UART: woken, read after 30 s of its fan, sent to sleep (PMS5003 manual V2.3, appendices I to III)."""

from edge.sensors import pms
from edge.sensors.fault import SensorFault
from firmware.device import bus

_WAKE, _SLEEP = b"\x42\x4d\xe4\x00\x01\x01\x74", b"\x42\x4d\xe4\x00\x00\x01\x73"
_MS = 30000
_FRAME_MS = 2500  # with a steady concentration it sends only every 2.3 s


class Driver:
    def __init__(self, uart, address=None, model="PMSx003"):
        self._uart, self._model = uart, model
        self._running = False

    def start(self, ambient):
        if self._running:
            return 1000
        bus.speed(self._uart, 9600)
        bus.send(self._uart, _WAKE)
        self._running = True
        return _MS

    def read(self, ambient):
        bus.drain(self._uart)  # frames of the time in which the fan came up
        values = pms.measured(bus.frame(self._uart, pms.find, _FRAME_MS), self._model)
        if values.get("error"):
            raise SensorFault("self_test", "error 0x%02x" % values["error"])
        return {"pm1": values["pm1"], "pm2_5": values["pm2_5"], "pm10": values["pm10"]}

    def stop(self):
        self._running = False
        try:
            bus.send(self._uart, _SLEEP)
        except SensorFault:
            pass
