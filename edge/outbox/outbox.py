"""The outbox over a folder of files: segments of readings, and what of them the cloud has stored.

The rule: a reading is on flash before anything is made of it, and leaves it when the cloud has stored it, or when there
is no more room: then the oldest segment goes first, and what was lost with it is counted. State is written before a
file is removed, so that a power cut between the two counts nothing twice. A segment is one file, only appended to.

`files`: `read(name)`, `open(name)` (a file to read), `append(name, data)`, `write(name, data)` (the whole or nothing),
`remove(name)`, `list()`; they raise OSError. Wear: one append a reading, and a small `write` an acknowledgement.
"""

import json

from edge.outbox.ranges import Ranges
from edge.outbox.record import pack_record, reading_of, record_at, scan

SEGMENT_READINGS = 64
SEGMENTS_MAX = 48  # 3,008 readings and more: 31 days at 15 minutes
_STATE = "state"


class Outbox:
    """`begin(generation, goes_on)` before the first `put`. `held_generation`: of the newest reading, None without."""

    def __init__(self, files, segments_max=SEGMENTS_MAX):
        self._files = files
        self._most = segments_max
        self.damaged = 0  # bytes that belonged to no reading, since this start
        self.forgotten = 0  # readings that had to go unsent, ever
        self._floor = (0, 0)  # (generation, seq): everything before it has gone
        self._acked = {}  # generation -> Ranges
        self._generations, self._firsts = [], []
        self.certain = True  # whether the newest reading is the last one that was counted
        self._read_state()
        self._read_names()
        self._count = 0  # readings in the newest segment
        self.generation, self.next_seq = None, 1
        self.newest = None  # the last Record
        self._open_newest()

    @property
    def held_generation(self):
        """Generation of the newest segment, None for an empty outbox."""
        return self._generations[-1] if self._generations else None

    @property
    def newest_segment(self):
        """The first seq of the newest segment, 0 without: NVS remembers it, so that a lost segment shows."""
        return self._firsts[-1] if self._firsts else 0

    def begin(self, generation, goes_on):
        """Count in this generation; `goes_on`: after the newest reading that is held."""
        if not goes_on:
            self.next_seq = 1
            self._count = SEGMENT_READINGS  # a segment of its own
        self.generation = generation

    def put(self, reading, boot, uptime_s):
        """`(the reading with its identity, whether flash has it)`; the count goes on either way."""
        reading = type(reading)(self.generation, self.next_seq, *reading[2:])
        self.next_seq += 1
        data = pack_record(reading, boot, uptime_s)
        if self._count >= SEGMENT_READINGS and len(self._firsts) >= self._most:
            self._forget_oldest()
        while not self._append(reading.seq, data):
            if not self._forget_oldest():
                self._stored(self.generation, reading.seq, reading.seq)  # nobody has it: do not look for it
                self._count = SEGMENT_READINGS
                return reading, False
        return reading, True

    def waiting(self):
        """How many readings are held that the cloud has not stored yet."""
        n = 0
        for i in range(len(self._firsts)):
            first, last = self._span(i)
            n += last - first + 1 - self._of(self._generations[i]).within(first, last)
        return n

    def newest_first(self, wanted=None):
        """`(WireReading, boot, uptime_s)` of what waits, newest first; `wanted(generation, seq)` chooses."""
        for i in range(len(self._firsts) - 1, -1, -1):
            generation = self._generations[i]
            acked = self._of(generation)
            first, last = self._span(i)
            if acked.within(first, last) == last - first + 1:
                continue
            if wanted and not any(wanted(generation, seq) for seq in range(first, last + 1) if seq not in acked):
                continue
            offsets, _ = self._records(i)
            for n in range(len(offsets) - 1, -1, -1):
                record = self._record(i, offsets[n])
                if record is None or record.seq in acked or (wanted and not wanted(generation, record.seq)):
                    continue
                reading = reading_of(record)
                if reading is not None:
                    yield reading, record.boot, record.uptime_s

    def acked(self, ranges):
        """The cloud has stored [(generation, first, last), …] for good. Whether any of it was news."""
        news = False
        for generation, first, last in ranges:
            if generation in self._generations and first <= last:
                news = self._stored(generation, first, last) or news
        if news:
            self._free()
        return news

    def again(self, ranges):
        """The cloud asks for these once more: as far as they are held, they wait again."""
        for generation, first, last in ranges:
            if generation in self._acked:
                self._acked[generation].remove(first, last)

    def _of(self, generation):
        return self._acked.get(generation) or Ranges()

    def _stored(self, generation, first, last):
        if generation not in self._acked:
            self._acked[generation] = Ranges()
        return self._acked[generation].add(first, last)

    def _span(self, i):
        """(first, last) seq of a segment. Numbers that flash did not take are marked as stored, so spans may touch."""
        first = self._firsts[i]
        if i == len(self._firsts) - 1:
            return first, (self.next_seq - 1 if self._counting(i) else self._last_of(i))
        if self._generations[i + 1] == self._generations[i]:
            return first, self._firsts[i + 1] - 1
        return first, self._last_of(i)

    def _counting(self, i):
        return self.generation is None or self._generations[i] == self.generation

    def _last_of(self, i):
        offsets, _ = self._records(i)
        record = self._record(i, offsets[-1]) if offsets else None
        return record.seq if record else self._firsts[i]

    def _records(self, i):
        """(offsets of a segment's records, damaged bytes behind the last one)"""
        try:
            with self._files.open(_name(self._generations[i], self._firsts[i])) as file:
                offsets, lost, behind = scan(file)
        except OSError:
            self.damaged += 1
            return [], 1
        self.damaged += lost
        return offsets, behind

    def _record(self, i, offset):
        """The record of a segment at an offset; None where flash does not give it any more."""
        try:
            with self._files.open(_name(self._generations[i], self._firsts[i])) as file:
                return record_at(file, offset)
        except OSError:
            return None

    def _append(self, seq, data):
        new = self._count >= SEGMENT_READINGS or not self._firsts
        first = seq if new else self._firsts[-1]
        try:
            self._files.append(_name(self.generation, first), data)
        except OSError:
            return False
        if new:
            self._generations.append(self.generation)
            self._firsts.append(seq)
            self._count = 0
        self._count += 1
        return True

    def _free(self):
        """Remove segments that the cloud has wholly stored, except the newest, which carries the count on."""
        i = 0
        gone = []
        while i < len(self._firsts) - 1:
            first, last = self._span(i)
            if self._of(self._generations[i]).within(first, last) == last - first + 1:
                gone.append(_name(*self._drop(i)))
            else:
                i += 1
        self._save()
        self._remove(gone)

    def _forget_oldest(self):
        """Make room; False where there is nothing left to give away."""
        if len(self._firsts) < 2:
            return False
        first, last = self._span(0)
        lost = last - first + 1 - self._of(self._generations[0]).within(first, last)
        name = _name(*self._drop(0))
        self.forgotten += lost
        self._floor = (self._generations[0], self._firsts[0])
        self._save()
        self._remove([name])
        return True

    def _drop(self, i):
        """Take a segment out of the table: (generation, first)."""
        key = (self._generations[i], self._firsts[i])
        del self._generations[i], self._firsts[i]
        return key

    def _save(self):
        for generation in list(self._acked):
            if generation not in self._generations:
                del self._acked[generation]
        if self._firsts and self._generations[0] in self._acked:
            self._acked[self._generations[0]].remove(0, self._firsts[0] - 1)
        state = {
            "acked": [[generation, ranges.flat] for generation, ranges in self._acked.items()],
            "forgotten": self.forgotten,
            "floor": self._floor,
        }
        try:
            self._files.write(_STATE, json.dumps(state).encode())
        except OSError:
            pass  # what is not remembered as stored is sent once more

    def _remove(self, names):
        for name in names:
            try:
                self._files.remove(name)
            except OSError:
                pass  # the next start finds it below the floor, or sends it once more

    def _read_state(self):
        try:
            state = json.loads(self._files.read(_STATE))
            self.forgotten = state["forgotten"] + 0
            self._floor = (state["floor"][0] + 0, state["floor"][1] + 0)
            self._acked = {generation: Ranges(flat) for generation, flat in state["acked"]}
        except OSError:
            pass
        except (ValueError, KeyError, TypeError, IndexError):
            self.damaged += 1
            self._acked = {}

    def _read_names(self):
        below = []
        for name in sorted(self._files.list()):
            key = _key(name)
            if key is not None and key < self._floor:
                below.append(name)
            elif key is not None:
                self._generations.append(key[0])
                self._firsts.append(key[1])
        self._remove(below)

    def _open_newest(self):
        offsets: list = []
        behind = 0
        while self._firsts and not offsets and not behind:
            offsets, behind = self._records(len(self._firsts) - 1)
            if not offsets and not behind:  # made, and the power failed before its first reading was in
                self._remove([_name(*self._drop(len(self._firsts) - 1))])
        if not self._firsts:
            return
        self._count = SEGMENT_READINGS if behind else len(offsets)  # never behind what may be half a record
        self.certain = not behind and bool(offsets)
        self.newest = self._record(len(self._firsts) - 1, offsets[-1]) if offsets else None
        self.next_seq = (self.newest.seq if self.newest else self._firsts[-1]) + 1


def _name(generation, first):
    return "%08x%08x" % (generation, first)


def _key(name):
    """(generation, first seq) of a segment's name, None for any other file."""
    if len(name) != 16:
        return None
    try:
        return int(name[:8], 16), int(name[8:], 16)
    except ValueError:
        return None
