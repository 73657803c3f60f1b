"""Plantower PMS5003, PMS7003, PMSA003, PMS3003, PMS5003T and PMS5003ST: their frames (data manuals V2.3 ff.).

`42 4D`, length, big-endian words, the sum of all bytes before. The first three words are concentrations "CF=1" for
an indoor aerosol, the next three those under atmospheric conditions: the latter are published. Clean air is zero, and
a zero is a value.
"""

from edge.sensors.fault import SensorFault
from edge.sensors.stream import newest

HEAD = b"\x42\x4d"
LENGTHS = (20, 28, 36)  # of what follows the length
_MASSES = ("raw1", "raw2_5", "raw10", "pm1", "pm2_5", "pm10")  # µg/m³
_COUNTS = ("n0_3", "n0_5", "n1", "n2_5", "n5", "n10")  # per 0.1 l


def frame_at(data, at):
    """For edge.sensors.stream."""
    if data[at] != HEAD[0]:
        return 0
    if len(data) - at < 4:
        return -1 if len(data) - at < 2 or data[at + 1] == HEAD[1] else 0
    length = data[at + 2] << 8 | data[at + 3]
    if data[at + 1] != HEAD[1] or length not in LENGTHS:
        return 0
    end = at + 4 + length
    if end > len(data):
        return -1
    return end - at if sum(data[at : end - 2]) == data[end - 2] << 8 | data[end - 1] else 0


def find(data):
    """(the newest whole frame or None, bytes to keep)."""
    return newest(data, frame_at)


def words(frame):
    """The words of a whole frame. Raises SensorFault."""
    if len(frame) < 4 or frame_at(frame, 0) != len(frame):
        raise SensorFault("crc", "no frame")
    return [frame[i] << 8 | frame[i + 1] for i in range(4, len(frame) - 2, 2)]


def measured(frame, model="PMSx003"):
    """{field: value} of a frame: µg/m³, particles/cm³, for some °C, %, mg/m³ of formaldehyde. Raises SensorFault."""
    w = words(frame)
    out = {_MASSES[i]: w[i] for i in range(6)}
    if len(w) < 12:
        return out  # PMS3003 counts no particles
    counts = 4 if model == "PMS5003T" else 6
    for i in range(counts):
        out[_COUNTS[i]] = w[6 + i] / 100
    if model == "PMS5003T":
        out["temperature"], out["humidity"] = _signed(w[10]) / 10, w[11] / 10
    if model not in ("PMS5003S", "PMS5003T", "PMS5003ST") and len(w) == 13:
        out["error"] = w[12] & 0xFF  # the sensor's own; above it stands its version
    if model in ("PMS5003S", "PMS5003ST"):
        out["formaldehyde"] = w[12] / 1000
    if len(w) > 14:
        out["temperature"], out["humidity"] = _signed(w[13]) / 10, w[14] / 10
    return out


def _signed(n):
    return n - 65536 if n & 0x8000 else n
