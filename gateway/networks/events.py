"""Events of other networks, from the broker to the spool. No connection, no clock.

The rule is that of `radio`: an event is captured before it is acknowledged to the broker; its readings, what it says of
the device's health and way back, and the removal of the captured event are one transaction.
"""

import logging
from collections.abc import Iterable, Sequence

from gateway.counters import Faults, GatewayCounters, keep_bounds, note_read
from gateway.database import Database, StorageError
from gateway.decode import Read
from gateway.health_store import HealthStore
from gateway.networks import chirpstack, things_stack
from gateway.networks.channel_table import NO_TABLE, ChannelTable
from gateway.networks.downlinks import Routes
from gateway.networks.event import Event
from gateway.ports import DeviceDirectory
from gateway.spool import MQTT, Input, Spool, Undecoded
from gateway.tell import Tell

_log = logging.getLogger(__name__)


class Events:
    """From events to readings in the spool."""

    def __init__(
        self, database: Database, spool: Spool, directory: DeviceDirectory, counters: GatewayCounters, faults: Faults,
        tell: Tell, channels: ChannelTable = NO_TABLE,
    ) -> None:  # fmt: skip
        self._database = database
        self._spool = spool
        self._directory = directory
        self._counters = counters
        self._faults = faults
        self._tell = tell
        self._channels = channels
        self._health = HealthStore(database)
        self._routes = Routes(database)
        self._waiting: list[tuple[int, Input]] = []  # captured, not dealt with

    def capture(self, events: Sequence[tuple[str, bytes]], now_ms: int) -> None:
        """Keeps events (topic, payload) as they came: acknowledge them now, then `work`. Raises StorageError.

        Those that say nothing to us are only counted.
        """
        inputs = [Input(MQTT, topic, now_ms, payload) for topic, payload in events if not _is_idle(topic)]
        ids = self._spool.capture(inputs) if inputs else []
        self._waiting += zip(ids, inputs, strict=True)
        self._counters.events.update(_kind(topic) for topic, _ in events if _is_idle(topic))

    def replay(self, rows: Iterable[tuple[int, Input]]) -> None:
        """What a former run captured and did not finish. Follow with `work`."""
        self._waiting += rows

    def work(self) -> None:
        """Deals with captured events. Raises StorageError, and then all of them are still waiting."""
        done = []
        with self._database.transaction():
            for _, row in self._waiting:
                event = self._event(row)
                done.append((event, self._keep(event, row.received_ms)))
            self._spool.release([input_id for input_id, _ in self._waiting])
        self._waiting.clear()
        for event, new in done:
            self._count(event, new)
        keep_bounds(self._spool, self._counters, self._faults)

    def _event(self, row: Input) -> Event:
        try:
            if row.source.startswith("v3/"):
                return things_stack.event(
                    row.source, row.payload, row.received_ms, self._directory, self._channels, self._routes.device_at
                )
            return chirpstack.event(row.source, row.payload, row.received_ms, self._directory, self._channels)
        except StorageError:
            raise
        except Exception:  # one event must not stop all others; it is kept for whoever mends this
            self._counters.faults += 1
            _log.exception("an event could not be handled: %r", row.source)
            undecoded = Undecoded("", row.received_ms, "error of our own, see the log", row.payload)
            return Event("unknown", read=Read(undecoded=undecoded))

    def _keep(self, event: Event, received_ms: int) -> int:
        """How many of its readings are new."""
        if event.read.undecoded:
            self._spool.add_undecoded(event.read.undecoded)
        for note in event.notes:
            self._health.note(event.device, note)
        if event.route and event.device:
            self._routes.keep(event.device, event.route)
        if event.read.readings or event.read.notes:
            self._tell.heard(event.device, received_ms, elsewhere=True)
        return self._spool.add(event.read.readings)

    def _count(self, event: Event, new: int) -> None:
        self._counters.events[event.kind] += 1
        self._counters.readings += new
        note_read(event.device, event.read, self._counters, self._faults)
        for trouble in (note.trouble for note in event.notes if note.trouble):
            line = "%s: its network reports %s: %s" % (event.device, trouble.code, trouble.text)
            self._faults.report("trouble" + event.device + trouble.code, line)


def _is_idle(topic: str) -> bool:
    return topic.endswith(_IDLE)


def _kind(topic: str) -> str:
    return next(kind for kind in _IDLE if topic.endswith(kind)).lstrip("/")


_IDLE = tuple("/" + kind for kind in (*things_stack.OTHER_EVENTS, *chirpstack.OTHER_EVENTS))
