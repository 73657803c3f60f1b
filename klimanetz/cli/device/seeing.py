"""Who can be asked while a board is verified: the API of KLIMANETZ_API_URL, the manifest of a trip, or nobody."""

from firmware.bench.checklist.cloud import Api, Cloud, OnATrip
from firmware.bench.identity.registry import Online
from firmware.bench.identity.trip import Trip
from firmware.bench.words import say
from klimanetz import wiring
from klimanetz.cli.device.asking import now


def cloud_of_settings(trip: Trip | None = None) -> tuple[Cloud | None, str]:
    """(who can be asked, else why nobody can). Reading needs no key but for the registry's own rows."""
    if trip is not None:
        return OnATrip(trip, now()), ""
    found = wiring.settings()
    if not found.api_url:
        return None, say("KLIMANETZ_API_URL is not set", "KLIMANETZ_API_URL ist nicht gesetzt")
    return Api(Online(found.api_url, found.api_key or "").find), ""
