"""One MQTT 3.1.1 session of a client: packets and times in, packets and events out, no I/O.

The rule: a publication with QoS 1 stays here until its PUBACK, through any number of connections, each of which sends
it again with DUP first; how many are under way is bounded, and what comes in is acknowledged only after whoever got it
says `taken`. Nothing waits: a broker that does not answer is `late` at its time.
Specification: OASIS MQTT 3.1.1, sections 3.1.2.4, 4.3.2, 4.4. Runs on MicroPython and CPython.
"""

from collections import namedtuple

from edge.mqtt import incoming, packets

OFFLINE, CONNECTING, ONLINE = "offline", "connecting", "online"
ANSWER_MS = 20000  # what a broker may take for CONNACK, PUBACK, SUBACK, PINGRESP

Online = namedtuple("Online", ("session_present",))
Refused = namedtuple("Refused", ("code",))  # 1 protocol, 2 client id, 3 unavailable, 4 password, 5 not allowed
Captured = namedtuple("Captured", ("mark",))  # PUBACK for the publication with this mark
Subscribed = namedtuple("Subscribed", ("refused",))  # how many topics the broker refused
Message = namedtuple("Message", ("topic", "payload", "packet_id"))  # payload None: too long to be kept
Broken = namedtuple("Broken", ("reason",))  # the broker does not keep to the protocol


class Client:
    """`will` as packets.connect has it. Times are milliseconds that only go on. Bytes to send wait in `out`."""

    def __init__(self, client_id, user=None, password=None, will=None, keep_alive_s=60, in_flight=4, buffer_bytes=2048):
        self._hello = packets.connect(client_id, keep_alive_s, user, password, will)
        self._keep_alive_ms = keep_alive_s * 1000
        self._incoming = incoming.Incoming(buffer_bytes)
        self._in_flight = in_flight
        self._under_way: list = []  # [packet id, packet, mark], in the order of sending
        self._last_id = 0
        self.out: list = []
        self._off()

    def _off(self):
        self.state = OFFLINE
        self._answer_by_ms = None
        self._sent_ms = 0
        self._pings = 0
        self.subscriptions = 0  # that the broker has not answered yet

    def wrote(self, n):
        """The transport took so many bytes of `out[0]`; what it did not take is offered again from there."""
        if n == len(self.out[0]):
            del self.out[0]
        else:
            self.out[0] = memoryview(self.out[0])[n:]

    @property
    def under_way(self):
        """How many publications have no PUBACK yet."""
        return len(self._under_way)

    @property
    def room(self):
        """How many more may be published now."""
        return self._in_flight - len(self._under_way) if self.state == ONLINE else 0

    def connect(self, now_ms):
        """A transport is there."""
        self._incoming.reset()
        self.out = [self._hello]
        self._off()
        self.state = CONNECTING
        self._expect(now_ms)

    def lost(self):
        """The transport is gone. What is under way stays."""
        self.out = []
        self._off()

    def forget(self):
        """Nothing is under way any more; whoever published has it still."""
        self._under_way = []

    def received(self, data, now_ms):
        """Events from bytes of the broker."""
        events = []
        for packet in self._incoming.feed(data):
            if self.state == OFFLINE:
                break
            event = self._handle(packet, now_ms)
            if event is not None:
                events.append(event)
        return events

    def publish(self, topic, payload, mark, now_ms, retain=False):
        """With QoS 1; `mark` comes back in Captured. False where there is no room."""
        if self.room <= 0:
            return False
        packet_id = self._next_id()
        packet = packets.publish(topic, payload, 1, packet_id, retain)
        self._under_way.append((packet_id, packet, mark))
        self._put(packet, now_ms)
        self._expect(now_ms)
        return True

    def subscribe(self, topics, now_ms):
        """With QoS 1."""
        self._put(packets.subscribe(self._next_id(), topics), now_ms)
        self.subscriptions += 1
        self._expect(now_ms)

    def taken(self, message, now_ms):
        """A Message has been dealt with: it is acknowledged."""
        if message.packet_id and self.state == ONLINE:
            self._put(packets.puback(message.packet_id), now_ms)

    def disconnect(self, now_ms):
        """The last word; the will is not published then."""
        if self.state == ONLINE:
            self._put(packets.disconnect(), now_ms)

    def late(self, now_ms):
        """Whether the broker owes an answer for too long: the connection is dead. Keeps it alive where it is not."""
        if self.state == OFFLINE:
            return False
        if self._answer_by_ms is not None and now_ms >= self._answer_by_ms:
            return True
        if self.state == ONLINE and self._keep_alive_ms and now_ms - self._sent_ms >= self._keep_alive_ms // 2:
            self._put(packets.pingreq(), now_ms)
            self._pings += 1
            self._expect(now_ms)
        return False

    def _put(self, packet, now_ms):
        self.out.append(packet)
        self._sent_ms = now_ms

    def _expect(self, now_ms):
        """One more answer is owed; it does not give those before it more time."""
        if self._answer_by_ms is None:
            self._answer_by_ms = now_ms + ANSWER_MS

    def _got(self, now_ms):
        """An answer came: the next one has its time from now on."""
        owed = self.state == CONNECTING or self._under_way or self.subscriptions or self._pings
        self._answer_by_ms = now_ms + ANSWER_MS if owed else None

    def _next_id(self):
        used = [one[0] for one in self._under_way]
        while True:
            self._last_id = self._last_id % packets.ID_MAX + 1
            if self._last_id not in used:
                return self._last_id

    def _handle(self, packet, now_ms):
        if isinstance(packet, incoming.Malformed):
            return self._break(packet.reason)
        if isinstance(packet, incoming.Connack):
            return self._connected(packet, now_ms)
        if self.state != ONLINE:
            return self._break("the first packet is no CONNACK")
        if isinstance(packet, incoming.Puback):
            return self._captured(packet.packet_id, now_ms)
        if isinstance(packet, incoming.Publish):
            return Message(packet.topic, packet.payload, packet.packet_id)
        if isinstance(packet, incoming.Suback):
            self.subscriptions = max(0, self.subscriptions - 1)
            self._got(now_ms)
            return Subscribed(sum([code == 0x80 for code in packet.codes]))
        self._pings = 0
        self._got(now_ms)
        return None

    def _connected(self, packet, now_ms):
        if self.state != CONNECTING:
            return self._break("a second CONNACK")
        if packet.code:
            self.lost()
            return Refused(packet.code)
        self.state = ONLINE
        for one in self._under_way:
            packets.mark_again(one[1])
            self._put(one[1], now_ms)
        self._got(now_ms)
        return Online(packet.session_present)

    def _captured(self, packet_id, now_ms):
        for i, one in enumerate(self._under_way):
            if one[0] == packet_id:
                del self._under_way[i]
                self._got(now_ms)
                return Captured(one[2])
        return None  # for what an earlier life published

    def _break(self, reason):
        self.lost()
        return Broken(reason)
