"""The registry from elsewhere: `PUT` a station or a device, `POST` a deployment, with the columns of the files.

Sending the same again changes nothing and says so. Keys go in, and come out on one route only, to a key of the scope
admin: for a technician's trip without a network. `If-Match` with the `ETag` of an answer here takes a change only if
nobody has changed the registry since.
"""

from collections.abc import Callable, Mapping
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Depends, Header, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from cloud.api import answers
from cloud.api.keys import needs_key
from cloud.api.known_query import known_query
from cloud.api.ports import Services
from cloud.api.problems import BadParameter, Changed, NotFound, Refused
from cloud.registry.changes import RegistryChanges, RevisionChanged, RowRefused, Written
from schemas.channels import is_name

Put = Callable[[Mapping[str, Any], int | None], Written]
IfMatch = Annotated[
    str | None,
    Header(alias="If-Match", description="Only if the registry is still as this `ETag` says", examples=["*"]),
]
_BOTH: dict[int | str, dict[str, object]] = {
    200: {"description": "It was there: changed, or as it was"},
    201: {
        "description": "Added",
        "model": answers.Registered,
        "headers": {"Location": {"description": "Where it is", "schema": {"type": "string"}}},
    },
}


def _body(model: type[Any], example: dict[str, Any]) -> dict[str, Any]:
    """How a body is described; it is checked as a row of a file, which names the way out better than a schema could."""
    schema = model.model_json_schema(by_alias=True)
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema, "example": example}}}}


STATION = {"name": "Marktplatz", "latitude": 51.4825, "longitude": 11.9697, "height_m": 3.0, "private": False}
DEVICE = {"station": "marktplatz", "activation": "mqtt", "codec": "klimanetz"}
DEPLOYMENT = {"station": "marktplatz", "device": "kn-0007", "from": "2026-10-03", "note": "at the lamp post"}


def routes(services: Services, changes: RegistryChanges) -> APIRouter:
    """Reading devices needs a key of the scope read, changing anything one of write."""
    router = APIRouter(prefix="/v1", tags=["registry"])
    may_read = [Depends(needs_key(services, "read")), Depends(known_query)]
    may_write = [Depends(needs_key(services, "write")), Depends(known_query)]
    may_see_keys = [Depends(needs_key(services, "admin")), Depends(known_query)]

    @router.put("/stations/{station}", summary="Add or change a station", response_model=answers.Registered,
                dependencies=may_write, responses=_BOTH, openapi_extra=_body(answers.StationRow, STATION))  # fmt: skip
    async def put_station(request: Request, station: answers.StationPath, if_match: IfMatch = None) -> Response:
        """One row of stations.csv, with the same checks.

        A member that is left out stays as it is, null or an empty text clears, keys are only ever replaced. The same
        again changes nothing.
        """
        row = await _row(request, "station", station)
        written = await _taken(services, changes.put_station, row, if_match)
        return await run_in_threadpool(
            lambda: _answer(services, written, changes.station(station), f"/v1/stations/{station}")
        )

    @router.put("/devices/{device}", summary="Add or change a device", response_model=answers.Registered,
                dependencies=may_write, responses=_BOTH, openapi_extra=_body(answers.DeviceRow, DEVICE))  # fmt: skip
    async def put_device(request: Request, device: answers.DevicePath, if_match: IfMatch = None) -> Response:
        """One row of devices.csv, with the same checks; `station` opens a deployment from now.

        A member that is left out stays as it is, null or an empty text clears, keys are only ever replaced. The same
        again changes nothing.
        """
        row = await _row(request, "device", device)
        written = await _taken(services, changes.put_device, row, if_match)
        return await run_in_threadpool(
            lambda: _answer(services, written, changes.device(device), f"/v1/devices/{device}")
        )

    @router.post("/deployments", summary="Say where a device stood, from when to when", dependencies=may_write,
                 response_model=answers.Registered, responses=_BOTH,
                 openapi_extra=_body(answers.DeploymentRow, DEPLOYMENT))  # fmt: skip
    async def post_deployment(request: Request, if_match: IfMatch = None) -> Response:
        """One row of deployments.csv, with the same checks; two stays of a device must not overlap.

        A member that is left out stays as it is, null or an empty text clears, keys are only ever replaced. The same
        again changes nothing.
        """
        row = await _row(request)
        written = await _taken(services, changes.put_deployment, row, if_match)
        where = f"/v1/deployments?device={row['device'].strip()}"
        return await run_in_threadpool(lambda: _answer(services, written, row, where))

    @router.get("/devices/{device}", summary="A device, without its keys", response_model=answers.DeviceRowShown,
                dependencies=may_read)  # fmt: skip
    def device(device: answers.DevicePath) -> Response:
        """As its row of devices.csv, with the station where it stands now."""
        tag = _tag(services)
        found = changes.device(device)
        if found is None:
            raise NotFound(f"There is no device '{device}'; `klimanetz devices list` shows all")
        return Response(orjson.dumps(found), headers=tag, media_type="application/json")

    @router.get("/deployments", summary="Where a device stood", response_model=answers.Deployments,
                dependencies=may_read)  # fmt: skip
    def deployments(device: Annotated[str, Query(description="Its name", examples=["kn-0007"])]) -> Response:
        """As rows of deployments.csv, by time; without `from` the beginning is not known."""
        tag = _tag(services)
        body = orjson.dumps({"deployments": changes.deployments(device)})
        return Response(body, headers=tag, media_type="application/json")

    @router.get("/registry", summary="Stations, devices with their keys, and deployments",
                response_model=answers.WholeRegistry, dependencies=may_see_keys)  # fmt: skip
    def registry(
        device: Annotated[
            str | None, Query(description="Only these, separated by commas", examples=["kn-0007,kn-0008"])
        ] = None,
    ) -> Response:
        """As rows of the three files, for a trip without a network. With `device` also only its deployments."""
        tag = _tag(services)
        names = None if device is None else {name.strip() for name in device.split(",")}
        body = orjson.dumps(changes.with_keys(names))
        return Response(body, headers=tag, media_type="application/json")

    return router


async def _row(request: Request, column: str = "", name: str = "") -> dict[str, Any]:
    """The body, with the name that the address gives. Raises Refused."""
    try:
        row = orjson.loads(await request.body())
    except orjson.JSONDecodeError as error:
        raise Refused(f"The body is not JSON: {error}") from None
    if not isinstance(row, dict):
        raise Refused("The body is not a JSON object: send the columns of one row")
    if column and not is_name(name):  # cells lose their blanks: the address must be what is registered
        raise Refused(f"{column}: '{name}' is no name; use 1 to 64 of A-Z a-z 0-9 . _ - and a letter or digit first")
    if column and row.setdefault(column, name) != name:
        raise Refused(f"{column} is another in the body than in the address, '{name}': leave it out of the body")
    return row


async def _taken(services: Services, put: Put, row: Mapping[str, Any], if_match: str | None) -> Written:
    try:
        return await run_in_threadpool(put, row, _revision(services, if_match))
    except RowRefused as refused:
        raise Refused(str(refused)) from None
    except RevisionChanged:
        raise Changed("The registry was changed meanwhile: read it again, and then send your change") from None


def _revision(services: Services, if_match: str | None) -> int | None:
    if if_match is None or if_match.strip() == "*":
        return None
    tag = if_match.strip()
    if not (tag.startswith('"r') and tag.endswith('"') and tag[2:-1].isdecimal() and len(tag) < 24):
        raise BadParameter("`If-Match` is no `ETag` of the registry: send the one of an answer to PUT, or leave it out")
    return int(tag[2:-1])


def _tag(services: Services) -> dict[str, str]:
    return {"ETag": f'"r{services.registry.revision()}"', "Cache-Control": "no-store"}


def _answer(services: Services, written: Written, row: Mapping[str, Any] | None, where: str) -> Response:
    added = written.change == "added"
    body = {"change": written.change, "row": row, "gave_way": list(written.gave_way)}
    headers = _tag(services) | ({"Location": where} if added else {})
    return Response(orjson.dumps(body), 201 if added else 200, headers, "application/json")
