"""GY-MCU680: a BME680 behind a controller with Bosch's air quality index; frames `5A 5A 3F 0F` and 15 bytes."""

from edge.sensors.fault import SensorFault
from edge.sensors.stream import newest

HEAD = b"\x5a\x5a\x3f\x0f"
SIZE = 20


def frame_at(data, at):
    """For edge.sensors.stream."""
    if data[at] != HEAD[0]:
        return 0
    if len(data) - at < SIZE:
        return -1
    return SIZE if data[at : at + 4] == HEAD and sum(data[at : at + 19]) & 0xFF == data[at + 19] else 0


def find(data):
    """(the newest whole frame or None, bytes to keep)."""
    return newest(data, frame_at)


def measured(frame):
    """{field: value}: °C, %, hPa, index and its accuracy (0 to 3), kΩ, m. Raises SensorFault."""
    if len(frame) != SIZE or frame_at(frame, 0) != SIZE:
        raise SensorFault("crc", "check sum")
    t = frame[4] << 8 | frame[5]
    iaq = (frame[11] & 0x0F) << 8 | frame[12]
    alt = frame[17] << 8 | frame[18]
    return {
        "temperature": (t - 65536 if t & 0x8000 else t) / 100,
        "humidity": (frame[6] << 8 | frame[7]) / 100,
        "pressure_hpa": (frame[8] << 16 | frame[9] << 8 | frame[10]) / 100,
        # The manual has the accuracy in the upper half of byte 11. The collected rows state 1 where that is 0, which is
        # the upper half of byte 12 (PyPMS shifts by 4); they all hold 0x0019, so which is meant cannot be told by them.
        "iaq_accuracy": frame[11] >> 4 or frame[12] >> 4,
        "iaq": iaq,
        "gas_kohm": (frame[13] << 24 | frame[14] << 16 | frame[15] << 8 | frame[16]) / 1000,
        "altitude_m": alt - 65536 if alt & 0x8000 else alt,
    }
