"""The check sums of the sensors' makers."""

from edge.sensors.fault import SensorFault


def sensirion(data):
    """CRC-8, polynomial 0x31, start 0xFF: after every two bytes (SHT4x datasheet, section 4.4)."""
    crc = 0xFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc << 1 ^ 0x31 if crc & 0x80 else crc << 1) & 0xFF
    return crc


def dallas(data):
    """CRC-8, polynomial x8 + x5 + x4 + 1, least significant bit first (Maxim application note 27)."""
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ 0x8C if crc & 1 else crc >> 1
    return crc


def words(data, count=0):
    """The 16-bit words of a Sensirion answer, each followed by its CRC. Raises SensorFault."""
    if len(data) % 3 or (count and len(data) != 3 * count):
        raise SensorFault("crc", "%d bytes are not whole words" % len(data))
    out = []
    for i in range(0, len(data), 3):
        if sensirion(data[i : i + 2]) != data[i + 2]:
            raise SensorFault("crc", "word %d" % (i // 3))
        out.append(data[i] << 8 | data[i + 1])
    return out


def float_of(high, low):
    """The IEEE 754 number in two words."""
    from struct import pack, unpack

    return unpack(">f", pack(">HH", high, low))[0]
