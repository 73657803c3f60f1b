"""What the cloud tells our devices over LoRaWAN: acknowledgements (port 10) and commands (port 11), version 1.

The rule: a downlink is dear (a gateway may send for 36 seconds an hour on most channels), so ranges are told newest
first, as many as fit, and what is left is told another time. Ranges of (generation, seq) say what is stored for good,
or what is to be sent again; both ends are included. The bit table is docs/wire.md. Runs on MicroPython and CPython.
"""

from collections import namedtuple

from schemas.bits import BitReader, BitWriter, OutOfBits
from schemas.wire_base import GENERATION_WIDTHS, SEQ_STEP_WIDTHS, SEQ_WIDTHS, VERSION, WireError

ACK_PORT, COMMAND_PORT = 10, 11
COMMANDS = ("resend", "configure", "status")
RANGES_MAX = 64
SEQ_MAX = GENERATION_MAX = (1 << 32) - 1
_HEADER_BITS = 24

# `reference` is 16 bits that the device repeats in its answer; `configuration` a text (JSON), "" where there is none.
DownCommand = namedtuple("DownCommand", ("reference", "command", "ranges", "configuration"))


def encode_ack(ranges, max_bytes: int = 51):
    """`(payload, ranges told)` of [(generation, first, last), …]; b"" where not one fits. Raises WireError."""
    out = BitWriter()
    out.put(VERSION, 3)
    return _put_ranges(out, ranges, max_bytes)


def decode_ack(payload):
    """[(generation, first, last), …], the newest first. Raises WireError."""
    bits = _reader(payload)
    return _whole(bits, _take_ranges)


def encode_command(reference: int, command: str, ranges=(), configuration: str = "", max_bytes: int = 51):
    """`(payload, ranges told)` of a command; b"" where it does not fit. Raises WireError for what is none."""
    if command not in COMMANDS:
        raise WireError("the command '%s' is none of %s" % (command, ", ".join(COMMANDS)))
    out = BitWriter()
    out.put(VERSION, 3)
    out.put(COMMANDS.index(command), 5)
    out.put(reference, 16)
    if command == "resend":
        return _put_ranges(out, ranges, max_bytes)
    payload = out.to_bytes() + (configuration.encode() if command == "configure" else b"")
    return (payload if len(payload) <= max_bytes else b""), []


def decode_command(payload):
    """A DownCommand. Raises WireError."""
    bits = _reader(payload)
    if len(payload) * 8 < _HEADER_BITS:
        raise WireError("the command is cut off")
    code, reference = bits.take(5), bits.take(16)
    if code >= len(COMMANDS):
        raise WireError("command %d is reserved" % code)
    command = COMMANDS[code]
    if command == "resend":
        return DownCommand(reference, command, _whole(bits, _take_ranges), "")
    rest = bytes(payload[_HEADER_BITS // 8 :])
    if command == "status":
        if rest:
            raise WireError("%d bytes too many" % len(rest))
        return DownCommand(reference, command, [], "")
    try:
        return DownCommand(reference, command, [], rest.decode())
    except (UnicodeError, ValueError):
        raise WireError("the configuration is not UTF-8") from None


def _reader(payload) -> BitReader:
    bits = BitReader(payload)
    if bits.left < 8:
        raise WireError("the payload is empty")
    version = bits.take(3)
    if version != VERSION:
        raise WireError("version %d is not known" % version)
    return bits


def _whole(bits: BitReader, take):
    """What `take` reads, and nothing behind it but the filling."""
    try:
        found = take(bits)
    except OutOfBits:
        raise WireError("the payload is cut off") from None
    if bits.left > 7:
        raise WireError("%d bytes too many" % (bits.left // 8))
    if bits.take(bits.left):
        raise WireError("the filling is not zero")
    return found


def _put_ranges(out: BitWriter, ranges, max_bytes: int):
    told: list = []
    for one in sorted([_checked(one) for one in ranges], reverse=True)[:RANGES_MAX]:
        if told and one[0] == told[-1][0] and one[2] >= told[-1][1] - 1:
            raise WireError("the ranges touch or overlap")
        before = out.bits
        if told:
            out.put(1, 1)
        _put_range(out, told[-1] if told else None, one)
        if out.bits + 1 > max_bytes * 8:
            out.cut(before)
            break
        told.append(one)
    if not told:
        return b"", []
    out.put(0, 1)
    return out.to_bytes(), told


def _checked(one):
    generation, first, last = one
    if not (0 <= generation <= GENERATION_MAX and 0 <= first <= last <= SEQ_MAX):
        raise WireError("[%d, %d, %d] is not a range below 2^32" % (generation, first, last))
    return generation, first, last


def _put_range(out: BitWriter, before, one) -> None:
    generation, first, last = one
    if before is not None and before[0] == generation:
        out.put(0, 1)
        out.put_sized(before[1] - last - 2, SEQ_STEP_WIDTHS)
    else:
        if before is not None:
            out.put(1, 1)
        out.put_sized(generation, GENERATION_WIDTHS)
        out.put_sized(last, SEQ_WIDTHS)
    out.put_sized(last - first, SEQ_STEP_WIDTHS)


def _take_ranges(bits: BitReader):
    ranges: list = []
    generation = below = 0  # `below`: the first of the range before
    while True:
        if not ranges or bits.take(1):
            generation = bits.take_sized(GENERATION_WIDTHS)
            last = bits.take_sized(SEQ_WIDTHS)
            if ranges and generation >= ranges[-1][0]:
                raise WireError("generation %d does not lie before %d" % (generation, ranges[-1][0]))
        else:
            last = below - 2 - bits.take_sized(SEQ_STEP_WIDTHS)
        below = last - bits.take_sized(SEQ_STEP_WIDTHS)
        if below < 0:
            raise WireError("a range begins below 0")
        ranges.append((generation, below, last))
        if not bits.take(1):
            return ranges
        if len(ranges) == RANGES_MAX:
            raise WireError("more than %d ranges" % RANGES_MAX)
