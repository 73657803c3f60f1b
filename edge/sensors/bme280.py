"""BME280: calibration, raw counts, and Bosch's compensation (datasheet BST-BME280-DS002, sections 4.2.2 and 8.1).

The floating-point formulas: on an ESP32, whose floats have 24 bits, they are within 0.01 °C, 0.02 hPa and 0.01 %.
"""

from struct import unpack

from edge.sensors.fault import SensorFault

SKIPPED_20, SKIPPED_16 = 0x80000, 0x8000  # what the registers hold when a measurement did not take place
NAMES = ("T1", "T2", "T3", "P1", "P2", "P3", "P4", "P5", "P6", "P7", "P8", "P9", "H1", "H2", "H3", "H4", "H5", "H6")


def calibration(low, high):
    """{name: coefficient} of registers 0x88 to 0xA1 (26 bytes) and 0xE1 to 0xE7 (7 bytes). Raises SensorFault."""
    if len(low) != 26 or len(high) != 7:
        raise SensorFault("bus", "calibration is incomplete")
    if low[0] | low[1] << 8 in (0, 0xFFFF):
        raise SensorFault("self_test", "no calibration")
    values = list(unpack("<HhhHhhhhhhhh", bytes(low[:24])))
    h2, h3 = unpack("<hB", bytes(high[:3]))
    h4 = _signed12(high[3] << 4 | high[4] & 0x0F)
    h5 = _signed12(high[5] << 4 | high[4] >> 4)
    values += [low[25], h2, h3, h4, h5, high[6] - 256 if high[6] > 127 else high[6]]
    return {NAMES[i]: values[i] for i in range(len(NAMES))}


def _signed12(n):
    return n - 4096 if n & 0x800 else n


def raw(data):
    """(adc_t, adc_p, adc_h) of registers 0xF7 to 0xFE (8 bytes)."""
    adc_p = data[0] << 12 | data[1] << 4 | data[2] >> 4
    adc_t = data[3] << 12 | data[4] << 4 | data[5] >> 4
    return adc_t, adc_p, data[6] << 8 | data[7]


def compensate(c, adc_t, adc_p, adc_h):
    """(°C, Pa, %, t_fine). Raises SensorFault where a measurement was skipped."""
    if adc_t == SKIPPED_20 or adc_p == SKIPPED_20 or adc_h == SKIPPED_16:
        raise SensorFault("self_test", "a measurement was skipped")
    fine = temperature_fine(c, adc_t)
    return fine / 5120, pressure_pa(c, adc_p, fine), humidity(c, adc_h, fine), fine


def temperature_fine(c, adc_t):
    """The temperature in 1/5120 °C, which the other two need."""
    x = adc_t / 16384 - c["T1"] / 1024
    y = adc_t / 131072 - c["T1"] / 8192
    return x * c["T2"] + y * y * c["T3"]


def pressure_pa(c, adc_p, fine):
    a = fine / 2 - 64000
    b = a * a * c["P6"] / 32768
    b = b + a * c["P5"] * 2
    b = b / 4 + c["P4"] * 65536
    a = (c["P3"] * a * a / 524288 + c["P2"] * a) / 524288
    a = (1 + a / 32768) * c["P1"]
    if a == 0:
        raise SensorFault("self_test", "the calibration divides by zero")
    p = (1048576 - adc_p - b / 4096) * 6250 / a
    return p + (c["P9"] * p * p / 2147483648 + p * c["P8"] / 32768 + c["P7"]) / 16


def humidity(c, adc_h, fine):
    x = fine - 76800
    x = (adc_h - (c["H4"] * 64 + c["H5"] / 16384 * x)) * (
        c["H2"] / 65536 * (1 + c["H6"] / 67108864 * x * (1 + c["H3"] / 67108864 * x))
    )
    x = x * (1 - c["H1"] * x / 524288)
    return min(100.0, max(0.0, x))
