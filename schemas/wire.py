"""Binary wire format, version 1: the newest reading of a device and as many earlier ones as there is room for.

An earlier reading costs a few bytes, because it is written as the difference to the next newer one; so a lost
frame is healed by the next. Every strict prefix of a frame, every trailing byte and every reserved code is
refused: bytes either are one frame or none. The bit table, a worked example and sizes are docs/wire.md.
Runs on MicroPython and CPython; no clock in here, the age of a reading is an argument.
"""

from collections import namedtuple

from schemas.bits import BitReader, BitWriter, OutOfBits
from schemas.wire_base import GENERATION_WIDTHS, SEQ_STEP_WIDTHS, SEQ_WIDTHS, VERSION, WireError
from schemas.wire_fields import (
    CHANNELS_MAX,
    new_names,
    put_channels,
    put_next_value,
    put_value,
    take_channels,
    take_next_value,
    take_value,
)

__all__ = ["Frame", "WireError", "WireReading", "decode", "encode", "status_bits", "status_names"]

EPOCH_S = 1735689600  # 2025-01-01T00:00:00Z
READINGS_MAX = 500
STATUS_FLAGS = (
    "reboot",  # first reading since the device started
    "sensor_fault",
    "low_battery",
    "outbox_full",  # readings had to be forgotten
    "clock_unset",
    "config_rejected",
    "watchdog",  # the last start was the watchdog's
    "other",
)
TIME_SOURCES = ("none", "gps", "lorawan", "ntp", "rtc", "device")  # codes 6 and 7 are reserved
UNCERTAINTIES_S = (0.01, 0.1, 0.5, 1, 2, 5, 10, 30, 60, 300, 900, 3600, 14400, 86400, 604800)
_UNKNOWN = 15

_ABSOLUTE, _AGE = 0, 1  # time modes; 2 and 3 are reserved
AGE_WIDTHS = (10, 17, 31)
TIME_STEP_WIDTHS = (10, 14, 25)
SECONDS_WIDTH = 31
SECONDS_MAX = (1 << SECONDS_WIDTH) - 1
QUALITY_WIDTH = 7
STATUS_WIDTH = 8
_CANNOT = -1

WireReading = namedtuple(
    "WireReading",
    (
        "generation",  # 0 .. 2^32-1
        "seq",  # 0 .. 2^32-1
        "time_s",  # whole seconds since 1970 UTC, or None
        "age_s",  # where time_s is None: whole seconds before the transmission, or None
        "time_source",  # one of TIME_SOURCES
        "uncertainty_s",  # of the time, or None; rounded up to one of UNCERTAINTIES_S
        "values",  # {channel: float}; to encode also int, (a, b) for a / b, None for absent
        "status",  # bits by the order of STATUS_FLAGS; to encode also their names
    ),
)
Frame = namedtuple("Frame", ("version", "readings"))


def status_bits(names) -> int:
    """The status byte of some STATUS_FLAGS."""
    bits = 0
    for name in names:
        if name not in STATUS_FLAGS:
            raise WireError("unknown status '%s': one of %s" % (name, ", ".join(STATUS_FLAGS)))
        bits |= 1 << STATUS_FLAGS.index(name)
    return bits


def status_names(bits: int) -> tuple[str, ...]:
    """The STATUS_FLAGS that are set in a status byte."""
    return tuple([name for i, name in enumerate(STATUS_FLAGS) if bits >> i & 1])


def encode(readings, max_bytes: int = 0, age_s: int | None = None) -> tuple[bytes, int]:
    """A frame of the first n of `readings` (newest first) that fit in `max_bytes` (0: no limit), and n >= 1.

    An earlier reading that cannot follow in this frame (another generation, a seq or time that does not go back,
    a year's gap, only one of the two with a time) ends it and goes into the next. `age_s`: how long ago the newest
    was taken, instead of its own `age_s`. Raises WireError, also where the newest alone does not fit.
    """
    if not readings:
        raise WireError("there is no reading to encode")
    names: list[str] = []
    frame = kept = None
    bits = n = 0
    for i in range(min(len(readings), READINGS_MAX)):
        new = new_names(readings[i].values, names)
        if len(names) + len(new) > CHANNELS_MAX and i:
            break
        if new or frame is None:  # the channel set stands in the header: what was written is written again
            names = names + new
            frame = _FrameWriter(readings[0], names, age_s)
            follows = True
            for j in range(1, i + 1):
                follows = frame.add(readings[j])
        else:
            follows = frame.add(readings[i])
        if not follows or (max_bytes and frame.out.bits + 1 > max_bytes * 8):
            break
        kept, bits, n = frame.out, frame.out.bits, i + 1
    if kept is None:
        raise WireError("the newest reading alone takes more than the %d bytes allowed" % max_bytes)
    kept.cut(bits)
    kept.put(0, 1)
    return kept.to_bytes(), n


def decode(payload) -> Frame:
    """The frame in `payload`, its readings newest first. Raises WireError and nothing else, whatever the bytes."""
    bits = BitReader(payload)
    try:
        frame = _read_frame(bits)
    except OutOfBits:
        raise WireError("%d bytes end in the middle of a frame" % len(payload)) from None
    if bits.left >= 8:
        raise WireError("%d bytes follow the frame" % (bits.left // 8))
    if bits.take(bits.left):
        raise WireError("the bits that fill up the last byte are not zero")
    return frame


class _FrameWriter:
    """A frame while it grows: the newest reading is in it from the start, earlier ones are added."""

    def __init__(self, newest, names, age_s):
        _check(newest)
        self._absolute = newest.time_s is not None
        self._generation, self._seq = newest.generation, newest.seq
        self._quality, self._status = _quality(newest), _status(newest)
        age_s = newest.age_s if age_s is None else age_s
        self._clock_s = newest.time_s  # of the last reading that had one; it grows with time
        if not self._absolute and age_s is not None:
            self._clock_s = -(age_s if newest.age_s is None else newest.age_s)
        self._room_s = newest.time_s - EPOCH_S if self._absolute else SECONDS_MAX - (age_s or 0)  # how far back yet
        if not 0 <= self._room_s <= SECONDS_MAX:
            raise WireError("the time has to be from 2025 to 2092 and an age from 0 to 2^31-1 s")
        self.out = BitWriter()
        self._put_header(age_s)
        self._channels = put_channels(self.out, names)
        for channel in self._channels:
            put_value(self.out, channel, newest.values.get(channel.name))

    def _put_header(self, age_s):
        out = self.out
        out.put(VERSION, 3)
        out.put(_ABSOLUTE if self._absolute else _AGE, 2)
        out.put_sized(self._generation, GENERATION_WIDTHS)
        out.put_sized(self._seq, SEQ_WIDTHS)
        if self._absolute:
            out.put(self._room_s, SECONDS_WIDTH)
        else:
            _put_seconds(out, age_s, AGE_WIDTHS)
        out.put(self._quality, QUALITY_WIDTH)
        out.put(self._status, STATUS_WIDTH)

    def add(self, reading) -> bool:
        """Adds the next earlier reading; False where it cannot follow, and then nothing is written."""
        _check(reading)
        seq_step = self._seq - reading.seq
        step_s = self._step_s(reading)
        if reading.generation != self._generation or seq_step < 1 or step_s == _CANNOT:
            return False
        out = self.out
        out.put(1, 1)
        out.put(seq_step > 1, 1)
        if seq_step > 1:
            out.put_sized(seq_step - 2, SEQ_STEP_WIDTHS)
        _put_seconds(out, step_s, TIME_STEP_WIDTHS)
        quality, status = _quality(reading), _status(reading)
        out.put(quality != self._quality, 1)
        if quality != self._quality:
            out.put(quality, QUALITY_WIDTH)
        out.put(status != self._status, 1)
        if status != self._status:
            out.put(status, STATUS_WIDTH)
        for channel in self._channels:
            put_next_value(out, channel, reading.values.get(channel.name))
        if step_s is not None:
            self._clock_s -= step_s
            self._room_s -= step_s
        self._seq, self._quality, self._status = reading.seq, quality, status
        return True

    def _step_s(self, reading):
        """Seconds back from the last clock, None where the reading has none, _CANNOT where it has another kind."""
        if reading.time_s is None and reading.age_s is None:
            return None
        if self._clock_s is None or self._absolute != (reading.time_s is not None):
            return _CANNOT
        step_s = self._clock_s - (reading.time_s if self._absolute else -reading.age_s)
        possible = 0 <= step_s <= self._room_s and not step_s >> TIME_STEP_WIDTHS[-1]
        return step_s if possible else _CANNOT


def _check(reading) -> None:
    for number in (reading.generation, reading.seq):
        if not isinstance(number, int) or number < 0 or number >> 32:
            raise WireError("generation and seq have to be from 0 to 2^32-1")
    for number in (reading.time_s, reading.age_s):
        if number is not None and not isinstance(number, int):
            raise WireError("times and ages are whole seconds")


def _quality(reading) -> int:
    """Three bits of time source, four of uncertainty: the first of UNCERTAINTIES_S that promises no more."""
    if reading.time_source not in TIME_SOURCES:
        raise WireError("unknown time source '%s': one of %s" % (reading.time_source, ", ".join(TIME_SOURCES)))
    code = 0
    if reading.uncertainty_s is None:
        code = _UNKNOWN
    while code < _UNKNOWN and reading.uncertainty_s > UNCERTAINTIES_S[code]:
        code += 1
    return TIME_SOURCES.index(reading.time_source) << 4 | code


def _status(reading) -> int:
    if not isinstance(reading.status, int):
        return status_bits(reading.status)
    if reading.status < 0 or reading.status >> STATUS_WIDTH:
        raise WireError("a status is one byte")
    return reading.status


def _put_seconds(out, seconds, widths) -> None:
    """Three widths to select from; the fourth code says that the time is not known."""
    if seconds is None:
        out.put(3, 2)
    else:
        out.put_sized(seconds, widths)


def _take_seconds(bits, widths):
    code = bits.take(2)
    return None if code == 3 else bits.take(widths[code])


def _read_frame(bits) -> Frame:
    version = bits.take(3)
    if version != VERSION:
        raise WireError("wire format version %d is not known here, only %d" % (version, VERSION))
    mode = bits.take(2)
    if mode > _AGE:
        raise WireError("time mode %d is reserved" % mode)
    generation = bits.take_sized(GENERATION_WIDTHS)
    seq = bits.take_sized(SEQ_WIDTHS)
    clock_s = bits.take(SECONDS_WIDTH) if mode == _ABSOLUTE else _take_seconds(bits, AGE_WIDTHS)
    if mode == _AGE and clock_s is not None:
        clock_s = SECONDS_MAX - clock_s  # so that both kinds of time count down to nothing
    known = clock_s is not None
    quality, status = _take_quality(bits), bits.take(STATUS_WIDTH)
    channels = take_channels(bits)
    values = _take_values(bits, channels, take_value)
    readings = []
    while True:
        time_s = EPOCH_S + clock_s if known and mode == _ABSOLUTE else None
        age_s = SECONDS_MAX - clock_s if known and mode == _AGE else None
        readings.append(WireReading(generation, seq, time_s, age_s, quality[0], quality[1], values, status))
        if not bits.take(1):
            return Frame(version, readings)
        if len(readings) == READINGS_MAX:
            raise WireError("more than %d readings" % READINGS_MAX)
        seq -= bits.take_sized(SEQ_STEP_WIDTHS) + 2 if bits.take(1) else 1
        step_s = _take_seconds(bits, TIME_STEP_WIDTHS)
        known = step_s is not None
        if known and clock_s is None:
            raise WireError("the time of an earlier reading is given as a step from none")
        if known:
            clock_s -= step_s
        if seq < 0 or (known and clock_s < 0):
            raise WireError("an earlier reading would have a %s" % ("seq below 0" if seq < 0 else "time out of range"))
        if bits.take(1):
            quality = _take_quality(bits)
        if bits.take(1):
            status = bits.take(STATUS_WIDTH)
        values = _take_values(bits, channels, take_next_value)


def _take_values(bits, channels, take):
    values = {}
    for channel in channels:
        value = take(bits, channel)
        if value is not None:
            values[channel.name] = value
    if not values:
        raise WireError("a reading without any value")
    return values


def _take_quality(bits):
    source, code = bits.take(3), bits.take(4)
    if source >= len(TIME_SOURCES):
        raise WireError("time source %d is reserved" % source)
    return TIME_SOURCES[source], None if code == _UNKNOWN else UNCERTAINTIES_S[code]
