"""What only operators see (dead letters, unknown devices: a key is needed) and what machines ask (health, metrics)."""

import logging
from collections.abc import Callable
from typing import Annotated

import orjson
from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import PlainTextResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from cloud.api import answers
from cloud.api.known_query import known_query
from cloud.api.metrics import Metrics
from cloud.api.ports import DeadLetterReader, Services
from cloud.api.problems import KeyMissing, KeyTooWeak, problem

SCOPES = ("read", "write", "admin")  # each may do what the one before may
log = logging.getLogger("klimanetz.api")
_FIGURES: dict[int | str, dict[str, object]] = {
    200: {"content": {"text/plain": {"example": "klimanetz_store_up 1.0\n"}}, "description": "Prometheus' text format"}
}
_bearer = HTTPBearer(auto_error=False, description="A key made with `klimanetz keys create`")


def needs_key(services: Services, scope: str) -> Callable[..., str]:
    """A dependency: the scope of the request's key. Raises KeyMissing and KeyTooWeak."""

    def check(credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]) -> str:
        found = services.registry.key_scope(credentials.credentials) if credentials else None
        if found is None:
            raise KeyMissing("This needs a key: send Authorization: Bearer <key>, made with `klimanetz keys create`")
        if SCOPES.index(found) < SCOPES.index(scope):
            raise KeyTooWeak(f"This needs a key of the scope '{scope}', and this one is of '{found}'")
        return found

    return check


def dead_letter_routes(services: Services, reader: DeadLetterReader) -> APIRouter:
    """What came and was no reading, and who sent it."""
    router = APIRouter(
        prefix="/v1", tags=["operation"], dependencies=[Depends(needs_key(services, "read")), Depends(known_query)]
    )

    @router.get(
        "/dead-letters",
        summary="Messages that were not readings, the newest first",
        response_model=answers.DeadLetters,
    )
    def dead_letters(limit: Annotated[int, Query(ge=1, le=10_000)] = 100) -> Response:
        return _json({"dead_letters": reader.dead_letters(limit)})

    @router.get("/unknown", summary="Devices heard that nobody registered", response_model=answers.Unknown)
    def unknown() -> Response:
        return _json({"unknown": reader.unknown()})

    return router


def health_routes(services: Services, metrics: Metrics) -> APIRouter:
    """For orchestrators and Prometheus."""
    router = APIRouter(tags=["operation"])

    @router.get("/health/live", summary="The process answers", response_model=answers.Live)
    def live() -> Response:
        return _json({"status": "ok"})

    @router.get("/health/ready", summary="Store and registry answer too", response_model=answers.Ready)
    def ready(request: Request) -> Response:
        for name, ask in (("store of readings", services.store.ping), ("registry", services.registry.stations)):
            try:
                ask()
            except Exception as error:
                log.error("not ready, %s: %s", name, error)
                return problem(503, f"The {name} cannot be reached; its reason is in the log.", request.headers)
        return _json({"status": "ready"})

    @router.get("/metrics", summary="Figures for Prometheus", response_class=PlainTextResponse, responses=_FIGURES)
    def figures() -> Response:
        return Response(generate_latest(metrics.registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    return router


def _json(body: object) -> Response:
    return Response(orjson.dumps(body), media_type="application/json")
