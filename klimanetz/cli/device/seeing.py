"""The API as the bench's commands see it: from KLIMANETZ_API_URL, or nobody."""

from firmware.bench.cloud import Api, Cloud, http
from firmware.bench.words import say
from klimanetz import wiring


def cloud_of_settings() -> tuple[Cloud | None, str]:
    """(who can be asked, else why nobody can)."""
    found = wiring.settings()
    if not found.api_url:
        return None, say("KLIMANETZ_API_URL is not set", "KLIMANETZ_API_URL ist nicht gesetzt")
    return Api(http(found.api_url, found.api_key or "")), ""
