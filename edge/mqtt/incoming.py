"""MQTT 3.1.1 control packets that a broker sends, out of whatever pieces a socket delivers.

The rule: "need more" is an empty list, a packet that is against the specification is a value, `Malformed`, and after
it nothing more is read; nothing here raises, whatever the bytes. Memory is bounded: of a packet longer than the buffer
the end is skipped, and a PUBLISH of that kind comes without its payload, so that it can be acknowledged.
Specification: OASIS MQTT 3.1.1, chapters 2 and 3. Runs on MicroPython and CPython.
"""

from collections import namedtuple

from edge.mqtt import packets

Connack = namedtuple("Connack", ("session_present", "code"))  # code 0: accepted
Publish = namedtuple("Publish", ("topic", "payload", "qos", "packet_id", "retain", "again"))  # payload None: too long
Puback = namedtuple("Puback", ("packet_id",))
Suback = namedtuple("Suback", ("packet_id", "codes"))  # the granted QoS of each, 0x80: refused
Pingresp = namedtuple("Pingresp", ())
Malformed = namedtuple("Malformed", ("reason",))

_REFUSED = 0x80
_CONNACK_CODES = 6
_FIRST, _LENGTH, _BODY, _DEAD = 0, 1, 2, 3


class Incoming:
    """`buffer_bytes`: how long a packet may be, without its first two to five bytes, to be kept whole."""

    def __init__(self, buffer_bytes=2048):
        self._buffer = bytearray(buffer_bytes)
        self.reset()

    def reset(self):
        """A new connection begins."""
        self._state = _FIRST
        self._first = self._length = self._shift = self._have = 0

    def feed(self, data):
        """The packets that are whole with `data`, in their order."""
        found: list = []
        at = 0
        while at < len(data) and self._state != _DEAD:
            if self._state == _FIRST:
                self._first = data[at]
                self._length = self._shift = self._have = 0
                self._state = _LENGTH
                at += 1
            elif self._state == _LENGTH:
                self._take_length(data[at], found)
                at += 1
            else:
                at += self._take_body(data, at)
            if self._state == _BODY and self._have == self._length:
                self._state = _FIRST
                self._add(found, self._packet())
        return found

    def _take_length(self, byte, found):
        self._length |= (byte & 0x7F) << self._shift
        self._shift += 7
        if not byte & 0x80:
            self._state = _BODY
        elif self._shift == 28:
            self._add(found, Malformed("a length of more than four bytes"))

    def _take_body(self, data, at):
        """How many bytes of `data` belong to the packet; those that the buffer has no room for are skipped."""
        take = min(len(data) - at, self._length - self._have)
        keep = min(take, max(0, len(self._buffer) - self._have))
        if keep:
            self._buffer[self._have : self._have + keep] = data[at : at + keep]
        self._have += take
        return take

    def _add(self, found, packet):
        found.append(packet)
        if isinstance(packet, Malformed):
            self._state = _DEAD

    def _packet(self):
        kind, flags = self._first >> 4, self._first & 15
        body = memoryview(self._buffer)[: min(self._length, len(self._buffer))]
        if kind == packets.PUBLISH:
            return _publish(flags, body, self._length)
        if flags:
            return Malformed("flags %d in a packet of type %d" % (flags, kind))
        if kind == packets.SUBACK:
            return _suback(body, self._length)
        if kind in _FIXED:
            length, read = _FIXED[kind]
            if self._length != length:
                return Malformed("%d bytes in a packet of type %d" % (self._length, kind))
            return read(body)
        return Malformed("a packet of type %d is not for a client" % kind)


def _publish(flags, body, length):
    qos, again = flags >> 1 & 3, flags >> 3
    if qos > 1:
        return Malformed("QoS %d was not asked for" % qos)
    if again and not qos:
        return Malformed("QoS 0 is not sent again")
    start = 2 + (body[0] << 8 | body[1]) if length >= 2 and len(body) >= 2 else 2
    end = start + 2 * qos
    if end > length or start == 2:
        return Malformed("a publication without a topic" if end <= length else "a publication ends too early")
    if end > len(body):
        return Malformed("a topic of %d bytes" % (start - 2))
    topic = _text(body[2:start])
    if topic is None or "+" in topic or "#" in topic:
        return Malformed("the topic of a publication is none")
    packet_id = body[start] << 8 | body[start + 1] if qos else 0
    if qos and not packet_id:
        return Malformed("packet id 0")
    payload = None if length > len(body) else bytes(body[end:])
    return Publish(topic, payload, qos, packet_id, flags & 1, again)


def _suback(body, length):
    if length < 3 or length > len(body):
        return Malformed("a SUBACK of %d bytes" % length)
    codes = bytes(body[2:])
    if any([code > 2 and code != _REFUSED for code in codes]):
        return Malformed("a SUBACK with a reserved code")
    acknowledged = _id_of(body)
    return Suback(acknowledged, codes) if acknowledged else Malformed("packet id 0")


def _connack(body):
    if body[0] > 1 or body[1] >= _CONNACK_CODES or (body[0] and body[1]):
        return Malformed("a CONNACK of %02x %02x" % (body[0], body[1]))
    return Connack(body[0], body[1])


def _puback(body):
    return Puback(_id_of(body)) if _id_of(body) else Malformed("packet id 0")


def _pingresp(body):
    return Pingresp()


def _id_of(body):
    return body[0] << 8 | body[1]


def _text(body):
    """The text in UTF-8 bytes, or None where they are none or hold a NUL (section 1.5.3)."""
    try:
        text = bytes(body).decode()
    except (UnicodeError, ValueError):
        return None
    return None if "\x00" in text else text


_FIXED = {  # by type: length, and what reads it
    packets.CONNACK: (2, _connack),
    packets.PUBACK: (2, _puback),
    packets.PINGRESP: (0, _pingresp),
}
