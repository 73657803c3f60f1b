"""Events of other networks, from the broker to the spool. No connection, no clock.

The rule is that of `radio`: an event is captured before it is acknowledged to the broker; its readings and the
removal of the captured event are one transaction.
"""

import logging
from collections.abc import Iterable, Sequence

from gateway.counters import Faults, GatewayCounters, keep_bounds, note_read
from gateway.database import Database
from gateway.decode import Read
from gateway.networks import chirpstack
from gateway.ports import DeviceDirectory
from gateway.spool import MQTT, Input, Spool, Undecoded

_log = logging.getLogger(__name__)


class Events:
    """From events to readings in the spool."""

    def __init__(
        self, database: Database, spool: Spool, directory: DeviceDirectory, counters: GatewayCounters, faults: Faults
    ) -> None:
        self._database = database
        self._spool = spool
        self._directory = directory
        self._counters = counters
        self._faults = faults
        self._waiting: list[tuple[int, Input]] = []  # captured, not dealt with

    def capture(self, events: Sequence[tuple[str, bytes]], now_ms: int) -> None:
        """Keeps uplinks (topic, payload) as they came: acknowledge them now, then `work`. Raises StorageError.

        Other events carry no readings: they are counted.
        """
        inputs = [Input(MQTT, topic, now_ms, payload) for topic, payload in events if _is_uplink(topic)]
        ids = self._spool.capture(inputs) if inputs else []
        self._waiting += zip(ids, inputs, strict=True)
        self._counters.events.update(_kind(topic) for topic, _ in events if not _is_uplink(topic))

    def replay(self, rows: Iterable[tuple[int, Input]]) -> None:
        """What a former run captured and did not finish. Follow with `work`."""
        self._waiting += rows

    def work(self) -> None:
        """Deals with captured events. Raises StorageError, and then all of them are still waiting."""
        uplinks = []
        with self._database.transaction():
            for _, row in self._waiting:
                uplink = self._uplink(row)
                uplinks.append((uplink, self._spool.add(uplink.read.readings)))
                if uplink.read.undecoded:
                    self._spool.add_undecoded(uplink.read.undecoded)
            self._spool.release([input_id for input_id, _ in self._waiting])
        self._waiting.clear()
        for uplink, new in uplinks:
            self._count(uplink, new)
        keep_bounds(self._spool, self._counters, self._faults)

    def _uplink(self, row: Input) -> chirpstack.Uplink:
        try:
            return chirpstack.event(row.source, row.payload, row.received_ms, self._directory)
        except Exception:  # one event must not stop all others; it is kept for whoever mends this
            self._counters.faults += 1
            _log.exception("an event could not be handled: %r", row.source)
            undecoded = Undecoded("", row.received_ms, "error of our own, see the log", row.payload)
            return chirpstack.Uplink("unknown", read=Read(undecoded=undecoded))

    def _count(self, uplink: chirpstack.Uplink, new: int) -> None:
        self._counters.events[uplink.event] += 1
        self._counters.readings += new
        note_read(uplink.device, uplink.read, self._counters, self._faults)


def _is_uplink(topic: str) -> bool:
    return topic.endswith("/event/" + chirpstack.UP)


def _kind(topic: str) -> str:
    kind = topic.rpartition("/")[2]
    return kind if kind in chirpstack.OTHER_EVENTS else "unknown"
