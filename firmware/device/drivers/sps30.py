"""SPS30 on I2C or UART: the fan runs for 30 s before it is read (datasheet SPS30, section 4.1 and figure 3)."""

from time import sleep_ms

from edge.sensors import sps30
from edge.sensors.fault import SensorFault
from edge.sensors.stream import newest
from firmware.device import bus

_ADDRESS = 0x69
_START = b"\x00\x10\x03\x00\xac"  # floats
_STOP, _READY, _READ = b"\x01\x04", b"\x02\x02", b"\x03\x00"
_MS = 30000
_LONGEST = 90  # bytes of a frame in which everything is escaped


def _frame_at(data, at):
    """For edge.sensors.stream: from one 0x7E to the next."""
    if data[at] != sps30.FLAG:
        return 0
    end = data.find(b"\x7e", at + 1)
    if end < 0:
        return -1 if len(data) - at < _LONGEST else 0
    return end + 1 - at if end > at + 5 else 0


class Driver:
    def __init__(self, wire, address=None):
        self._wire, self._address = wire, address or _ADDRESS
        self._is_uart = hasattr(wire, "any")
        if self._is_uart:
            wire.init(baudrate=115200)
        self._running = False

    def _ask(self, command, data=b""):
        bus.drain(self._wire)
        self._wire.write(sps30.frame(command, data))
        return bus.frame(self._wire, lambda stream: newest(stream, _frame_at), 300)

    def start(self, ambient):
        if self._running:
            return 1000
        if self._is_uart:
            sps30.unframe(self._ask(0x00, b"\x01\x03"))
        else:
            bus.write(self._wire, self._address, _START)
        self._running = True
        return _MS

    def read(self, ambient):
        if self._is_uart:
            values = sps30.from_uart(self._ask(0x03))
        else:
            for _ in range(15):
                if bus.command(self._wire, self._address, _READY, 2, 3)[1] & 1:
                    break
                sleep_ms(100)
            else:
                raise SensorFault("timeout", "no measurement")
            values = sps30.from_i2c(bus.command(self._wire, self._address, _READ, 5, 60))
        return {"pm1": values["pm1"], "pm2_5": values["pm2_5"], "pm10": values["pm10"]}

    def stop(self):
        self._running = False
        try:
            if self._is_uart:
                self._wire.write(sps30.frame(0x01))
            else:
                bus.write(self._wire, self._address, _STOP)
        except (SensorFault, OSError):
            pass
