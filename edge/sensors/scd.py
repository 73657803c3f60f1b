"""SCD4x and SCD30 (Sensirion): CO2, temperature, humidity, each word with its CRC."""

from edge.sensors.crc import float_of, words
from edge.sensors.fault import SensorFault


def scd4x(data):
    """(ppm, °C, %) of read_measurement (datasheet SCD4x, section 3.5.2). Raises SensorFault."""
    co2, t, h = words(data, 3)
    return co2, -45 + 175 * t / 65535, 100 * h / 65535


def scd4x_ready(data):
    """Whether get_data_ready_status says so: one of the lowest 11 bits is set."""
    return bool(words(data, 1)[0] & 0x07FF)


def scd4x_recalibration(data):
    """ppm by which perform_forced_recalibration has corrected. Raises SensorFault where it failed (0xFFFF)."""
    word = words(data, 1)[0]
    if word == 0xFFFF:
        raise SensorFault("self_test", "the recalibration failed")
    return word - 0x8000


def scd30(data):
    """(ppm, °C, %) of read measurement (interface description SCD30, section 1.4.5). Raises SensorFault."""
    w = words(data, 6)
    values = [float_of(w[i], w[i + 1]) for i in (0, 2, 4)]
    if any(value != value for value in values):
        raise SensorFault("self_test", "not a number")
    return tuple(values)
