"""The station that a request names."""

from cloud.api.ports import Services
from cloud.api.problems import NotFound
from schemas.models import Station


def find(services: Services, station: str) -> Station:
    """Raises NotFound."""
    found = services.registry.station(station)
    if found is None:
        raise no_station(station)
    return found


def no_station(name: str) -> NotFound:
    """To be raised."""
    return NotFound(f"There is no station '{name}'; /v1/stations lists all")
