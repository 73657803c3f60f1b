"""Winsen MH-Z19B: the answer to "read gas concentration", nine bytes (manual V1.0)."""

from edge.sensors.fault import SensorFault
from edge.sensors.stream import newest

SIZE = 9
READ = b"\xff\x01\x86\x00\x00\x00\x00\x00\x79"
SELF_CALIBRATION = 0x79


def request(command, value):
    """The bytes of a command with one value."""
    body = bytes((1, command, value, 0, 0, 0, 0))
    return b"\xff" + body + bytes((-sum(body) & 0xFF,))


def frame_at(data, at):
    """For edge.sensors.stream."""
    if data[at] != 0xFF:
        return 0
    if len(data) - at < SIZE:
        return -1
    return SIZE if data[at + 1] == 0x86 and -sum(data[at + 1 : at + 8]) & 0xFF == data[at + 8] else 0


def find(data):
    """(the newest whole frame or None, bytes to keep)."""
    return newest(data, frame_at)


def co2_ppm(frame):
    """ppm. Raises SensorFault."""
    if len(frame) != SIZE or frame_at(frame, 0) != SIZE:
        raise SensorFault("crc", "check sum")
    return frame[2] << 8 | frame[3]
