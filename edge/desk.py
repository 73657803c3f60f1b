"""Between the station and its radio: what is to be sent, what has been, what the cloud has said. No radio, no clock.

The rule: a reading is due until the cloud has stored it. What was sent is not sent again before there is a reason: the
cloud has acknowledged a later one (then it is a gap), it asks for it, or nothing was acknowledged for a day. The
newest goes first, alone or with earlier ones beside it; gaps go in the backlog lane.
"""

from edge.outbox.ranges import Ranges
from schemas.status import Status

GAP_AFTER_MS = 60000  # acknowledgements of what was sent together may come in any order
AGAIN_AFTER_MS = 86400000
FAULTS_MAX = 8


class Desk:
    """`now_ms()`: uptime; `configure(text)`: takes a change of configuration, returns what is wrong or ""; `status()`:
    the Status without what the desk knows (faults of the radio, the answer); `kept`: what `to_dict` gave.
    """

    def __init__(self, outbox, clock, boot, now_ms, configure, status, kept=None, status_every_ms=86400000):
        kept = kept or {}
        self._outbox, self._clock, self._boot = outbox, clock, boot
        self.tell = _untold  # (what, **facts): for whoever looks on
        self.now_ms = now_ms
        self._configure, self._status = configure, status
        self._sent = Ranges(kept.get("sent", ()), 16)  # of the generation that counts
        self._recent = Ranges((), 16)  # of them, what may still be on its way
        self._sent_ms = kept.get("sent_ms", 0)  # when the last of them was
        self._acked_ms = kept.get("acked_ms", 0)
        self._generation = kept.get("generation", outbox.generation)
        if self._generation != outbox.generation:
            self._sent, self._generation = Ranges((), 16), outbox.generation
        self.radio_faults = [tuple(one) for one in kept.get("faults", ())]
        self._answer = kept.get("answer")
        self._status_ms = kept.get("status_ms")  # None: none was sent yet
        self._told = kept.get("told")  # what the last status said, in short
        self._status_every_ms = status_every_ms

    def to_dict(self):
        return {
            "sent": self._sent.flat, "sent_ms": self._sent_ms, "acked_ms": self._acked_ms,
            "generation": self._generation, "faults": self.radio_faults, "answer": self._answer,
            "status_ms": self._status_ms, "told": self._told,
        }  # fmt: skip

    def newest(self, limit):
        """Readings that the cloud has not stored, newest first, whether or not they have been sent."""
        return self._take(limit, None)

    def backlog(self, limit):
        """Gaps and what was never sent, newest first, without the newest; [] where there is none."""
        self._age()
        newest = (self._outbox.generation, self._outbox.next_seq - 1)
        return self._take(limit, lambda generation, seq: self._due(generation, seq) and (generation, seq) != newest)

    def _due(self, generation, seq):
        return generation != self._generation or seq not in self._sent

    def _take(self, limit, wanted):
        out: list = []
        for reading, boot, uptime_s in self._outbox.newest_first(wanted):
            if out and reading.generation != out[-1].generation:
                break
            reading = self._timed(reading, boot, uptime_s)
            if out and (reading.time_s is None) != (out[0].time_s is None):
                break  # a frame has times or ages
            out.append(reading)
            if len(out) >= limit:
                break
        return out

    def _timed(self, reading, boot, uptime_s):
        """With its time as it is known now; else its age, where it is of this boot."""
        if reading.time_s is not None:
            return reading
        when = self._clock.resolve(boot, uptime_s * 1000)
        if when is not None:
            utc_ms, source, unc_ms = when
            return _with(reading, (utc_ms + 500) // 1000, None, source, (unc_ms + 1000) / 1000)
        if boot == self._boot:
            return _with(reading, None, max(0, self.now_ms() // 1000 - uptime_s), "none", None)
        return _with(reading, None, None, "none", None)

    def sent(self, readings):
        """These are on their way."""
        now = self.now_ms()
        if now - self._sent_ms > GAP_AFTER_MS:
            self._recent = Ranges((), 16)
        for reading in readings:
            if reading.generation == self._generation:
                self._sent.add(reading.seq, reading.seq)
                self._recent.add(reading.seq, reading.seq)
        self._sent_ms = now

    def acked(self, ranges):
        """[(generation, first, last)] are stored for good. What was sent before them and is not among them is a gap."""
        self._outbox.acked(ranges)
        self.tell("stored", ranges=ranges)
        self._acked_ms = self.now_ms()
        highest = max([last for generation, _, last in ranges if generation == self._generation], default=-1)
        if highest >= 0:
            self._sent.remove(0, highest)
            for i in range(0, len(self._recent.flat), 2):
                self._sent.add(self._recent.flat[i], self._recent.flat[i + 1])

    def _age(self):
        if self.now_ms() - self._acked_ms > AGAIN_AFTER_MS:
            self._sent = Ranges((), 16)
            self._acked_ms = self.now_ms()

    def synced(self, utc_ms, source, uncertainty_s, at_ms):
        """A source has told the time; one word of edge.clock."""
        said = self._clock.sync(utc_ms, source, int(uncertainty_s * 1000 + 0.5), at_ms)
        if said in ("doubted", "refused", "corrected"):
            self.fault("clock", said)
        return said

    def command(self, command):
        """A schemas.wire_down.DownCommand; the answer goes with the next status, which is due at once."""
        detail = ""
        if command.command == "resend":
            self._outbox.again(command.ranges)
            for generation, first, last in command.ranges:
                if generation == self._generation:
                    self._sent.remove(first, last)
        elif command.command == "configure":
            detail = self._configure(command.configuration)
        self._answer = [command.reference, not detail, detail[:32]]
        self._status_ms = None

    def fault(self, code, detail="", where="radio"):
        """Something about the radio or the time that has happened, and that the next status should say."""
        self.tell("fault", where=where, code=code, detail=detail)
        one = (code, detail[:32], where)
        if one not in self.radio_faults:
            self.radio_faults = (self.radio_faults + [one])[-FAULTS_MAX:]

    def status(self):
        """A schemas.wire_status.Status, None where none is due: at the start, on a change, once a day, when asked."""
        about = self._status()
        faults = sorted(about.faults) + [(where, code) for code, _, where in self.radio_faults]
        text = repr((about.config, faults, about.forgotten))
        told = sum([ord(c) * (i + 1) for i, c in enumerate(text)]) & 0xFFFFFF
        now = self.now_ms()
        if self._status_ms is not None and told == self._told and now - self._status_ms < self._status_every_ms:
            return None
        self._about = told
        fields: list = list(about)[:-2]
        return Status(*(fields + [faults, tuple(self._answer) if self._answer else None]))

    def status_sent(self):
        """The status that was asked for last has gone out."""
        self._status_ms, self._told = self.now_ms(), self._about
        self._answer = None
        self.radio_faults = []


def _untold(what, **facts):
    pass


def _with(reading, time_s, age_s, source, uncertainty_s):
    return type(reading)(
        reading.generation, reading.seq, time_s, age_s, source, uncertainty_s, reading.values, reading.status
    )
