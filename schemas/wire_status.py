"""What our devices say of themselves: LoRaWAN port 3 in bits, MQTT in JSON, version 1.

The rule: a status always fits. The sizes of its parts are bounded, the answer to a command goes before faults, and what
does not fit is said to be missing (an answer's text is cut, the last fault is MORE). Whoever reads is strict: bytes
either are one status or none. The bit table is docs/wire.md. Runs on MicroPython and CPython.
"""

from schemas.bits import BitReader, BitWriter, OutOfBits
from schemas.channels import PLACE_ALPHABET
from schemas.status import Status
from schemas.wire_base import WireError

STATUS_PORT = 3
VERSION = 1
RESETS = ("power", "sleep", "watchdog", "software", "brownout", "crash", "other")  # code 7 is reserved
MORE = "more"  # the last of the faults, where others did not fit
# The first eight after MORE are those of `edge.sensors.fault`; codes from 23 on are reserved.
FAULTS = (
    MORE, "missing", "bus", "crc", "timeout", "range", "stuck", "self_test", "config",
    "modem", "join", "session", "downlink", "duty", "size", "counter",
    "network", "refused", "tls", "clock", "flash", "full", "other",
)  # fmt: skip
FIRMWARE_MAX, SENSOR_MAX, DETAIL_MAX = 16, 12, 32  # characters
FAULTS_MAX = 63

UPTIME_WIDTHS = (12, 18, 24, 32)
BOOTS_WIDTHS = (4, 8, 16, 32)
COUNT_WIDTHS = (4, 8, 12, 32)
HEAP_WIDTHS = (15, 18, 22, 32)
_BATTERY_WIDTH, _BATTERY_STEPS, _NO_BATTERY = 12, 100, 4095
_DETAIL_BYTES = 63


def encode(status, max_bytes: int = 51) -> bytes:
    """The payload; text and faults are cut to fit. Raises WireError for what is no status, or where nothing fits."""
    out = BitWriter()
    out.put(VERSION, 3)
    _put_ascii(out, status.firmware)
    out.put(_whole("config", status.config, 16), 16)
    out.put_sized(_whole("uptime_s", status.uptime_s), UPTIME_WIDTHS)
    out.put_sized(_whole("boots", status.boots), BOOTS_WIDTHS)
    if status.reset not in RESETS:
        raise WireError("the reset '%s' is none of %s" % (status.reset, ", ".join(RESETS)))
    out.put(RESETS.index(status.reset), 3)
    out.put_sized(_whole("waiting", status.waiting), COUNT_WIDTHS)
    out.put_sized(_whole("forgotten", status.forgotten), COUNT_WIDTHS)
    out.put_sized(_whole("free_heap", status.free_heap), HEAP_WIDTHS)
    out.put(_battery_code(status.battery), _BATTERY_WIDTH)
    limit = max_bytes * 8
    _put_answer(out, status.answer, limit)
    _put_faults(out, status.faults, limit)
    if out.bits > limit:
        raise WireError("a status takes more than the %d bytes allowed" % max_bytes)
    return out.to_bytes()


def decode(payload):
    """The Status in a payload. Raises WireError and nothing else, whatever the bytes."""
    bits = BitReader(payload)
    try:
        status = _read(bits)
    except OutOfBits:
        raise WireError("%d bytes end in the middle of a status" % len(payload)) from None
    if bits.left >= 8:
        raise WireError("%d bytes follow the status" % (bits.left // 8))
    if bits.take(bits.left):
        raise WireError("the bits that fill up the last byte are not zero")
    return status


def as_object(status) -> dict:
    """The same as JSON carries it, for `klimanetz/v1/status/<device>`; what is not known is left out."""
    told = {name: getattr(status, name) for name in _PLAIN}
    if status.battery is not None:
        told["battery"] = status.battery
    told["faults"] = [{"sensor": sensor, "fault": fault} for sensor, fault in status.faults]
    if status.answer is not None:
        reference, ok, detail = status.answer
        told["answer"] = {"reference": reference, "ok": ok, "detail": detail}
    return told


_PLAIN = ("firmware", "config", "uptime_s", "boots", "reset", "waiting", "forgotten", "free_heap")


def _whole(name, number, width=32):
    if not isinstance(number, int) or number < 0 or number >> width:
        raise WireError("%s has to be from 0 to 2^%d-1" % (name, width))
    return number


def _battery_code(volts):
    """A voltage out of the span is told as its end."""
    if volts is None or volts != volts:
        return _NO_BATTERY
    return max(0, min(_NO_BATTERY - 1, int(min(volts, 100) * _BATTERY_STEPS + 0.5)))


def _put_ascii(out, text):
    if not 1 <= len(text) <= FIRMWARE_MAX or any(not 32 <= ord(c) < 127 for c in text):
        raise WireError("a firmware version has 1 to %d characters of ASCII" % FIRMWARE_MAX)
    out.put(len(text) - 1, 4)
    for c in text:
        out.put(ord(c), 7)


def _put_answer(out, answer, limit):
    out.put(answer is not None, 1)
    if answer is None:
        return
    reference, ok, detail = answer
    out.put(_whole("reference", reference, 16), 16)
    out.put(bool(ok), 1)
    detail = detail[:DETAIL_MAX]
    most = min(_DETAIL_BYTES, max(0, limit - out.bits - 6 - _FAULTS_LEAST) // 8)
    while len(detail.encode()) > most:
        detail = detail[:-1]
    text = detail.encode()
    out.put(len(text), 6)
    for byte in text:
        out.put(byte, 8)


_FAULTS_LEAST = 6 + 4 + 5  # their number, and MORE


def _put_faults(out, faults, limit):
    """Their number, then each; where not all fit, the last is MORE."""
    listed: list = []
    bits = out.bits + 6
    for at, (sensor, fault) in enumerate(faults):
        _check_sensor(sensor)
        size = 9 + 6 * len(sensor)
        left = len(faults) - at - 1
        if len(listed) == FAULTS_MAX - 1 or bits + size + (9 if left else 0) > limit:
            listed.append(("", MORE))
            break
        bits += size
        listed.append((sensor, fault if fault in FAULTS else "other"))
    out.put(len(listed), 6)
    for sensor, fault in listed:
        out.put(FAULTS.index(fault), 5)
        out.put(len(sensor), 4)
        for c in sensor:
            out.put(PLACE_ALPHABET.index(c), 6)


def _check_sensor(sensor):
    if len(sensor) > SENSOR_MAX or any(c not in PLACE_ALPHABET for c in sensor):
        raise WireError("'%s' is no sensor's name: up to %d of a-z 0-9 . _ -" % (sensor, SENSOR_MAX))


def _read(bits):
    version = bits.take(3)
    if version != VERSION:
        raise WireError("status version %d is not known here, only %d" % (version, VERSION))
    firmware = "".join([_ascii(bits.take(7)) for _ in range(bits.take(4) + 1)])
    config, uptime_s, boots = bits.take(16), bits.take_sized(UPTIME_WIDTHS), bits.take_sized(BOOTS_WIDTHS)
    reset = _name(RESETS, bits.take(3), "reset")
    waiting, forgotten = bits.take_sized(COUNT_WIDTHS), bits.take_sized(COUNT_WIDTHS)
    free_heap, battery = bits.take_sized(HEAP_WIDTHS), bits.take(_BATTERY_WIDTH)
    answer = _take_answer(bits) if bits.take(1) else None
    faults = [_take_fault(bits) for _ in range(bits.take(6))]
    volts = None if battery == _NO_BATTERY else battery / _BATTERY_STEPS
    return Status(
        firmware, config, uptime_s, boots, reset, waiting, forgotten, free_heap, volts, faults, answer
    )  # fmt: skip


def _take_answer(bits):
    reference, ok = bits.take(16), bits.take(1) == 1
    try:
        detail = bytes([bits.take(8) for _ in range(bits.take(6))]).decode()
    except OutOfBits:
        raise
    except (UnicodeError, ValueError):
        raise WireError("the answer's text is not UTF-8") from None
    if len(detail) > DETAIL_MAX:
        raise WireError("the answer's text has more than %d characters" % DETAIL_MAX)
    return reference, ok, detail


def _take_fault(bits):
    fault = _name(FAULTS, bits.take(5), "fault")
    length = bits.take(4)
    if length > SENSOR_MAX:
        raise WireError("a sensor's name has more than %d characters" % SENSOR_MAX)
    return "".join([_name(PLACE_ALPHABET, bits.take(6), "character") for _ in range(length)]), fault


def _name(table, code, what):
    if code >= len(table):
        raise WireError("%s %d is reserved" % (what, code))
    return table[code]


def _ascii(code):
    if not 32 <= code < 127:
        raise WireError("a firmware version has a character that cannot be printed")
    return chr(code)
