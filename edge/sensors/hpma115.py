"""Honeywell HPMA115S0 and C0: frames that they send unasked, and answers to "read" (HPM series manual, table 7)."""

from edge.sensors.fault import SensorFault
from edge.sensors.pms import find as find_sent
from edge.sensors.pms import words as sent_words

_SENT = 32


def answer_size(data, at=0):
    """Bytes of the answer at an offset, 0 where there is none that checks."""
    if len(data) - at < 4 or data[at] != 0x40 or data[at + 1] not in (5, 13) or data[at + 2] != 0x04:
        return 0
    size = data[at + 1] + 3
    end = at + size
    return size if end <= len(data) and -sum(data[at : end - 1]) & 0xFF == data[end - 1] else 0


def measured(data, model="HPMA115S0"):
    """{field: µg/m³} of an answer, or else of the newest frame; garbage around it is skipped. Raises SensorFault.

    An answer tells by its length which model it is of. A frame does not: a C0 has PM4 where an S0 has PM10.
    """
    for at in range(len(data)):
        if answer_size(data, at):
            w = [data[i] << 8 | data[i + 1] for i in range(at + 3, at + data[at + 1] + 2, 2)]
            if data[at + 1] == 5:
                return {"pm2_5": w[0], "pm10": w[1]}
            return _four(w)
    frame, _ = find_sent(data)
    if frame is None or len(frame) != _SENT:
        raise SensorFault("crc", "no frame")
    w = sent_words(frame)
    return _four(w) if model == "HPMA115C0" else {"pm2_5": w[1], "pm10": w[2]}


def _four(w):
    return {"pm1": w[0], "pm2_5": w[1], "pm4": w[2], "pm10": w[3]}
