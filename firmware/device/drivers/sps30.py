"""SPS30 on I2C or UART: the fan runs for 30 s before it is read, then it sleeps (datasheet, sections 4.2 to 6)."""

from time import sleep_ms

from edge.sensors import sps30
from edge.sensors.crc import words
from edge.sensors.fault import SensorFault
from edge.sensors.stream import newest
from firmware.device import bus

_ADDRESS = 0x69
_START = b"\x00\x10\x03\x00\xac"  # floats
_STOP, _READY, _READ, _SLEEP, _WAKE = b"\x01\x04", b"\x02\x02", b"\x03\x00", b"\x10\x01", b"\x11\x03"
_UART_START, _UART_STOP, _UART_READ, _UART_SLEEP, _UART_WAKE = 0x00, 0x01, 0x03, 0x10, 0x11
_BAUD = 115200
_MS = 30000
_AGAIN_MS = 1100  # it measures once a second
_TRIES = 15
_STOP_MS, _WAKE_MS = 25, 6
_LONGEST = 90  # bytes of a frame in which everything is escaped


def _frame_at(data, at):
    """For edge.sensors.stream: from one 0x7E to the next."""
    if data[at] != sps30.FLAG:
        return 0
    end = data.find(b"\x7e", at + 1)
    if end < 0:
        return -1 if len(data) - at < _LONGEST else 0
    return end + 1 - at if end > at + 5 else 0


def _find(stream):
    return newest(stream, _frame_at)


class Driver:
    def __init__(self, wire, address=None):
        self._wire, self._address = wire, address or _ADDRESS
        self._is_uart = hasattr(wire, "any")
        self._running = False

    def _ask(self, command, data=b""):
        bus.drain(self._wire)
        bus.send(self._wire, sps30.frame(command, data))
        return bus.frame(self._wire, _find, 300)

    def _try(self, what, *arguments):
        """A command that is refused where the sensor is in that state already, or too old to know it."""
        try:
            what(*arguments)
        except SensorFault as fault:
            return fault

    def start(self, ambient):
        if self._running:
            return _AGAIN_MS
        if self._is_uart:
            bus.speed(self._wire, _BAUD)
            bus.send(self._wire, b"\xff")  # its interface wakes at a low level, its measuring part at the command
            self._try(self._ask, _UART_WAKE)
            self._try(self._ask, _UART_STOP)  # it may still run from before a reset, and then refuses to start
            sps30.unframe(self._ask(_UART_START, b"\x01\x03"))
        else:
            for _ in range(2):  # the first one wakes the interface and is not acknowledged
                fault = self._try(bus.write, self._wire, self._address, _WAKE)
                if fault and fault.code == "bus":
                    raise fault
            sleep_ms(_WAKE_MS)
            self._try(bus.write, self._wire, self._address, _STOP)  # as above
            sleep_ms(_STOP_MS)
            bus.write(self._wire, self._address, _START)
        self._running = True
        return _MS

    def read(self, ambient):
        values = self._read_uart() if self._is_uart else self._read_i2c()
        return {"pm1": values["pm1"], "pm2_5": values["pm2_5"], "pm10": values["pm10"]}

    def _read_uart(self):
        for left in range(_TRIES - 1, -1, -1):
            try:
                return sps30.from_uart(self._ask(_UART_READ))
            except SensorFault as fault:
                if fault.code != "timeout" or not left:
                    raise
            sleep_ms(100)

    def _read_i2c(self):
        for _ in range(_TRIES):
            if words(bus.command(self._wire, self._address, _READY, 2, 3), 1)[0] & 1:
                break
            sleep_ms(100)
        else:
            raise SensorFault("timeout", "no measurement")
        return sps30.from_i2c(bus.command(self._wire, self._address, _READ, 5, 60))

    def stop(self):
        self._running = False
        if self._is_uart:
            self._try(self._ask, _UART_STOP)
            self._try(self._ask, _UART_SLEEP)
        else:
            self._try(bus.write, self._wire, self._address, _STOP)
            sleep_ms(_STOP_MS)
            self._try(bus.write, self._wire, self._address, _SLEEP)
            sleep_ms(_WAKE_MS)
