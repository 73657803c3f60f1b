"""The registry as the bench needs it: over HTTP here, from a trip's manifest in `manifest`. Both are one `Registry`.

The rule: no network is an answer (`Offline`), not a crash, and a change is sent again only where sending it twice is as
sending it once. The routes are in docs/api.md; what a registry refuses is said in its own words, in the terminal's
language.
"""

import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol
from urllib.parse import quote

import httpx

from firmware.bench.identity.places import Place, Row, arriving, leaving, standing_at
from firmware.bench.trouble import BenchError
from firmware.bench.words import german, say

TIMEOUT = httpx.Timeout(20, connect=5)
TRIES, PAUSE_S = 3, 0.5
_PASSING = (500, 502, 503, 504)


class Offline(BenchError):
    """The registry cannot be reached now."""


class Refused(BenchError):
    """The registry does not take this; the message is its own."""


class ChangedMeanwhile(BenchError):
    """Somebody changed the registry since it was read."""


class KeyRefused(BenchError):
    """The API key is none, or of too small a scope."""


class Registry(Protocol):
    """What provisioning, replacing and verifying ask and tell. Rows are those of the registry's files."""

    def station(self, name: str) -> Row | None: ...

    def device(self, name: str) -> Row | None:
        """With its keys, where they may be seen."""

    def stays(self, device: str) -> list[Row]:
        """Where it stood, by time."""

    def heard(self, device: str) -> bool | None:
        """Whether the cloud ever had a reading of it; None where nobody knows."""

    def standing_at(self, station: str, at: str) -> list[str]:
        """The devices that are at a station at a time."""

    def put_device(self, row: Row) -> str:
        """ "added", "changed" or "unchanged"."""

    def deploy(self, place: Place) -> list[Row]:
        """Put a device at a station; the stay before ends. What was written."""

    def withdraw(self, device: str, at: str) -> list[Row]:
        """End a device's stay. What was written."""

    def tell(self, what: str, device: str, about: Mapping[str, Any]) -> None:
        """Something that was done and changes no row, for the trip's record."""


class Online:
    """The API's registry. `url` and `key`: KLIMANETZ_API_URL and KLIMANETZ_API_KEY. Every method raises BenchError."""

    def __init__(
        self, url: str, key: str, client: httpx.Client | None = None, pause: Callable[[float], None] = time.sleep
    ) -> None:
        self.url = url.rstrip("/")
        headers = {"Accept-Language": "de" if german() else "en"} | ({"Authorization": f"Bearer {key}"} if key else {})
        self._client = client or httpx.Client(timeout=TIMEOUT)
        self._headers, self._pause = headers, pause
        self.tag = ""  # of the last answer

    def whole(self, devices: list[str] | None = None) -> dict[str, list[Row]]:
        """Stations, devices with their keys, deployments; needs a key of the scope admin."""
        some = "" if devices is None else "?device=" + quote(",".join(devices), safe=",")
        return {name: list(rows) for name, rows in self.ask("GET", "/v1/registry" + some).items()}

    def station(self, name: str) -> Row | None:
        found = self.find(f"/v1/stations/{quote(name, safe='')}")
        return None if found is None else _station_row(found)

    def device(self, name: str) -> Row | None:
        try:
            return next(iter(self.whole([name])["devices"]), None)
        except KeyRefused:
            return self.find(f"/v1/devices/{quote(name, safe='')}")  # a key of a smaller scope sees it without keys

    def owner(self, dev_eui: str) -> Row | None:
        """The device with a DevEUI; None where there is none, or the key may not see it."""
        try:
            return next((row for row in self.whole()["devices"] if row["dev_eui"] == dev_eui), None)
        except KeyRefused:
            return None

    def stays(self, device: str) -> list[Row]:
        return list(self.ask("GET", "/v1/deployments?device=" + quote(device, safe=""))["deployments"])

    def heard(self, device: str) -> bool | None:
        found = self.find(f"/v1/devices/{quote(device, safe='')}/delivery")
        return bool(found and found["received"])

    def standing_at(self, station: str, at: str) -> list[str]:
        return standing_at(self.whole()["deployments"], station, at)

    def put_station(self, row: Row, tag: str | None = None) -> str:
        return str(self.ask("PUT", f"/v1/stations/{quote(row['station'], safe='')}", row, tag)["change"])

    def put_device(self, row: Row, tag: str | None = None) -> str:
        return str(self.ask("PUT", f"/v1/devices/{quote(row['device'], safe='')}", row, tag)["change"])

    def put_stay(self, row: Row) -> str:
        return str(self.ask("POST", "/v1/deployments", row)["change"])

    def deploy(self, place: Place) -> list[Row]:
        return self._stay(arriving(self.stays(place.device), place))

    def withdraw(self, device: str, at: str) -> list[Row]:
        return self._stay(leaving(self.stays(device), device, at))

    def tell(self, what: str, device: str, about: Mapping[str, Any]) -> None:
        pass  # the registry's own rows say it

    def _stay(self, rows: list[Row]) -> list[Row]:
        for row in rows:
            self.put_stay(row)
        return rows

    def find(self, path: str) -> Row | None:
        """The body of a GET, None where there is none of that name. Raises BenchError."""
        try:
            found: Row = self.ask("GET", path)
        except _NotThere:
            return None
        return found

    def ask(self, method: str, path: str, body: Any = None, tag: str | None = None) -> Any:
        """The body of an answer; its ETag is `tag` then. Raises Offline, Refused, ChangedMeanwhile, KeyRefused."""
        headers = self._headers | ({"If-Match": tag} if tag else {})
        for attempt in range(1, TRIES + 1):
            try:
                answer = self._client.request(method, self.url + path, json=body, headers=headers)
            except httpx.TransportError as error:
                lost = offline(self.url, str(error) or type(error).__name__)
            except (httpx.InvalidURL, httpx.RequestError) as error:
                raise offline(self.url, str(error)) from None
            else:
                if answer.status_code not in _PASSING:
                    return self._said(answer)
                lost = offline(self.url, _detail(answer) or f"HTTP {answer.status_code}")
            if attempt < TRIES:
                self._pause(PAUSE_S * 2**attempt)
        raise lost

    def _said(self, answer: httpx.Response) -> Any:
        status = answer.status_code
        detail = _detail(answer)
        if (
            status < 400
            and detail is None
            and "json" in answer.headers.get("content-type", "")
            and not answer.is_redirect
        ):
            self.tag = answer.headers.get("etag", "")
            return answer.json()
        if status == 404 and detail:
            raise _NotThere(detail)
        if status == 412 and detail:
            raise ChangedMeanwhile(detail)
        if status in (401, 403) and detail:
            raise KeyRefused(
                say("%s (KLIMANETZ_API_KEY of this laptop)", "%s (KLIMANETZ_API_KEY dieses Laptops)", detail)
            )
        if detail:
            raise Refused(detail)
        raise Offline(
            say(
                "%s answers, but not as klimanetz (HTTP %d); is there a sign-in page of the Wi-Fi in between?",
                "%s antwortet, aber nicht wie klimanetz (HTTP %d); steht eine Anmeldeseite des WLANs dazwischen?",
                self.url,
                status,
            )
        )


class _NotThere(BenchError):
    pass


def offline(url: str, why: str) -> Offline:
    """The sentence for it."""
    return Offline(
        say(
            "the registry at %s cannot be reached (%s); go on with --manifest trip.json, and merge it later",
            "das Register unter %s ist nicht erreichbar (%s); mit --manifest trip.json weitermachen und es später"
            " zusammenführen",
            url,
            why,
        )
    )


def _detail(answer: httpx.Response) -> str | None:
    """What a problem says (RFC 9457), None where this is none."""
    if answer.headers.get("content-type", "").split(";")[0] != "application/problem+json":
        return None
    try:
        return str(answer.json()["detail"])
    except (ValueError, KeyError, TypeError):
        return None


def _station_row(feature: Mapping[str, Any]) -> Row:
    """Of its GeoJSON: coordinates of a private one are coarse and left out."""
    told = feature["properties"]
    row = {
        name: told.get(name) for name in ("name", "elevation_m", "height_m", "shield", "lcz", "district", "timezone")
    }
    if not told.get("coarse_location"):
        row["longitude"], row["latitude"] = feature["geometry"]["coordinates"][:2]
    return {"station": told["station"], **row}
