"""The body of `/v1/latest`, put together once a state: a station's bytes are made again only when it has changed.

A request costs the question for news and, mostly, nothing else. What the body depends on is in its mark: the newest
arrival and the registry's revision.
"""

import threading
from collections.abc import Sequence

import orjson
from fastapi import Request, Response

from cloud.api import geojson
from cloud.api.compression import Codings
from cloud.api.etags import etag, headers_of, not_modified
from cloud.api.ports import RegistryReader
from cloud.latest import PATIENCE_S, LatestValues, Mark
from cloud.store.model import Latest, StoreUnavailable
from schemas.models import Station

_State = tuple[Mark, int]
_HEAD, _TAIL = b'{"type":"FeatureCollection","features":[', b"]}"


class LatestAnswer:
    """One a process."""

    def __init__(self, values: LatestValues, registry: RegistryReader) -> None:
        self._values = values
        self._registry = registry
        self._lock = threading.Lock()
        self._state: _State | None = None
        self._newest: dict[str, list[Latest]] = {}
        self._features: dict[str, bytes] = {}
        self._all = Codings(b"")

    def answer(self, request: Request, stations: Sequence[Station] | None) -> Response:
        """Of these stations, or of all that are registered."""
        if not self._lock.acquire(timeout=PATIENCE_S):
            raise StoreUnavailable("the store has not answered another request yet")
        try:
            state = self._caught_up()
            tag = etag("latest", *map(str, state), None if stations is None else [one.station for one in stations])
            if (same := not_modified(request, tag)) is not None:
                return same
            body = self._all if stations is None else Codings(self._joined([one.station for one in stations]))
        finally:
            self._lock.release()
        return body.response(request, geojson.MEDIA_TYPE, headers_of(tag))

    def _caught_up(self) -> _State:
        before = self._state
        revision = self._registry.revision()  # before the stations: they may be newer than it says, never older
        mark, changed = self._values.changed(before[0] if before else None)
        if before == (mark, revision):
            return before
        if before is None or before[0].salt != mark.salt:
            self._newest = {}
        whole = not self._newest or before is None or before[1] != revision
        self._newest.update(changed)
        if whole:
            self._features = {one.station: self._bytes(one) for one in self._registry.stations()}
        else:
            for name in changed.keys() & self._features.keys():
                if (station := self._registry.station(name)) is not None:
                    self._features[name] = self._bytes(station)
        self._state = mark, revision
        self._all = Codings(self._joined(self._features))
        return self._state

    def _bytes(self, station: Station) -> bytes:
        (one,) = geojson.latest([station], self._newest.get(station.station, []))["features"]
        return orjson.dumps(one)

    def _joined(self, names: Sequence[str] | dict[str, bytes]) -> bytes:
        return _HEAD + b",".join(self._features[name] for name in names if name in self._features) + _TAIL
