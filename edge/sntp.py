"""SNTP version 4: the question and what may be believed of the answer. No I/O; times on a steady clock are arguments.

The rule: an answer counts only if it repeats the random cookie of our question (so neither an old one nor one that was
guessed does), comes from a server that is itself synchronised, and lies in the years of the wire format. Its
uncertainty is half of the way there and back, plus what the server says of its own. A "kiss of death" asks for peace.
Specification: RFC 5905, sections 6, 7.3, 7.4 and 14; RFC 4330, section 5. Runs on MicroPython and CPython.
"""

from collections import namedtuple

from schemas.wire import EPOCH_S, SECONDS_MAX

PACKET_BYTES = 48
PORT = 123
_ERA_S = 2208988800  # 1900 to 1970
_ALARM = 3  # leap indicator: not synchronised
_SERVER = 4
_ROUND_TRIP_MAX_MS = 5000
_CLOCK_MS = 1  # how finely we can tell when something came

Time = namedtuple("Time", ("utc_ms", "uncertainty_s", "at_ms"))
Kiss = namedtuple("Kiss", ("code",))  # RATE: ask less often; DENY, RSTR: not at all
Useless = namedtuple("Useless", ("reason",))


def question(cookie):
    """`cookie`: 8 random bytes that stand where the time of sending would."""
    packet = bytearray(PACKET_BYTES)
    packet[0] = 4 << 3 | 3  # version 4, client
    packet[40:48] = cookie
    return packet


def answer(packet, cookie, sent_ms, received_ms):
    """A Time (which it was at `at_ms`), a Kiss, or Useless, whatever the bytes."""
    if len(packet) < PACKET_BYTES:
        return Useless("%d bytes are no answer" % len(packet))
    if bytes(packet[24:32]) != bytes(cookie):
        return Useless("it answers another question")
    leap, version, mode = packet[0] >> 6, packet[0] >> 3 & 7, packet[0] & 7
    if mode != _SERVER or not 3 <= version <= 4:
        return Useless("mode %d, version %d" % (mode, version))
    if packet[1] == 0:
        return Kiss(_code(packet[12:16]))
    if leap == _ALARM or packet[1] > 15:
        return Useless("the server is not synchronised")
    way_ms = received_ms - sent_ms
    server_ms = _ms(packet, 40) - _ms(packet, 32)
    if not 0 <= way_ms <= _ROUND_TRIP_MAX_MS or not 0 <= server_ms <= way_ms + _CLOCK_MS:
        return Useless("%d ms there and back, %d of them at the server" % (way_ms, server_ms))
    half_ms = max(0, way_ms - server_ms) // 2
    utc_ms = _ms(packet, 40) + half_ms
    if not EPOCH_S * 1000 <= utc_ms <= (EPOCH_S + SECONDS_MAX) * 1000:
        return Useless("the time of the server cannot be")
    root_ms = _short_ms(packet, 4) // 2 + _short_ms(packet, 8)
    return Time(utc_ms, (half_ms + root_ms + 2 * _CLOCK_MS) / 1000, received_ms)


def _ms(packet, at):
    """A 64-bit time as milliseconds since 1970; what seems to be before 1968 is after 2036 (RFC 4330, section 3)."""
    seconds = _int(packet, at)
    if not seconds >> 31:
        seconds += 1 << 32
    return (seconds - _ERA_S) * 1000 + (_int(packet, at + 4) * 1000 + (1 << 31) >> 32)


def _short_ms(packet, at):
    """A 32-bit span of seconds, 16 bits of them behind the point."""
    return _int(packet, at) * 1000 >> 16


def _int(packet, at):
    return packet[at] << 24 | packet[at + 1] << 16 | packet[at + 2] << 8 | packet[at + 3]


def _code(letters):
    return "".join([chr(c) if 65 <= c <= 90 else "?" for c in letters])
