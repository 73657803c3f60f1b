"""Honeywell HPMA115S0 and C0: frames that they send by themselves, and answers to "read" (HPM series manual, table 7)."""

from edge.sensors.fault import SensorFault
from edge.sensors.pms import find as find_sent
from edge.sensors.pms import words as sent_words

_SENT = 32


def answer_size(data):
    """Bytes of the answer at the beginning, 0 where there is none that checks."""
    if len(data) < 4 or data[0] != 0x40 or data[2] != 0x04:
        return 0
    size = data[1] + 3
    return size if len(data) >= size and -sum(data[: size - 1]) & 0xFF == data[size - 1] else 0


def measured(data):
    """{field: µg/m³} of the newest frame, or of an answer. Raises SensorFault."""
    size = answer_size(data)
    if size:
        w = [data[i] << 8 | data[i + 1] for i in range(3, size - 2, 2)]
        if data[1] == 5:
            return {"pm2_5": w[0], "pm10": w[1]}
        if data[1] == 13:
            return {"pm1": w[0], "pm2_5": w[1], "pm4": w[2], "pm10": w[3]}
    frame, _ = find_sent(data)
    if frame is None or len(frame) != _SENT:
        raise SensorFault("crc", "no frame")
    w = sent_words(frame)
    return {"pm2_5": w[1], "pm10": w[2]}
