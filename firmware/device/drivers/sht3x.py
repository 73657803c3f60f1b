"""SHT3x on I2C: one measurement, high repeatability, no clock stretching (datasheet SHT3x-DIS, section 4.3)."""

from edge.sensors import sht
from firmware.device.drivers import sht4x


class Driver(sht4x.Driver):
    measure, ms = b"\x24\x00", 16
    values = staticmethod(sht.sht3x)
