"""What was heard and could not be read: the cloud is told of it, and it is read again once the registry helps.

The rule: a payload without a codec is no reason to lose it. It stays in the spool, the cloud hears of it on
`klimanetz/v1/unread/<device>` and lists it among its dead letters, and when the registry names the device or another
codec it becomes the reading that it was, with the time and the identity that it came with.
"""

from collections import OrderedDict
from dataclasses import replace
from datetime import UTC, datetime

from gateway.counters import Faults, GatewayCounters, note_read
from gateway.database import Database
from gateway.decode import Payload, Read, decode
from gateway.health_store import HealthStore
from gateway.ports import DeviceDirectory
from gateway.spool import Spool, Undecoded
from schemas.channels import is_name
from schemas.models import Device, Link, Unread

PREFIX = "eui-"  # a device that nobody has registered is called by its DevEUI
NOBODY = "unknown"  # a frame that names no device
ASKED_AGAIN_MS = 3_600_000  # a device that wants to join and is not registered is told of once in this time
STRANGERS_MAX = 1000


class UnreadPayloads:
    """Tells the cloud, and tries again. Methods that write raise StorageError."""

    def __init__(
        self, database: Database, spool: Spool, directory: DeviceDirectory, counters: GatewayCounters, faults: Faults
    ) -> None:
        self._db = database
        self._spool = spool
        self._directory = directory
        self._health = HealthStore(database)
        self._counters = counters
        self._faults = faults
        self._strangers: OrderedDict[str, int] = OrderedDict()  # DevEUI -> when the cloud was told

    def wants_to_join(self, dev_eui: str, now_ms: int) -> None:
        """A JoinRequest of a device that nobody has registered."""
        told_ms = self._strangers.get(dev_eui)
        if told_ms is not None and now_ms - told_ms < ASKED_AGAIN_MS:
            return
        self._strangers[dev_eui] = now_ms
        while len(self._strangers) > STRANGERS_MAX:
            self._strangers.popitem(last=False)
        reason = "it wants to join and is not registered: `klimanetz devices import` with its AppKey lets it in"
        self._spool.add_undecoded(Undecoded(PREFIX + dev_eui, now_ms, reason, b""))

    def messages(self) -> list[tuple[int, str, bytes]]:
        """(row, device, body) of what the cloud is to be told."""
        return [(row, *self._message(one)) for row, one in self._spool.untold()]

    def told(self, rows: list[int]) -> None:
        """The broker has taken them."""
        self._spool.told(rows)

    def try_again(self) -> int:
        """Reads what the registry, as it is now, has a codec for; how many readings that gave."""
        new = 0
        for name, tried in self._spool.undecoded_devices():
            device = self._device(name)
            if device is None or device.codec == tried:
                continue
            while rows := self._spool.undecoded_of(name, tried):
                new += self._read_all(device, rows)
        return new

    def _read_all(self, device: Device, rows: list[tuple[int, Undecoded]]) -> int:
        with self._db.transaction():
            reads = [_read(device, one) for _, one in rows]
            new = self._spool.add(reading for read in reads for reading in read.readings)
            self._spool.forget_undecoded([row for row, _ in rows])
            for read, (_, one) in zip(reads, rows, strict=True):
                for note in read.notes:
                    self._health.note(device.device, note)
                if read.undecoded:
                    self._spool.add_undecoded(replace(read.undecoded, link=one.link))
        self._counters.readings += new
        for read in reads:
            note_read(device.device, read, self._counters, self._faults)
        return new

    def _device(self, name: str) -> Device | None:
        if name.startswith(PREFIX):
            return self._directory.by_dev_eui(name.removeprefix(PREFIX))
        return self._directory.by_name(name)

    def _message(self, one: Undecoded) -> tuple[str, bytes]:
        device = one.device if is_name(one.device) else NOBODY
        told = Unread(
            device=device, reason=one.reason, registered=self._device(device) is not None,
            time=_time(one), fport=one.fport, payload_hex=one.payload.hex(), link=one.link,
        )  # fmt: skip
        return device, told.model_dump_json(exclude_none=True).encode()


def _read(device: Device, one: Undecoded) -> Read:
    if not one.payload:
        return Read()  # a wish to join: there is nothing to read
    link = one.link or Link()
    time = _time(one) if one.time_ms is not None else None
    return decode(
        Payload(
            device.device,
            device.codec,
            one.payload,
            one.fport or 0,
            one.generation,
            link.fcnt,
            one.received_ms,
            link,
            time,
        )
    )


def _time(one: Undecoded) -> datetime:
    return datetime.fromtimestamp((one.time_ms if one.time_ms is not None else one.received_ms) / 1000, UTC)
