"""The way back: where a device was heard last, and the message that asks its network for a downlink.

The route is the newest event's, so that a device that moves to another network or application is followed. What is sent
and when is decided elsewhere; whoever sends gives a reference, and the network's events about that downlink
carry `network_reference` of it (`health.Delivery`).

Specification: ChirpStack v4 api/proto/integration/integration.proto, DownlinkCommand (v3 takes the same message, with
what it does not know left aside); The Things Stack v3, downlink messages over MQTT.
"""

import base64
import json
import uuid
from dataclasses import dataclass
from enum import StrEnum

from gateway.database import Database

PAYLOAD_MAX = 242  # EU868, DR5; slower rates take less, which the network knows
FPORTS = range(1, 224)  # LoRaWAN 1.0.4 section 4.3.2
TTS_REFERENCE = "klimanetz:"
_NAMESPACE = uuid.UUID("5b0e6f0a-5d0f-5a63-9c55-6b6c696d616e")  # ours: one reference always gives one UUID


class NetworkKind(StrEnum):
    """Whose events bring a device's readings."""

    CHIRPSTACK = "chirpstack"
    THINGS_STACK = "things-stack"


@dataclass(frozen=True, slots=True)
class Route:
    """`application` and `device_id` as they stand in the topics."""

    network: NetworkKind
    application: str
    device_id: str


class DownlinkError(ValueError):
    """The downlink cannot be asked for; the message says why."""


def push(route: Route, fport: int, payload: bytes, confirmed: bool = False, reference: str = "") -> tuple[str, bytes]:
    """(topic, body) that puts a downlink at the end of the device's queue. Raises DownlinkError."""
    if fport not in FPORTS:
        raise DownlinkError("a downlink on port %d; ports 1 to 223 are for applications" % fport)
    if len(payload) > PAYLOAD_MAX:
        raise DownlinkError("a downlink of %d bytes; a frame takes %d" % (len(payload), PAYLOAD_MAX))
    if any(not part or set(part) & set("/+#\0") for part in (route.application, route.device_id)):
        raise DownlinkError("no topic leads to %s of %s" % (route.device_id, route.application))
    data = base64.b64encode(payload).decode()
    name = network_reference(route.network, reference)
    if route.network is NetworkKind.CHIRPSTACK:
        topic = "application/%s/device/%s/command/down" % (route.application, route.device_id)
        body: dict[str, object] = {"devEui": route.device_id, "confirmed": confirmed, "fPort": fport, "data": data}
        return topic, _json(body | ({"id": name} if name else {}))
    topic = "v3/%s/devices/%s/down/push" % (route.application, route.device_id)
    downlink: dict[str, object] = {"f_port": fport, "frm_payload": data, "confirmed": confirmed, "priority": "NORMAL"}
    return topic, _json({"downlinks": [downlink | ({"correlation_ids": [name]} if name else {})]})


def network_reference(network: NetworkKind, reference: str) -> str:
    """A reference as the network's events repeat it: ChirpStack takes a UUID only, The Things Stack any text."""
    if not reference:
        return ""
    if network is NetworkKind.CHIRPSTACK:
        return str(uuid.uuid5(_NAMESPACE, reference))
    return TTS_REFERENCE + reference


class Routes:
    """The newest route of each device. Writes belong inside `database.transaction()`. Raises StorageError."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def get(self, device: str) -> Route | None:
        """Where a device was heard last."""
        row = self._db.execute(
            "SELECT network, application, device_id FROM route WHERE device = ?", (device,)
        ).fetchone()
        return Route(NetworkKind(row[0]), row[1], row[2]) if row else None

    def keep(self, device: str, route: Route) -> None:
        """The newest event's."""
        if self.get(device) != route:
            row = (device, route.network.value, route.application, route.device_id)
            self._db.execute("INSERT OR REPLACE INTO route VALUES (?, ?, ?, ?)", row)

    def device_at(self, route: Route) -> str | None:
        """Whose route this is; some events name a device by its place alone."""
        row = self._db.execute(
            "SELECT device FROM route WHERE network = ? AND application = ? AND device_id = ?",
            (route.network.value, route.application, route.device_id),
        ).fetchone()
        return str(row[0]) if row else None

    def forget(self, device: str) -> None:
        """The device is heard without another network now."""
        self._db.execute("DELETE FROM route WHERE device = ?", (device,))


def _json(body: dict[str, object]) -> bytes:
    return json.dumps(body, separators=(",", ":")).encode()
