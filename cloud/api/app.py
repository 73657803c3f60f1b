"""The application: which routes there are, and what holds for all of them.

Everything it needs is handed in; it opens nothing itself. Reading is public, also from other sites' pages (CORS).
"""

import time
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI

from cloud.api import (
    docs,
    operator_routes,
    problems,
    registry_routes,
    series_many,
    series_routes,
    station_routes,
    stream_routes,
)
from cloud.api.answers import Problem
from cloud.api.compression import Compressed
from cloud.api.metrics import Metrics
from cloud.api.middleware import BodyLimit, Cors, Head, Measured
from cloud.api.ports import DeadLetterBox, DeliveryReader, IngestReader, RegistryReader, Services
from cloud.api.stream_routes import Streams
from cloud.api.tail import Tail
from cloud.latest import LatestValues
from cloud.ledger.arrivals import ArrivalReader
from cloud.pages import routes as pages
from cloud.registry.changes import RegistryChanges
from cloud.store.model import Store

_DESCRIPTION = """
A city's climate readings: where the stations are, what they measured, how each value was judged. Reading needs no key.
Times are UTC with `Z`. Errors are `application/problem+json` (RFC 9457).

Quality is one letter: `V` verified, `S` screened, `C` coarse check only, `Z` not yet judged, `Q` questioned,
`X` failed, `G`/`B` decided by a person as good or bad; `quality_reasons` says why.
"""
_PROBLEM = {"$ref": "#/components/schemas/Problem"}
_WHY = {
    "400": "Something in the address or in a header cannot be understood",
    "401": "A key is needed",
    "403": "The key may not do this",
    "404": "There is no such thing",
    "406": "No content coding that the client allows",
    "409": "It is so already, in another way",
    "412": "Somebody has changed it since",
    "413": "The body is too large",
    "422": "The body can be read and cannot be taken over",
    "503": "Something that is needed does not answer; try again",
    "default": "An error",
}
_ALWAYS = ("400", "404", "406", "503", "default")
_WITH_KEY = ("401", "403")
_WITH_BODY = ("409", "412", "413", "422")
_NOT_MODIFIED = {"description": "The client has this answer already (`If-None-Match`)"}


def _with_errors(operation: dict[str, Any], method: str) -> None:
    """Say which problems an operation may answer with."""
    names = _ALWAYS + (_WITH_KEY if "security" in operation else ()) + (() if method == "get" else _WITH_BODY)
    for name in names:
        content = {problems.MEDIA_TYPE: {"schema": _PROBLEM}}
        operation["responses"][name] = {"description": _WHY[name], "content": content}
    if method == "get":
        operation["responses"]["304"] = _NOT_MODIFIED
        operation["responses"].pop("422", None)  # FastAPI's for parameters, which are a 400 here


class _App(FastAPI):
    def openapi(self) -> dict[str, Any]:
        """With the errors that FastAPI would only describe as application/json."""
        if self.openapi_schema is None:
            document = super().openapi()
            document["components"]["schemas"].setdefault("Problem", Problem.model_json_schema())
            for unused in ("HTTPValidationError", "ValidationError"):
                document["components"]["schemas"].pop(unused, None)
            for path in document["paths"].values():
                for method, operation in path.items():
                    _with_errors(operation, method)
        return super().openapi()


def create_app(
    store: Store,
    registry: RegistryReader,
    delivery: DeliveryReader | None = None,
    dead_letters: DeadLetterBox | None = None,
    arrivals: ArrivalReader | None = None,
    changes: RegistryChanges | None = None,
    ingests: IngestReader | None = None,
    now_s: Callable[[], float] = time.time,
    imprint_url: str | None = None,
    privacy_url: str | None = None,
    accessibility_url: str | None = None,
) -> FastAPI:
    """The HTTP side. Without `delivery`, `dead_letters` or `changes` their routes are left out; without `arrivals`
    there is no stream, and the newest values are asked of the store each time. It closes nothing.

    The three addresses stand at the foot of every page, each where it is given.
    """
    values = LatestValues(store, arrivals, time.monotonic) if arrivals is not None else None
    services = Services(store, registry, delivery, dead_letters, now_s, values, ingests)
    metrics = Metrics(services)
    app = _App(
        title="klimanetz",
        description=_DESCRIPTION,
        version=version("klimanetz"),
        license_info={"name": "EUPL-1.2", "identifier": "EUPL-1.2"},
        docs_url=None,
        redoc_url=None,
        swagger_ui_oauth2_redirect_url=None,
        redirect_slashes=False,  # the address would be built from the Host header, which anybody may write
    )
    problems.install(app)
    app.add_middleware(BodyLimit)
    app.add_middleware(Compressed)
    app.add_middleware(Head)
    app.add_middleware(Cors, allow_origins=["*"], allow_methods=["GET", "HEAD"], allow_headers=["*"])
    app.add_middleware(Measured, metrics=metrics)
    app.include_router(station_routes.routes(services))
    app.include_router(series_routes.routes(services))
    app.include_router(series_many.routes(services))
    if arrivals is not None:
        app.state.streams = Streams(Tail(arrivals, lambda: (one.station for one in registry.stations())))
        app.include_router(stream_routes.routes(services, app.state.streams))
    if delivery is not None:
        app.include_router(station_routes.delivery_routes(delivery))
    if dead_letters is not None:
        app.include_router(operator_routes.dead_letter_routes(services, dead_letters))
    if changes is not None:
        app.include_router(registry_routes.routes(services, changes))
    app.include_router(operator_routes.health_routes(services, metrics))
    app.include_router(docs.routes())
    legal = {"imprint": imprint_url, "privacy": privacy_url, "accessibility": accessibility_url}
    pages.install(app, services, {key: url for key, url in legal.items() if url})
    return app
