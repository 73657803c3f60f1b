"""SHT4x and SHT3x (Sensirion): six bytes, two words with their CRCs."""

from edge.sensors.crc import words


def sht4x(data):
    """(°C, %) of an answer (datasheet SHT4x, section 4.6). Raises SensorFault."""
    t, h = words(data, 2)
    return -45 + 175 * t / 65535, min(100.0, max(0.0, -6 + 125 * h / 65535))


def sht3x(data):
    """(°C, %) of an answer (datasheet SHT3x-DIS, section 4.13). Raises SensorFault."""
    t, h = words(data, 2)
    return -45 + 175 * t / 65535, 100 * h / 65535
