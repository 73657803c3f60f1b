"""What the gateway counts, and a log that does not repeat itself."""

import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any

from gateway.database import StorageError
from gateway.decode import Read
from gateway.spool import Spool

KEYS_MAX = 10_000
LINE_MAX = 500  # what others send stands in it
UNKNOWN_MAX = 100  # they stand in the status message


@dataclass
class GatewayCounters:
    """Since the start of the process."""

    datagrams: int = 0
    bad_datagrams: int = 0  # not of the protocol
    refused_datagrams: int = 0  # from a gateway that is not on the list
    bad_objects: int = 0  # rxpk that could not be read
    bad_checksums: int = 0  # frames whose physical checksum is wrong or missing
    not_captured: int = 0  # frames and events that were not acknowledged, because the spool could not take them
    frames: int = 0  # transmissions, however many gateways heard them
    outcomes: Counter[str] = field(default_factory=Counter)  # of frames, see network.Outcome
    unknown_devices: Counter[str] = field(default_factory=Counter)  # DevEUIs that want to join and are not registered
    events: Counter[str] = field(default_factory=Counter)  # of other networks, by type
    unmapped: Counter[str] = field(default_factory=Counter)  # decoders' names that we have no channel for
    undecoded: int = 0  # payloads that gave no reading and are kept
    readings: int = 0  # new in the spool
    dropped: Counter[str] = field(default_factory=Counter)  # rows of the spool, undelivered, for want of room
    published: int = 0  # taken by the broker, repetitions included
    acknowledged: int = 0  # stored by the cloud for good
    bad_acknowledgements: int = 0
    bad_commands: int = 0  # for devices that cannot be told them
    downlinks: int = 0  # handed to gateways
    downlinks_refused: Counter[str] = field(default_factory=Counter)  # by gateways (TX_ACK); another window is tried
    downlinks_failed: Counter[str] = field(default_factory=Counter)  # no window took them; reason of the last
    connections: int = 0  # to the broker
    faults: int = 0  # errors of our own; each is in the log

    def as_dict(self) -> dict[str, Any]:
        """Plain numbers under plain texts, for metrics and the status message (JSON has no enum members)."""
        plain: dict[str, Any] = {}
        for name in (each.name for each in fields(self)):
            value = getattr(self, name)
            plain[name] = {str(key): n for key, n in value.items()} if isinstance(value, Counter) else value
        return plain


class Faults:
    """One line for the first fault of a kind, then at most one a minute with their number."""

    def __init__(self, log: logging.Logger, clock_s: Callable[[], float], every_s: float = 60) -> None:
        self._log = log
        self._clock_s = clock_s
        self._every_s = every_s
        self._last_s: dict[str, float] = {}
        self._held: Counter[str] = Counter()

    def report(self, kind: str, line: str) -> None:
        """Logs the line, or counts it. What is not printable in it is escaped: others' names stand in it."""
        now_s = self._clock_s()
        last_s = self._last_s.get(kind)
        if last_s is not None and now_s - last_s < self._every_s:
            self._held[kind] += 1
            return
        if len(self._last_s) >= KEYS_MAX:
            self._last_s.clear()
        self._last_s[kind] = now_s
        held = self._held.pop(kind, 0)
        line = "".join(c if c.isprintable() else repr(c)[1:-1] for c in line[:LINE_MAX])
        self._log.warning("%s", line + (f" (and {held} more like it)" if held else ""))


def note_read(device: str, read: Read, counters: GatewayCounters, faults: Faults) -> None:
    """Counts and logs what did not become a reading."""
    for value in read.unmapped:
        known = value.name in counters.unmapped or len(counters.unmapped) < KEYS_MAX
        counters.unmapped[value.name if known else "other"] += 1
        line = "%s sends %s = %r, which is not published: %s" % (device, value.name, value.value, value.reason)
        faults.report("unmapped" + device + value.name, line)
    if read.undecoded:
        counters.undecoded += 1
        line = "a payload of %s gave no reading and is kept: %s" % (
            device or "an unnamed device",
            read.undecoded.reason,
        )
        faults.report("undecoded" + device, line)


def keep_bounds(spool: Spool, counters: GatewayCounters, faults: Faults) -> None:
    """Drops what the spool has no room for, counts it and says so. After the transaction that added something."""
    try:
        dropped = spool.trim()
    except StorageError as error:  # the next one will
        faults.report("spool", str(error))
        return
    counters.dropped.update(dropped)
    if "reading" in dropped:
        line = "the spool is full: %d readings dropped that the cloud has not acknowledged; see to it and to the broker"
        faults.report("dropped", line % counters.dropped["reading"])
    if "undecoded" in dropped:
        line = "%d payloads that gave no reading dropped, the oldest; see in the log why there are so many"
        faults.report("undecoded dropped", line % counters.dropped["undecoded"])
