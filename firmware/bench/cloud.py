"""What the bench asks of the API: where a station is, what a device is, what the others say, what has arrived.

The rule: no network is an answer; nothing here changes anything. Routes: docs/api.md.
"""

import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol
from urllib.parse import quote

import httpx

from firmware.bench.link import has_arrived
from firmware.bench.trouble import BenchError
from firmware.bench.words import say

Find = Callable[[str], Any]  # the body of GET, None for 404; raises BenchError
TIMEOUT_S = 10.0
POLL_S = 2.0
OnWait = Callable[[float, float], None]  # (waited, at most), seconds


class Unreachable(BenchError):
    """The API does not answer, or not as one."""


class Cloud(Protocol):
    """Every method raises BenchError where nobody can be asked."""

    def station(self, name: str) -> Mapping[str, Any] | None:
        """GeoJSON, None where it is not registered."""

    def device(self, name: str) -> Mapping[str, Any] | None:
        """Its row, None where it is not registered."""

    def latest(self) -> Mapping[str, Any]:
        """GeoJSON: the newest values of all stations."""

    def delivery(self, device: str) -> Mapping[str, Any] | None:
        """What has arrived."""


class Api:
    """The API's answers. `find`: see `http`."""

    def __init__(self, find: Find) -> None:
        self._find = find

    def station(self, name: str) -> Mapping[str, Any] | None:
        return self._some(f"/v1/stations/{quote(name, safe='')}")

    def device(self, name: str) -> Mapping[str, Any] | None:
        return self._some(f"/v1/devices/{quote(name, safe='')}")

    def latest(self) -> Mapping[str, Any]:
        return self._some("/v1/latest") or {"features": []}

    def delivery(self, device: str) -> Mapping[str, Any] | None:
        return self._some(f"/v1/devices/{quote(device, safe='')}/delivery")

    def _some(self, path: str) -> Mapping[str, Any] | None:
        found: Mapping[str, Any] | None = self._find(path)
        return found


def http(url: str, key: str) -> Find:
    """`url` and `key`: KLIMANETZ_API_URL and KLIMANETZ_API_KEY."""
    base = url.rstrip("/")
    headers = {"Authorization": f"Bearer {key}"} if key else {}

    def find(path: str) -> Any:
        try:
            answer = httpx.get(base + path, headers=headers, timeout=TIMEOUT_S)
            if answer.status_code == 404 and "json" in answer.headers.get("content-type", ""):
                return None
            if answer.status_code in (401, 403):
                raise Unreachable(say("the API wants another key (KLIMANETZ_API_KEY)",
                                      "die API will einen anderen Schlüssel (KLIMANETZ_API_KEY)"))  # fmt: skip
            answer.raise_for_status()
            return answer.json()
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            why = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise Unreachable(say("%s does not answer (%s)", "%s antwortet nicht (%s)", base, why)) from None

    return find


def until_arrived(
    cloud: Cloud,
    device: str,
    reading: tuple[int, int],
    limit_s: float,
    on_wait: OnWait = lambda done, of: None,
    pause: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> float | None:
    """After how many seconds the cloud had (generation, seq), None where not within `limit_s`. Raises BenchError."""
    begin = clock()
    while True:
        if has_arrived(cloud.delivery(device), *reading):
            return clock() - begin
        waited_s = clock() - begin
        on_wait(min(waited_s, limit_s), limit_s)
        if waited_s >= limit_s:
            return None
        pause(min(POLL_S, limit_s - waited_s))
