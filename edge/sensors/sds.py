"""Nova Fitness SDS011, SDS018, SDS021 and SDS198: `AA`, kind, six bytes, their sum, `AB` (protocol V1.3)."""

from edge.sensors.fault import SensorFault
from edge.sensors.stream import newest

SIZE = 10
MEASUREMENT, COARSE, REPLY = 0xC0, 0xCF, 0xC5
MODE, SLEEP, PERIOD = 2, 6, 8  # what a setting is about: 0 sends by itself; 0 asleep, 1 awake; minutes between two


def frame_at(data, at):
    """For edge.sensors.stream."""
    if data[at] != 0xAA:
        return 0
    if len(data) - at < SIZE:
        return -1
    return SIZE if data[at + 9] == 0xAB and sum(data[at + 2 : at + 8]) & 0xFF == data[at + 8] else 0


def find(data):
    """(the newest whole frame or None, bytes to keep)."""
    return newest(data, frame_at)


def find_measurement(data):
    """As `find`; replies to settings are skipped."""
    return newest(data, _measurement_at)


def _measurement_at(data, at):
    size = frame_at(data, at)
    return size if size <= 0 or data[at + 1] == MEASUREMENT else 0


def setting(kind, value):
    """The bytes of a setting, for whichever sensor is there."""
    body = bytes((kind, 1, value)) + bytes(10) + b"\xff\xff"
    return b"\xaa\xb4" + body + bytes((sum(body) & 0xFF, 0xAB))


def measured(frame):
    """{field: value} of a measurement, µg/m³, with the sensor's own `device_id`. Raises SensorFault."""
    if len(frame) != SIZE or frame_at(frame, 0) != SIZE:
        raise SensorFault("crc", "check sum")
    first, second = frame[2] | frame[3] << 8, frame[4] | frame[5] << 8
    device_id = "%02x%02x" % (frame[6], frame[7])
    if frame[1] == MEASUREMENT:
        return {"pm2_5": first / 10, "pm10": second / 10, "device_id": device_id}
    if frame[1] == COARSE:
        return {"pm100": second, "device_id": device_id}
    raise SensorFault("timeout", "0x%02X is the reply to a setting, not a measurement" % frame[1])
