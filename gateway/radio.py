"""Datagrams in, answers and downlinks out: what the gateway does with what packet forwarders send. No socket, no clock.

The rule: nothing is acknowledged before it is on the disk. A datagram with frames is captured, then answered, then
its frames wait a moment for other gateways. A frame's readings, its frame counter and the removal of the captured
datagram are one transaction: a process that dies anywhere begins again where it was. Downlinks leave after that.
"""

import logging
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from gateway.counters import UNKNOWN_MAX, Faults, GatewayCounters, keep_bounds, note_read
from gateway.database import Database, StorageError
from gateway.decode import Read
from gateway.health_store import HealthStore
from gateway.lorawan.answers import Downlink
from gateway.lorawan.dedup import Deduplicator, Heard, Reception
from gateway.lorawan.downlinks import Downlinks
from gateway.lorawan.network import Handled, Network, Outcome
from gateway.lorawan.transmitter import Outgoing, Transmitter
from gateway.semtech import datagrams
from gateway.semtech.forwarders import Address, Forwarders
from gateway.semtech.objects import Crc
from gateway.spool import GWMP, Input, Spool, Undecoded
from gateway.unread import UnreadPayloads

RETRY_MS = 5000  # after the spool could not be written
_NORMAL = {
    Outcome.READINGS, Outcome.STATUS, Outcome.UNDECODED, Outcome.EMPTY, Outcome.JOIN, Outcome.NOT_FOR_US,
    Outcome.RETRANSMISSION,
}  # fmt: skip
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Now:
    """Milliseconds: since 1970, and of a clock that only goes forward."""

    wall_ms: int
    steady_ms: float


class Radio:
    """From datagrams to readings in the spool."""

    def __init__(
        self, database: Database, spool: Spool, network: Network, downlinks: Downlinks, unread: UnreadPayloads,
        forwarders: Forwarders,
        counters: GatewayCounters, faults: Faults,
    ) -> None:  # fmt: skip
        self._database = database
        self._spool = spool
        self._network = network
        self._downlinks = downlinks
        self._unread = unread
        self._health = HealthStore(database)
        self._forwarders = forwarders
        self._counters = counters
        self._faults = faults
        self._window = Deduplicator()
        self._left: Counter[int] = Counter()  # frames of a captured datagram that are not dealt with
        self._closed: list[Reception] = []  # not dealt with, in order: a frame that is overtaken is a replay
        self._retry_ms = 0.0  # not before, since the spool could not take what became of them
        self._transmitter = Transmitter(forwarders, counters, faults, self._sent)

    def take(self, batch: Sequence[tuple[bytes, Address]], now: Now) -> Outgoing:
        """Deals with datagrams and gives the answers to send. Captures all of them in one go."""
        answers: Outgoing = []
        pushes = []
        for datagram, address in batch:
            self._counters.datagrams += 1
            try:
                parsed = datagrams.parse(datagram)
            except datagrams.DatagramError as error:
                self._counters.bad_datagrams += 1
                self._faults.report("datagram", "a datagram from %s is not Semtech UDP: %s" % (address[0], error))
                continue
            if isinstance(parsed, datagrams.PushData) and self._admits(parsed.gateway, address):
                pushes.append((parsed, datagram, address))
                self._forwarders.said(parsed.gateway, address, parsed.stat, now.wall_ms)
            elif isinstance(parsed, datagrams.PullData) and self._admits(parsed.gateway, address):
                self._forwarders.pulled(parsed.gateway, address, parsed.version)
                answers.append((datagrams.pull_ack(parsed), address))
            elif isinstance(parsed, datagrams.TxAck):
                answers += self._transmitter.answered(parsed, now.wall_ms)
        return answers + self._capture(pushes, now)

    def work(self, now: Now, flush: bool = False) -> Outgoing:
        """Deals with frames whose window has closed; the downlinks to send.

        `flush`, at the start and the stop: with all frames at once, and no answers, for which it is too late.
        """
        self._closed += self._window.due(math.inf if flush else now.steady_ms)
        if not self._closed or (now.steady_ms < self._retry_ms and not flush):
            return []
        receptions = self._closed
        try:
            with self._database.transaction():
                handled = [self._handle(reception) for reception in receptions]
                new = self._spool.add(reading for one in handled for reading in one.read.readings)
                for one in handled:
                    self._keep(one, now.wall_ms)
                self._spool.release(self._done(receptions))
        except StorageError as error:
            self._retry_ms = now.steady_ms + RETRY_MS
            self._faults.report("spool", str(error))
            return []
        self._closed, self._retry_ms = [], 0.0
        for reception in receptions:
            self._left.subtract(one.input_id for one in reception.heard)
        self._left += Counter()  # drops what is at zero
        self._counters.readings += new
        for one in handled:
            self._count(one)
        keep_bounds(self._spool, self._counters, self._faults)
        if flush:
            return []
        return [out for one in handled if one.downlink for out in self._transmitter.send(one.downlink, now.wall_ms)]

    def _sent(self, downlink: Downlink) -> None:
        """A gateway has taken a downlink: an application's leaves the queue."""
        if downlink.item:
            try:
                with self._database.transaction():
                    self._downlinks.sent(downlink.item)
            except StorageError as error:  # it goes out once more
                self._faults.report("spool", str(error))

    def _keep(self, one: Handled, now_ms: int) -> None:
        """What is not a reading."""
        if one.read.undecoded:
            self._spool.add_undecoded(one.read.undecoded)
        if one.outcome is Outcome.UNKNOWN_DEVICE:
            self._unread.wants_to_join(one.detail, now_ms)
        for note in one.notes:
            self._health.note(one.device or "", note)

    def next_due_ms(self) -> float | None:
        """When `work` has something to do, on the steady clock."""
        due = [ms for ms in (self._window.next_due_ms(), self._retry_ms if self._closed else None) if ms is not None]
        return min(due, default=None)

    def replay(self, rows: Iterable[tuple[int, Input]], now: Now) -> None:
        """What a former run captured and did not finish. Follow with a flush. Raises StorageError."""
        for input_id, row in rows:
            parsed = datagrams.parse(row.payload)
            if isinstance(parsed, datagrams.PushData):
                self._enter(parsed, row.received_ms, input_id, now)
            if not self._left[input_id]:
                self._spool.release([input_id])

    def _admits(self, eui: str, address: Address) -> bool:
        if self._forwarders.admits(eui, address):
            return True
        self._counters.refused_datagrams += 1
        line = "gateway %s at %s is not in KLIMANETZ_GATEWAYS and is not heard; add it if it is yours"
        self._faults.report("gateway", line % (eui, address[0]))
        return False

    def _capture(self, pushes: list[tuple[datagrams.PushData, bytes, Address]], now: Now) -> Outgoing:
        """Commits what holds frames, and only then gives the acknowledgements."""
        answers: Outgoing = []
        keep = []
        for push, datagram, address in pushes:
            self._note_faults(push)
            if any(rx.crc is Crc.OK for rx in push.frames):
                keep.append((push, datagram, address))
            else:
                answers.append((datagrams.push_ack(push), address))
        try:
            inputs = [Input(GWMP, "%s" % address[0], now.wall_ms, datagram) for _, datagram, address in keep]
            ids = self._spool.capture(inputs) if inputs else []
        except StorageError as error:
            self._counters.not_captured += len(keep)
            self._faults.report("capture", "%s; frames are not acknowledged until then" % error)
            return answers
        for (push, _, address), input_id in zip(keep, ids, strict=True):
            self._enter(push, now.wall_ms, input_id, now)
            answers.append((datagrams.push_ack(push), address))
        return answers

    def _enter(self, push: datagrams.PushData, received_ms: int, input_id: int, now: Now) -> None:
        for rx in push.frames:
            if rx.crc is Crc.OK:
                self._left[input_id] += 1
                self._counters.frames += self._window.add(Heard(rx, received_ms, input_id), now.steady_ms)

    def _note_faults(self, push: datagrams.PushData) -> None:
        self._counters.bad_checksums += sum(rx.crc is not Crc.OK for rx in push.frames)
        self._counters.bad_objects += len(push.faults)
        if push.faults:
            self._faults.report("object", "gateway %s sent what cannot be read: %s" % (push.gateway, push.faults[0]))

    def _handle(self, reception: Reception) -> Handled:
        try:
            return self._network.handle(reception)
        except StorageError:
            raise
        except Exception:  # one frame must not stop all others; it is kept for whoever mends this
            self._counters.faults += 1
            _log.exception("a frame could not be handled: %s", reception.best.phy.hex())
            undecoded = Undecoded("", reception.received_ms, "error of our own, see the log", reception.best.phy)
            return Handled(Outcome.UNDECODED, detail=undecoded.reason, read=Read(undecoded=undecoded))

    def _done(self, receptions: Sequence[Reception]) -> list[int]:
        """Captured datagrams of which every frame is dealt with, once these are."""
        now = Counter(one.input_id for reception in receptions for one in reception.heard)
        return [input_id for input_id, frames in now.items() if self._left[input_id] <= frames]

    def _count(self, one: Handled) -> None:
        self._counters.outcomes[one.outcome.value] += 1
        note_read(one.device or "", one.read, self._counters, self._faults)
        if one.outcome is Outcome.UNKNOWN_DEVICE:
            unknown = self._counters.unknown_devices
            listed = one.detail in unknown or len(unknown) < UNKNOWN_MAX
            if listed:
                unknown[one.detail] += 1
            line = "device with DevEUI %s wants to join and is not registered" % one.detail
            self._faults.report("unknown" + (one.detail if listed else ""), line)  # anybody can invent DevEUIs
        elif one.outcome not in _NORMAL and not one.read.undecoded:  # of that there is a line already
            who = one.device or "a device"
            self._faults.report(one.outcome + who, "frame of %s: %s (%s)" % (who, one.outcome, one.detail))
