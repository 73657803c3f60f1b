"""The application: which routes there are, and what holds for all of them.

Everything it needs is handed in; it opens nothing itself. Reading is public, also from other sites' pages (CORS).
"""

import time
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI

from cloud.api import docs, operator_routes, problems, series_many, series_routes, station_routes
from cloud.api.answers import Problem
from cloud.api.metrics import Metrics
from cloud.api.middleware import BodyLimit, Cors, Head, Measured
from cloud.api.ports import DeadLetterReader, DeliveryReader, RegistryReader, Services
from cloud.pages import routes as pages
from cloud.store.model import Store

_DESCRIPTION = """
A city's climate readings: where the stations are, what they measured, how each value was judged. Reading needs no key.
Times are UTC with `Z`. Errors are `application/problem+json` (RFC 9457).

Quality is one letter: `V` verified, `S` screened, `C` coarse check only, `Z` not yet judged, `Q` questioned,
`X` failed, `G`/`B` decided by a person as good or bad; `quality_reasons` says why.
"""
_PROBLEM = {"$ref": "#/components/schemas/Problem"}
_ERRORS: dict[int | str, dict[str, object]] = {
    "default": {"description": "An error", "content": {problems.MEDIA_TYPE: {"schema": _PROBLEM}}}
}


class _App(FastAPI):
    def openapi(self) -> dict[str, Any]:
        """With the model of errors, which FastAPI would only describe as application/json."""
        document = super().openapi()
        document["components"]["schemas"].setdefault("Problem", Problem.model_json_schema())
        return document


def create_app(
    store: Store,
    registry: RegistryReader,
    delivery: DeliveryReader | None = None,
    dead_letters: DeadLetterReader | None = None,
    now_s: Callable[[], float] = time.time,
    imprint_url: str | None = None,
    privacy_url: str | None = None,
    accessibility_url: str | None = None,
) -> FastAPI:
    """The HTTP side. Without `delivery` or `dead_letters` their routes are left out. It closes nothing.

    The three addresses stand at the foot of every page, each where it is given.
    """
    services = Services(store, registry, delivery, dead_letters, now_s)
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
        responses=_ERRORS,
    )
    problems.install(app)
    app.add_middleware(BodyLimit)
    app.add_middleware(Head)
    app.add_middleware(Cors, allow_origins=["*"], allow_methods=["GET", "HEAD"], allow_headers=["*"])
    app.add_middleware(Measured, metrics=metrics)
    app.include_router(station_routes.routes(services))
    app.include_router(series_routes.routes(services))
    app.include_router(series_many.routes(services))
    if delivery is not None:
        app.include_router(station_routes.delivery_routes(delivery))
    if dead_letters is not None:
        app.include_router(operator_routes.dead_letter_routes(services, dead_letters))
    app.include_router(operator_routes.health_routes(services, metrics))
    app.include_router(docs.routes())
    legal = {"imprint": imprint_url, "privacy": privacy_url, "accessibility": accessibility_url}
    pages.install(app, services, {key: url for key, url in legal.items() if url})
    return app
