"""MQTT 3.1.1 control packets that a client sends, as bytes.

The rule: one function a packet, plain arguments in, one bytearray out; what the specification forbids is refused here
and never reaches a broker. A PUBLISH may be marked as sent again in place.
Specification: OASIS MQTT 3.1.1, chapters 2 and 3. Runs on MicroPython and CPython.
"""

CONNECT, CONNACK, PUBLISH, PUBACK = 1, 2, 3, 4
SUBSCRIBE, SUBACK, PINGREQ, PINGRESP, DISCONNECT = 8, 9, 12, 13, 14
ID_MAX = 0xFFFF
LENGTH_MAX = (1 << 28) - 1  # what four bytes of seven bits hold
_DUP = 8
_PROTOCOL = b"\x00\x04MQTT\x04"  # name and level


class PacketError(ValueError):
    """The packet is not allowed; the message says why."""


def connect(client_id, keep_alive_s, user=None, password=None, will=None, clean_session=False):
    """`will`: (topic, payload, qos, retain) that the broker publishes when we are gone without a word, or None."""
    if not 0 <= keep_alive_s <= 0xFFFF:
        raise PacketError("keep-alive is 0 to 65535 s, not %d" % keep_alive_s)
    if password is not None and user is None:
        raise PacketError("a password needs a user name")
    if not client_id and not clean_session:
        raise PacketError("a session that is kept needs a client id")
    flags = clean_session << 1
    fields = [_counted(client_id)]
    if will is not None:
        topic, payload, qos, retain = will
        flags |= 4 | _qos(qos) << 3 | retain << 5
        fields += [_topic(topic), _counted(payload)]
    if user is not None:
        flags |= 0x80
        fields.append(_counted(user))
    if password is not None:
        flags |= 0x40
        fields.append(_counted(password))
    head = _PROTOCOL + bytes((flags, keep_alive_s >> 8, keep_alive_s & 0xFF))
    return _packet(CONNECT << 4, [head] + fields)


def publish(topic, payload, qos=0, packet_id=0, retain=False):
    """`packet_id` 1 to 65535 with QoS 1, 0 with QoS 0."""
    if qos not in (0, 1):
        raise PacketError("QoS %d is not spoken here" % qos)
    if qos:
        fields = [_topic(topic), _id(packet_id), payload]
    else:
        fields = [_topic(topic), payload]
    return _packet(PUBLISH << 4 | qos << 1 | retain, fields)


def mark_again(packet):
    """Mark the bytearray of a PUBLISH with QoS 1 as sent again (section 3.3.1.1)."""
    packet[0] |= _DUP


def puback(packet_id):
    return _packet(PUBACK << 4, [_id(packet_id)])


def subscribe(packet_id, filters, qos=1):
    if not filters:
        raise PacketError("a subscription needs a topic")
    fields = [_id(packet_id)]
    for one in filters:
        fields += [_counted(one), bytes((_qos(qos),))]
    return _packet(SUBSCRIBE << 4 | 2, fields)


def pingreq():
    return _packet(PINGREQ << 4, [])


def disconnect():
    return _packet(DISCONNECT << 4, [])


def _packet(first, fields):
    length = sum([len(field) for field in fields])
    if length > LENGTH_MAX:
        raise PacketError("%d bytes are more than a packet holds" % length)
    out = bytearray((first,))
    while True:
        out.append(length & 0x7F | (0x80 if length > 0x7F else 0))
        length >>= 7
        if not length:
            break
    for field in fields:
        out += field
    return out


def _counted(text):
    """A string or bytes with its length before it (section 1.5.3)."""
    if isinstance(text, str):
        if "\x00" in text:
            raise PacketError("a text with a NUL")
        text = text.encode()
    if len(text) > 0xFFFF:
        raise PacketError("%d bytes are more than a field holds" % len(text))
    return bytes((len(text) >> 8, len(text) & 0xFF)) + text


def _topic(topic):
    if not topic or "+" in topic or "#" in topic:
        raise PacketError("'%s' is not a topic to publish on" % topic)
    return _counted(topic)


def _id(packet_id):
    if not 1 <= packet_id <= ID_MAX:
        raise PacketError("a packet id is 1 to 65535, not %d" % packet_id)
    return bytes((packet_id >> 8, packet_id & 0xFF))


def _qos(qos):
    if not 0 <= qos <= 2:
        raise PacketError("QoS is 0, 1 or 2, not %d" % qos)
    return qos
