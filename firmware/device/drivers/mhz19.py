"""MH-Z19B and C on UART: asked once it has warmed up (manual MH-Z19B V1.0). Meant for a supply that stays on."""

from edge.sensors import mhz19
from edge.sensors.fault import SensorFault
from firmware.device import bus

_MS = 60000
_FRAME_MS = 500
_TRIES = 2


class Driver:
    def __init__(self, uart, address=None, self_calibration=True):
        self._uart, self._self_calibration = uart, self_calibration
        self._running = False

    def start(self, ambient):
        if self._running:
            return 1000
        bus.speed(self._uart, 9600)
        bus.send(self._uart, mhz19.request(mhz19.SELF_CALIBRATION, 0xA0 if self._self_calibration else 0))
        self._running = True
        return _MS

    def read(self, ambient):
        for left in range(_TRIES - 1, -1, -1):
            bus.drain(self._uart)
            bus.send(self._uart, mhz19.READ)
            try:
                ppm = mhz19.co2_ppm(bus.frame(self._uart, mhz19.find, _FRAME_MS))
                break
            except SensorFault:
                if not left:
                    raise
        if not 0 < ppm <= 10000:
            raise SensorFault("range", "%d ppm" % ppm)
        return {"co2": ppm}

    def stop(self):
        self._running = False  # it cannot be switched off by a command; its supply may be
