"""What our devices are to be told over LoRaWAN: what the cloud has stored for good, and commands. No radio, no clock.

The rule: a downlink is dear, so acknowledgements are gathered and told together, when they cover many readings or are
old; they name everything stored, not only what is new, so that one which is not heard costs nothing. Commands go
one by one and are confirmed by the device. Only devices that speak our wire format are told anything; devices on Wi-Fi
read `ack` and `down` themselves. All methods raise StorageError.
"""

import hashlib

import orjson
from pydantic import ValidationError

from gateway.counters import Faults, GatewayCounters
from gateway.database import Database
from gateway.lorawan.downlinks import Downlinks
from gateway.networks.downlinks import Routes
from gateway.ports import DeviceDirectory
from schemas.intervals import Intervals
from schemas.models import Activation, Command, Range
from schemas.wire_base import WireError
from schemas.wire_down import ACK_PORT, COMMAND_PORT, encode_ack, encode_command

OWN_CODEC = "klimanetz"
ACK_READINGS = 24  # a quarter of a day at 15 minutes
ACK_EVERY_MS = 6 * 3_600_000
ACK_BYTES = 24
RANGES_KEPT = 32  # the newest, of a device
COMMAND_BYTES = 51  # what fits at every data rate
Ranges = list[tuple[int, int, int]]


class Tell:
    """Puts into the downlink queue what devices are to be told."""

    def __init__(
        self, database: Database, directory: DeviceDirectory, downlinks: Downlinks, counters: GatewayCounters,
        faults: Faults,
    ) -> None:  # fmt: skip
        self._db = database
        self._directory = directory
        self._downlinks = downlinks
        self._counters = counters
        self._faults = faults
        self._routes = Routes(database)

    def acknowledged(self, device: str, stored: list[Range]) -> None:
        """The cloud has stored these; nothing is told before it is worth it."""
        if not self._is_ours(device):
            return
        ranges, fresh, told_ms = self._known(device)
        merged = _merged([*ranges, *stored])
        fresh += _count(merged) - _count(ranges)
        if fresh > 0 or merged != ranges:
            self._keep(device, merged, max(0, fresh), told_ms)

    def heard(self, device: str, now_ms: int, elsewhere: bool = False) -> None:
        """The device has just sent something and will listen: tell it, if that is due.

        `elsewhere`: through another network. One that is heard by our own gateways has no way there any more.
        """
        if not elsewhere:
            self._routes.forget(device)
        ranges, fresh, told_ms = self._known(device)
        if not ranges or not fresh:
            return
        if fresh < ACK_READINGS and now_ms - told_ms < ACK_EVERY_MS:
            return
        payload, _ = encode_ack(ranges, ACK_BYTES)
        if payload:
            with self._db.transaction():
                self._downlinks.add(device, ACK_PORT, payload, now_ms, reference="ack")
                self._keep(device, ranges, 0, now_ms)

    def command(self, device: str, body: bytes, now_ms: int) -> None:
        """A command from `down/<device>`. What cannot be told over LoRaWAN is counted and said."""
        if not self._is_ours(device):
            return
        try:
            command = Command.model_validate_json(body)
            payload = _encoded(command)
        except (ValidationError, WireError) as error:
            what = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
            self._counters.bad_commands += 1
            self._faults.report("command" + device, "a command for %s cannot be sent: %s" % (device, what))
            return
        self._downlinks.add(device, COMMAND_PORT, payload, now_ms, confirmed=True, reference=command.id)

    def _is_ours(self, device: str) -> bool:
        known = self._directory.by_name(device)
        return known is not None and known.activation is not Activation.MQTT and known.codec == OWN_CODEC

    def _known(self, device: str) -> tuple[Ranges, int, int]:
        """(stored ranges, how many readings it was not told of, when it was told last)"""
        row = self._db.execute("SELECT ranges, fresh, told_ms FROM stored WHERE device = ?", (device,)).fetchone()
        return ([(g, a, b) for g, a, b in orjson.loads(row[0])], row[1], row[2]) if row else ([], 0, 0)

    def _keep(self, device: str, ranges: Ranges, fresh: int, told_ms: int) -> None:
        row = (device, orjson.dumps(ranges).decode(), fresh, told_ms)
        self._db.execute("INSERT OR REPLACE INTO stored VALUES (?, ?, ?, ?)", row)


def _merged(ranges: list[Range]) -> Ranges:
    """Ranges that do not touch, the newest first, no more than are kept."""
    generations: dict[int, Intervals] = {}
    for generation, first, last in ranges:
        generations.setdefault(generation, Intervals()).add(first, max(first, last))
    whole = [(generation, a, b) for generation, seqs in generations.items() for a, b in seqs]
    return sorted(whole, reverse=True)[:RANGES_KEPT]


def _count(ranges: Ranges) -> int:
    return sum(last - first + 1 for _, first, last in ranges)


def _encoded(command: Command) -> bytes:
    """The bytes of a command. Raises WireError with the way out where they do not fit."""
    reference = int.from_bytes(hashlib.sha256(command.id.encode()).digest()[:2], "big")
    configuration = ""
    if command.command == "configure":
        configuration = orjson.dumps(command.configuration or {}).decode()
    ranges = _merged(command.ranges or [])
    payload, told = encode_command(reference, command.command, ranges, configuration, COMMAND_BYTES)
    if not payload or len(told) < len(ranges):
        raise WireError("it does not fit into %d bytes; send it in parts" % COMMAND_BYTES)
    return bytes(payload)
