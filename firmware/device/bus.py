"""Talking to chips on I2C and UART: every wait has an end, and what goes wrong has a code. MicroPython only."""

import errno
from time import sleep_ms, sleep_us, ticks_diff, ticks_ms

import machine
from micropython import const

from edge.sensors.fault import SensorFault

_FREE_PULSES = const(9)
_NACK = (errno.ENODEV, errno.EIO)


def write(i2c, address, data):
    """Raises SensorFault: "missing" where nobody acknowledges, "bus" where the line does not move."""
    try:
        i2c.writeto(address, data)
    except OSError as error:
        raise _fault(error) from None


def read(i2c, address, n):
    try:
        return i2c.readfrom(address, n)
    except OSError as error:
        raise _fault(error) from None


def read_register(i2c, address, register, n):
    try:
        return i2c.readfrom_mem(address, register, n)
    except OSError as error:
        raise _fault(error) from None


def write_register(i2c, address, register, data):
    try:
        i2c.writeto_mem(address, register, data)
    except OSError as error:
        raise _fault(error) from None


def command(i2c, address, data, wait_ms, n, tries=3):
    """Send, wait, read n bytes; a chip that is not ready does not acknowledge and is asked again."""
    write(i2c, address, data)
    for left in range(tries - 1, -1, -1):
        sleep_ms(wait_ms)
        try:
            return i2c.readfrom(address, n)
        except OSError as error:
            if not left or error.errno not in _NACK:
                raise SensorFault("timeout" if error.errno in _NACK else "bus", repr(error)) from None


def _fault(error):
    return SensorFault("missing" if error.errno in _NACK else "bus", repr(error))


def is_held(sda, scl):
    """Whether a line of an idle I2C bus is low. `sda`, `scl`: pin numbers, whose configuration stays as it is."""
    return not machine.Pin(sda).value() or not machine.Pin(scl).value()


def free(sda, scl):
    """Clock a bus free that a chip holds low in the middle of a byte (I2C specification UM10204, section 3.1.16).

    `sda`, `scl`: pin numbers; they are plain pins then, so the bus has to be made anew. Whether both lines are high.
    """
    data = machine.Pin(sda, machine.Pin.IN, machine.Pin.PULL_UP)
    clock = machine.Pin(scl, machine.Pin.OPEN_DRAIN, value=1)
    for _ in range(_FREE_PULSES):
        if data.value():
            break
        clock.value(0)
        sleep_us(5)
        clock.value(1)
        sleep_us(5)
    return bool(data.value() and clock.value())


def frame(uart, find, limit_ms):
    """The newest whole frame that a stream gives within a time; `find` of edge.sensors. Raises SensorFault.

    Nothing at all is "missing", bytes that never make a frame are "crc".
    """
    begun, kept, heard = ticks_ms(), b"", False
    while True:
        data = _received(uart)
        if data:
            heard = True
            found, kept = find(kept + data)
            if found is not None:
                return found
        if ticks_diff(ticks_ms(), begun) > limit_ms:
            raise SensorFault("crc" if heard else "missing", "no frame in %d ms" % limit_ms)
        sleep_ms(20)


def drain(uart):
    """Forget what was received until now."""
    for _ in range(8):
        if not _received(uart):
            return


def send(uart, data):
    """Raises SensorFault."""
    try:
        uart.write(data)
    except OSError as error:
        raise SensorFault("bus", repr(error)) from None


def speed(uart, baud):
    """Raises SensorFault."""
    try:
        uart.init(baudrate=baud)
    except (OSError, ValueError) as error:
        raise SensorFault("bus", repr(error)) from None


def microvolts(adc, samples):
    """The mean at an ADC. Raises SensorFault."""
    try:
        return sum([adc.read_uv() for _ in range(samples)]) / samples
    except OSError as error:
        raise SensorFault("bus", repr(error)) from None


def _received(uart):
    try:
        return uart.read()
    except OSError as error:
        raise SensorFault("bus", repr(error)) from None
