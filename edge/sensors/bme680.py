"""BME680: temperature, pressure, humidity (datasheet BST-BME680-DS001, section 3.3; the floating-point formulas)."""

from struct import unpack

from edge.sensors.fault import SensorFault


def calibration(first, second):
    """{name: coefficient} of registers 0x8A to 0xA0 (23 bytes) and 0xE1 to 0xEA (10 bytes). Raises SensorFault."""
    if len(first) != 23 or len(second) != 10:
        raise SensorFault("bus", "calibration is incomplete")
    t2, t3, _, p1, p2, p3, _, p4, p5, p7, p6, _, p8, p9, p10 = unpack("<hbBHhbBhhbbHhhB", bytes(first))
    h2 = second[0] << 4 | second[1] >> 4
    h1 = second[2] << 4 | second[1] & 0x0F
    h3, h4, h5, h6, h7, t1 = unpack("<bbbBbH", bytes(second[3:10]))
    if t1 in (0, 0xFFFF):
        raise SensorFault("self_test", "no calibration")
    return {
        "t1": t1, "t2": t2, "t3": t3, "p1": p1, "p2": p2, "p3": p3, "p4": p4, "p5": p5, "p6": p6, "p7": p7, "p8": p8,
        "p9": p9, "p10": p10, "h1": h1, "h2": h2, "h3": h3, "h4": h4, "h5": h5, "h6": h6, "h7": h7,
    }  # fmt: skip


def raw(data):
    """(adc_t, adc_p, adc_h) of registers 0x1F to 0x26 (8 bytes)."""
    adc_p = data[0] << 12 | data[1] << 4 | data[2] >> 4
    adc_t = data[3] << 12 | data[4] << 4 | data[5] >> 4
    return adc_t, adc_p, data[6] << 8 | data[7]


def compensate(c, adc_t, adc_p, adc_h):
    """(°C, Pa, %). Raises SensorFault where a measurement was skipped."""
    if adc_t == 0x80000 or adc_p == 0x80000 or adc_h == 0x8000:
        raise SensorFault("self_test", "a measurement was skipped")
    y = adc_t / 131072 - c["t1"] / 8192
    fine = (adc_t / 16384 - c["t1"] / 1024) * c["t2"] + y * y * c["t3"] * 16
    celsius = fine / 5120
    return celsius, _pressure_pa(c, adc_p, fine), _humidity(c, adc_h, celsius)


def _pressure_pa(c, adc_p, fine):
    a = fine / 2 - 64000
    b = a * a * c["p6"] / 131072 + a * c["p5"] * 2
    b = b / 4 + c["p4"] * 65536
    a = (c["p3"] * a * a / 16384 + c["p2"] * a) / 524288
    a = (1 + a / 32768) * c["p1"]
    if a == 0:
        raise SensorFault("self_test", "the calibration divides by zero")
    p = (1048576 - adc_p - b / 4096) * 6250 / a
    x = p / 256
    return p + (c["p9"] * p * p / 2147483648 + p * c["p8"] / 32768 + x * x * x * c["p10"] / 131072 + c["p7"] * 128) / 16


def _humidity(c, adc_h, celsius):
    x = adc_h - (c["h1"] * 16 + c["h3"] / 2 * celsius)
    x = x * (c["h2"] / 262144 * (1 + c["h4"] / 16384 * celsius + c["h5"] / 1048576 * celsius * celsius))
    x = x + (c["h6"] / 16384 + c["h7"] / 2097152 * celsius) * x * x
    return min(100.0, max(0.0, x))
