"""What only operators see (dead letters, unknown devices: a key is needed) and what machines ask (health, metrics)."""

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated, Literal

import orjson
from fastapi import APIRouter, Depends, Path, Query, Request, Response
from fastapi.responses import PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from cloud.api import answers
from cloud.api.keys import needs_key
from cloud.api.known_query import known_query
from cloud.api.metrics import Metrics
from cloud.api.ports import DeadLetterBox, Services
from cloud.api.problems import Conflict, NotFound, Refused, problem
from cloud.api.readiness import PATIENCE_S, Readiness
from cloud.registry.adoption import AdoptionRefused, AlreadyRegistered, NeverHeard, NoSuchStation

Number = Annotated[int, Path(ge=0, lt=2**63, description="`id` of a dead letter", examples=[17])]
log = logging.getLogger("klimanetz.api")
_FIGURES: dict[int | str, dict[str, object]] = {
    200: {"content": {"text/plain": {"example": "klimanetz_store_up 1.0\n"}}, "description": "Prometheus' text format"}
}


def dead_letter_routes(services: Services, box: DeadLetterBox) -> APIRouter:
    """What came and was no reading, and who sent it; with a key of the scope write, also what to do about it."""
    may_write = [Depends(needs_key(services, "write"))]
    router = APIRouter(
        prefix="/v1", tags=["operation"], dependencies=[Depends(needs_key(services, "read")), Depends(known_query)]
    )

    @router.get(
        "/dead-letters",
        summary="Messages that were not readings, the newest first",
        response_model=answers.DeadLetters,
    )
    def dead_letters(
        limit: Annotated[int, Query(ge=1, le=10_000, description="How many at most", examples=[20])] = 100,
    ) -> Response:
        """What arrived and is not a reading (yet), with the reason and the beginning of its payload."""
        return _json({"dead_letters": box.dead_letters(limit)})

    @router.get("/dead-letters/{number}", summary="One message, whole", response_model=answers.DeadLetter)
    def dead_letter(number: Number) -> Response:
        """With its whole payload, as text where it is text, else in hexadecimal."""
        found = box.dead_letter(number)
        if found is None:
            raise NotFound(_no_letter(number))
        return _json(found)

    @router.post(
        "/dead-letters/{number}/replay",
        summary="Let a running `ingest` take the message again",
        status_code=202,
        response_model=answers.Replay,
        dependencies=may_write,
    )
    def replay(number: Number) -> Response:
        """After what was wrong has been mended; what is still no reading becomes a new letter."""
        if not box.replay(number):
            if box.dead_letter(number) is None:
                raise NotFound(_no_letter(number))
            raise Conflict(f"Dead letter {number} was replayed already, or only counts others")
        return _json({"id": number, "replay": "wanted"}, 202)

    @router.get("/unknown", summary="Devices heard that nobody registered", response_model=answers.Unknown)
    def unknown() -> Response:
        """Their messages wait, and are stored once somebody registers them."""
        return _json({"unknown": box.unknown()})

    @router.post(
        "/unknown/{device}/adopt",
        summary="Register a device that sends already; what it sent so far is stored",
        status_code=201,
        response_model=answers.Adopted,
        dependencies=may_write,
    )
    def adopt(device: answers.StrangerPath, where: answers.Adoption) -> Response:
        """Its waiting readings belong to that station too, and are stored by a running `ingest`."""
        try:
            box.adopt(device, where.station)
        except AlreadyRegistered as error:
            raise Conflict(f"{error}; PUT /v1/devices/{error.name} moves it") from None
        except NoSuchStation as error:
            raise Refused(f"{error}; PUT /v1/stations/{where.station} does that") from None
        except NeverHeard as error:
            raise NotFound(f"{error}; /v1/unknown shows who sends") from None
        except AdoptionRefused as error:
            raise Refused(str(error)) from None
        return _json({"device": device, "station": where.station}, 201, {"Location": f"/v1/devices/{device}"})

    return router


def _no_letter(number: int) -> str:
    return f"There is no dead letter {number}; /v1/dead-letters shows which there are"


INGEST_TROUBLES = {
    "disk": "The ingest '{instance}' cannot write to its disk: it acknowledges nothing until there is room.",
    "broker": "The ingest '{instance}' has no connection to the broker.",
    "store": "The ingest '{instance}' cannot store: what it captures waits.",
    "letters": "The ingest '{instance}' cannot look at dead letters.",
    "silent": "The ingest '{instance}' has said nothing for a minute.",
}


def health_routes(services: Services, metrics: Metrics) -> APIRouter:
    """For orchestrators and Prometheus."""
    router = APIRouter(tags=["operation"])

    @router.get("/health/live", summary="The process answers", response_model=answers.Live)
    async def live() -> Response:
        """For orchestrators: restart what does not."""
        return _json({"status": "ok"})

    probes = ThreadPoolExecutor(2, thread_name_prefix="probe")
    readiness = Readiness(
        {"store of readings": lambda: services.store.ping(), "registry": lambda: services.registry.revision()}
    )

    @router.get("/health/ready", summary="All that carries readings is well", response_model=answers.Ready)
    async def ready(
        request: Request,
        of: Annotated[
            Literal["all", "api"],
            Query(description="`api`: only what this process needs to answer, for load balancers", examples=["api"]),
        ] = "all",
    ) -> Response:
        """Store, registry and every ingest, within two seconds; else `parts` says what is wrong with which."""
        # Not in the threads of all other requests: those may all be waiting for the store.
        loop = asyncio.get_running_loop()
        states: dict[str, str] = dict(await loop.run_in_executor(probes, readiness.states))
        said = next((_unready(name, state) for name, state in states.items() if state != "ok"), "")
        if of == "all" and services.ingests is not None and states["registry"] == "ok":
            troubles = await loop.run_in_executor(probes, services.ingests.troubles, services.now_s())
            for instance, its in troubles.items():
                states[f"ingest {instance}"] = ", ".join(its) or "ok"
                said = said or next((INGEST_TROUBLES[one].format(instance=instance) for one in its), "")
        if said:
            return problem(503, said, request.headers, parts=states)
        return _json({"status": "ready"})

    @router.get("/metrics", summary="Figures for Prometheus", response_class=PlainTextResponse, responses=_FIGURES)
    def figures() -> Response:
        """Answers by route and status, how long they took, whether the store answers, the newest reading's time."""
        return Response(generate_latest(metrics.registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    return router


def _unready(name: str, state: str) -> str:
    if state == "silent":
        return f"The {name} has not answered within {PATIENCE_S:g} s; its reason is in the log."
    return f"The {name} cannot be reached; its reason is in the log."


def _json(body: object, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(orjson.dumps(body), status, headers, "application/json")
