"""SPS30 (Sensirion): ten numbers, over I2C with CRCs or UART in SHDLC frames (datasheet SPS30, sections 5 and 6)."""

from struct import unpack

from edge.sensors.crc import float_of, words
from edge.sensors.fault import SensorFault

# µg/m³ of four sizes; particles/cm³ of five sizes; µm of the typical particle.
FIELDS = ("pm1", "pm2_5", "pm4", "pm10", "n0_5", "n1", "n2_5", "n4", "n10", "size_um")
FLAG, ESCAPE = 0x7E, 0x7D
_ESCAPED = (0x7E, 0x7D, 0x11, 0x13)


def measured(values):
    """{field: value} of ten numbers. Raises SensorFault for what is no concentration."""
    if len(values) != len(FIELDS) or any(value != value or value < 0 or value > 1e6 for value in values):
        raise SensorFault("range", "no concentrations")
    return {FIELDS[i]: values[i] for i in range(len(FIELDS))}


def from_i2c(data):
    """{field: value} of 60 bytes: twenty words with their CRCs."""
    w = words(data, 20)
    return measured([float_of(w[i], w[i + 1]) for i in range(0, 20, 2)])


def from_uart(frame):
    """{field: value} of a whole frame that answers "read measured values" (0x03)."""
    command, data = unframe(frame)
    if command != 0x03:
        raise SensorFault("timeout", "an answer to 0x%02x" % command)
    if len(data) != 40:
        raise SensorFault("timeout", "no measurement yet")
    return measured(unpack(">10f", data))


def frame(command, data=b"", address=0):
    """The bytes of a request."""
    body = bytes((address, command, len(data))) + data
    body += bytes((~sum(body) & 0xFF,))
    out = bytearray((FLAG,))
    for byte in body:
        if byte in _ESCAPED:
            out += bytes((ESCAPE, byte ^ 0x20))
        else:
            out.append(byte)
    out.append(FLAG)
    return bytes(out)


def unframe(frame):
    """(command, data) of an answer. Raises SensorFault: what is no frame, its check sum, the state it tells."""
    if len(frame) < 7 or frame[0] != FLAG or frame[-1] != FLAG:
        raise SensorFault("crc", "no frame")
    body = bytearray()
    escaped = False
    for byte in frame[1:-1]:
        if escaped:
            byte ^= 0x20
            if byte not in _ESCAPED:
                raise SensorFault("crc", "a wrong escape")
        elif byte == ESCAPE:
            escaped = True
            continue
        elif byte == FLAG:
            raise SensorFault("crc", "two frames")
        escaped = False
        body.append(byte)
    if escaped or len(body) < 5 or ~sum(body[:-1]) & 0xFF != body[-1] or body[3] != len(body) - 5:
        raise SensorFault("crc", "check sum or length")
    if body[2] & 0x7F:
        raise SensorFault("self_test", "state 0x%02x" % body[2])
    return body[1], bytes(body[4:-1])
