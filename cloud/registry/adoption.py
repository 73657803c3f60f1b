"""A device that sends already and that nobody has registered is taken in: what it sent so far is stored then."""

from cloud.ledger.dead_letters import DeadLetters
from cloud.registry import imports
from cloud.registry.changes import file_of
from cloud.registry.files import FileRefused
from cloud.registry.registry import Registry
from cloud.registry.tables import BY_EUI


class AdoptionRefused(Exception):
    """The device was not taken in."""


class AlreadyRegistered(AdoptionRefused):
    """Under `name`."""

    def __init__(self, device: str, name: str) -> None:
        super().__init__(f"'{device}' is registered already" + (f" as '{name}'" if name != device else ""))
        self.name = name


class NoSuchStation(AdoptionRefused):
    """The station is not registered."""

    def __init__(self, station: str) -> None:
        super().__init__(f"station '{station}' is not registered")


class NeverHeard(AdoptionRefused):
    """No message of it waits."""

    def __init__(self, device: str) -> None:
        super().__init__(f"nothing has come from '{device}'")


def adopt(registry: Registry, letters: DeadLetters, device: str, station: str) -> None:
    """Register a device at a station; its waiting messages are stored by a running `ingest`. Raises AdoptionRefused."""
    snapshot = registry.snapshot()
    if (name := snapshot.name_of(device)) in snapshot.devices:
        raise AlreadyRegistered(device, name)
    if station not in snapshot.stations:
        raise NoSuchStation(station)
    if all(row["device"] != device for row in letters.unknown()):
        raise NeverHeard(device)
    eui = device.removeprefix(BY_EUI) if device.startswith(BY_EUI) else ""
    try:
        imports.import_devices(registry, file_of({"device": device, "station": station, "dev_eui": eui}))
    except FileRefused as refused:
        raise AdoptionRefused(refused.rows[0].reason) from None
