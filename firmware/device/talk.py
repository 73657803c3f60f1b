"""One conversation with the broker: live reading, status, backlog, and what the cloud has to say. Bounded in time.

The rule: PUBACK means captured (`desk.sent`), only `ack` frees the outbox (`desk.acked`). A connection that breaks is
made again after a jittered pause while there is time; what was under way then goes first, marked as sent again. The
watchdog is fed at every turn, and no turn takes longer than a second. MicroPython only.
"""

import gc
from time import sleep_ms, ticks_diff, ticks_ms

from micropython import const

from edge.mqtt import backoff, client, downlink
from edge.mqtt.owed import Owed
from firmware.device.trouble import Trouble
from schemas import topics
from schemas.wire import WireError, encode

FRAME_BYTES = const(384)  # of the binary format: some thirty readings
_LIVE = const(8)  # the newest, and what rides along
_CHUNK = const(12)  # readings of the backlog that are in memory at once
_STEP_MS = const(1000)
_ACK_MS = const(4000)  # how long to listen for `ack` at the end
_ACK_IN_VAIN_MS = const(500)  # where none came last time: the broker keeps them for us
_TRIES = const(4)
_STATUS = "status"
_REFUSALS = (3,)  # CONNACK: the server is unavailable, which passes


class Talk:
    """`open_stream()` gives a connected Stream; client, buffer and what is kept are the carrier's."""

    def __init__(self, carrier, desk, open_stream, limit_ms):
        self._carrier = carrier
        self._client = carrier.client
        self._desk = desk
        self._open = open_stream
        self._start = ticks_ms()
        self._limit_ms = limit_ms
        self._stream = None
        self._owed = Owed()
        self._live = True  # still to be sent
        self._ages = False  # frames under way say how old they are, not when they were measured
        self.captured = 0  # readings
        self.heard = False  # the broker let us in
        self.acked = False

    def run(self):
        """Raises Trouble where it did not come to its end."""
        tries = 0
        try:
            while True:
                try:
                    self._connect()
                    return self._converse()
                except Trouble as trouble:
                    tries += 1
                    if trouble.refused or tries == _TRIES or self._left_ms() <= 0:
                        raise
                    self._carrier.lost(trouble)
                self._hang_up()
                if self._ages:  # they have grown older since; the desk offers them again
                    self._client.forget()
                self._pause(backoff.delay_ms(tries, self._carrier.chance()))
        finally:
            self._hang_up()
            self._client.forget()

    def _hang_up(self):
        if self._stream is not None:
            self._stream.close()
            self._stream = None
        self._client.lost()

    def _now(self):
        return ticks_diff(ticks_ms(), self._start)

    def _left_ms(self):
        return self._limit_ms - self._now()

    def _pause(self, ms):
        while ms > 0 and self._left_ms() > 0:
            sleep_ms(min(ms, _STEP_MS))
            ms -= _STEP_MS
            self._carrier.feed()

    def _connect(self):
        self._stream = self._open()
        self._client.connect(self._now())
        self._turn_while(lambda: self._client.state == client.CONNECTING)
        if self._client.state != client.ONLINE:
            raise Trouble("lost", "no time was left to connect")

    def _converse(self):
        me = self._client
        device = self._carrier.device
        me.subscribe((topics.topic(topics.ACK, device), topics.topic(topics.DOWN, device)), self._now())
        self._turn_while(lambda: me.subscriptions)  # what the broker kept for us comes before its answer
        if self._live:
            self._publish(self._desk.newest(_LIVE))
            self._live = False
        self._settle()
        self._tell_status()
        while self._left_ms() > 0:
            gc.collect()  # the outbox reads whole segments of flash: they need room in one piece
            if not self._send_chunk(self._desk.backlog(_CHUNK)):
                break
        self._settle()
        self._listen()
        if self._desk.status() is not None:  # the answer to a command that came meanwhile
            self._tell_status()
            self._settle()
        self._part()

    def _part(self):
        """The last word, and until the broker hangs up: only then is it certain that it keeps our will to itself."""
        self._client.disconnect(self._now())
        certain, self._carrier.said_online = self._carrier.said_online, False
        until_ms = self._now() + _STEP_MS
        try:
            while self._now() < until_ms:
                self._write()
                if not self._stream.read_into(self._carrier.buffer):
                    self._stream.wait(max(1, until_ms - self._now()), bool(self._client.out))
        except Trouble:
            self._carrier.said_online = certain

    def _settle(self):
        self._turn_while(lambda: self._client.under_way)

    def _publish(self, readings):
        """One frame of the first of these; how many are dealt with."""
        frame, n = self._frame(readings)
        if frame is not None:
            topic = topics.topic(topics.RAW, self._carrier.device)
            self._ages = self._ages or readings[0].time_s is None
            if self._client.publish(topic, frame, readings[:n], self._now()):
                for reading in readings[:n]:
                    self._owed.add(reading.generation, reading.seq)
        return n

    def _frame(self, readings):
        """(bytes, n): the frame of the first n. One that cannot be told is named, and stays in the outbox."""
        for some in (readings, readings[:1]):
            try:
                return encode(some, FRAME_BYTES) if some else (None, 0)
            except WireError as error:
                reason = str(error)
        self._desk.fault("other", "frame: " + reason)
        return None, 1

    def _send_chunk(self, readings):
        """Whether there may be more to send."""
        before = self.captured
        while readings and self._left_ms() > 0:
            self._turn_while(lambda: self._client.room <= 0)
            if self._client.room > 0:
                readings = readings[self._publish(readings) :]
        self._settle()
        return self.captured > before

    def _tell_status(self):
        status = self._desk.status()
        if status is None and self._carrier.said_online:
            return
        body = self._carrier.status_body(status)
        topic = topics.topic(topics.STATUS, self._carrier.device)
        self._turn_while(lambda: self._client.room <= 0)
        self._client.publish(topic, body, _STATUS if status else None, self._now(), True)
        self._settle()

    def _listen(self):
        until = self._now() + (_ACK_IN_VAIN_MS if self._carrier.acks_in_vain else _ACK_MS)
        self._turn_while(lambda: len(self._owed) and self._now() < until)
        if len(self._owed):
            self._carrier.acks_in_vain = not self.acked
        elif self.acked:
            self._carrier.acks_in_vain = False

    def _turn_while(self, condition):
        while condition() and self._left_ms() > 0:
            self._turn()

    def _turn(self):
        """Move bytes once, or wait for some."""
        now_ms = self._now()
        self._carrier.feed()
        if self._client.late(now_ms):
            raise Trouble("lost", "the broker does not answer")
        wrote = self._write()
        buffer = self._carrier.buffer
        n = self._stream.read_into(buffer)
        if n:
            for event in self._client.received(memoryview(buffer)[:n], now_ms):
                self._handle(event)
        elif not wrote:
            self._stream.wait(min(_STEP_MS, max(1, self._left_ms())), bool(self._client.out))

    def _write(self):
        out = self._client.out
        wrote = False
        while out:
            n = self._stream.write(out[0])
            if not n:
                break
            wrote = True
            self._client.wrote(n)
        return wrote

    def _handle(self, event):
        if isinstance(event, client.Captured):
            self._captured(event.mark)
        elif isinstance(event, client.Message):
            self._message(event)
        elif isinstance(event, client.Online):
            self.heard = True
        elif isinstance(event, client.Subscribed):
            if event.refused:
                self._desk.fault("refused", "broker: a subscription")
        elif isinstance(event, client.Refused):
            raise Trouble("login", "the broker refuses us (%d)" % event.code, event.code not in _REFUSALS)
        elif isinstance(event, client.Broken):
            raise Trouble("broker", event.reason)

    def _captured(self, mark):
        if isinstance(mark, list):
            self.captured += len(mark)
            self._desk.sent(mark)
        else:
            self._carrier.said_online = True
            if mark == _STATUS:
                self._desk.status_sent()

    def _message(self, message):
        try:
            kind, _ = topics.parse(message.topic)
            if kind == topics.ACK:
                ranges = downlink.acknowledgement(message.payload)
                self.acked = True
                self._owed.stored(ranges)
                self._desk.acked(ranges)
            elif kind == topics.DOWN:
                name, command = downlink.command(message.payload)
                if self._carrier.is_new(name, command):
                    self._desk.command(command)
        except ValueError as error:  # of topics or downlink: said, and not sent again
            self._desk.fault("downlink", str(error))
        self._client.taken(message, self._now())
