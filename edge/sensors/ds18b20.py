"""DS18B20: the scratchpad of nine bytes (datasheet 19-7487, table 1, figures 8 and 9)."""

from edge.sensors.crc import dallas
from edge.sensors.fault import SensorFault

POWER_ON = 0x0550  # 85 °C: nothing has been converted since it got power


def celsius(scratchpad):
    """°C. Raises SensorFault: check sum, nobody there (all ones), a bus held low (all zeros)."""
    if len(scratchpad) != 9:
        raise SensorFault("crc", "%d of 9 bytes" % len(scratchpad))
    if all(byte == 0xFF for byte in scratchpad):
        raise SensorFault("missing", "nobody answers")
    if not any(scratchpad):
        raise SensorFault("bus", "the line is held low")
    if dallas(scratchpad[:8]) != scratchpad[8]:
        raise SensorFault("crc", "check sum")
    resolution = scratchpad[4] >> 5 & 3  # 0: 9 bits … 3: 12 bits; what lies below is undefined
    return register_celsius((scratchpad[1] << 8 | scratchpad[0]) & ~((1 << (3 - resolution)) - 1))


def register_celsius(register):
    """°C of the 16-bit register, sixteenths of a degree in two's complement."""
    return (register - 65536 if register & 0x8000 else register) / 16


def is_power_on(scratchpad):
    """Whether the register holds what it has after power-on; 85 °C outdoors is not believed without a conversion."""
    return scratchpad[1] << 8 | scratchpad[0] == POWER_ON
