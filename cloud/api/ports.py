"""What the API needs of its neighbours; the wiring hands it in."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from cloud.latest import LatestValues
from cloud.store.model import Store
from schemas.models import Station


class RegistryReader(Protocol):
    """Stations and API keys."""

    def stations(self) -> list[Station]:
        """All, in the order in which they are listed."""

    def station(self, station: str) -> Station | None:
        """One by its id."""

    def revision(self) -> int:
        """Rises with every change."""

    def key_scope(self, key: str) -> str | None:
        """ "read", "write" or "admin"; None for a key that nobody was given."""


class DeliveryReader(Protocol):
    """What became of a device's readings."""

    def delivery(self, device: str) -> dict[str, object] | None:
        """As `/v1/devices/<id>/delivery` answers; None for a device never heard of."""


class DeadLetterBox(Protocol):
    """Messages that were not readings, and devices that nobody registered."""

    def dead_letters(self, limit: int) -> list[dict[str, object]]:
        """The newest first."""

    def dead_letter(self, number: int) -> dict[str, object] | None:
        """One whole, None where there is none."""

    def replay(self, number: int) -> bool:
        """Ask for it to be taken again; False where that cannot be."""

    def unknown(self) -> list[dict[str, object]]:
        """Devices heard that are not registered."""

    def adopt(self, device: str, station: str) -> None:
        """Register one of them. Raises cloud.registry.adoption.AdoptionRefused."""


class IngestReader(Protocol):
    """How those are who take readings in."""

    def troubles(self, now_s: float) -> dict[str, tuple[str, ...]]:
        """By instance: "disk", "broker", "store", "letters" or "silent"; nothing when all is well."""


@dataclass(frozen=True, slots=True)
class Services:
    """What every route may use. `now_s`: seconds since 1970 UTC."""

    store: Store
    registry: RegistryReader
    delivery: DeliveryReader | None = None
    dead_letters: DeadLetterBox | None = None
    now_s: Callable[[], float] = time.time
    latest: LatestValues | None = None  # without it the store is asked each time
    ingests: IngestReader | None = None
