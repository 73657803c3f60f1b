"""Errors as `application/problem+json` (RFC 9457): one table from what went wrong to a status.

A problem says what happened and the way out. What only operators may know (addresses of servers, stack traces) goes
to the log, under the id that the problem names.
"""

import logging
import uuid
from http import HTTPStatus
from typing import Any

import orjson
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from cloud.store.model import StoreRefused, StoreUnavailable
from schemas.channels import ChannelError

MEDIA_TYPE = "application/problem+json"
log = logging.getLogger("klimanetz.api")


class ApiError(Exception):
    """Something to tell a client; the message is one sentence with the way out."""


class BadParameter(ApiError):
    """A part of the request that cannot be understood."""


class NotFound(ApiError):
    """No such station, channel or device."""


class KeyMissing(ApiError):
    """No key, or one that nobody was given."""


class KeyTooWeak(ApiError):
    """A key of too small a scope."""


STATUS: dict[type[Exception], int] = {
    BadParameter: 400,
    KeyMissing: 401,
    KeyTooWeak: 403,
    NotFound: 404,
    ChannelError: 404,
    StoreUnavailable: 503,
    StoreRefused: 503,
}
_HEADERS = {401: {"WWW-Authenticate": 'Bearer realm="klimanetz"'}, 503: {"Retry-After": "5"}}
_WAY_OUT = {
    404: "There is nothing at this address; /openapi.json lists what there is.",
    405: "This address does not take this method; see the Allow header.",
}


def problem(status: int, detail: str, headers: dict[str, str] | None = None, **more: Any) -> Response:
    """A response; `more` are further members of the problem."""
    body = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail, **more}
    return Response(orjson.dumps(body), status, {**_HEADERS.get(status, {}), **(headers or {})}, MEDIA_TYPE)


def install(app: FastAPI) -> None:
    """Makes every error of the application a problem."""
    for kind in STATUS:
        app.add_exception_handler(kind, _known)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(Exception, _unexpected)


async def _known(request: Request, error: Exception) -> Response:
    status = next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)
    if isinstance(error, StoreUnavailable | StoreRefused):
        log.error("%s: %s", request.url.path, error)
        after = error.retry_after_s if isinstance(error, StoreUnavailable) else None
        headers = {"Retry-After": str(max(1, round(after)))} if after else None
        return problem(status, "The store of readings cannot be reached now; try again shortly.", headers)
    return problem(status, _sentence(str(error)))


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    standard = HTTPStatus(error.status_code).phrase
    detail = error.detail if error.detail != standard else _WAY_OUT.get(error.status_code, standard)
    return problem(error.status_code, detail, dict(error.headers or {}))


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    errors = [{"where": ".".join(map(str, one["loc"])), "what": str(one["msg"])} for one in error.errors()]
    in_body = any(one["where"].startswith("body") for one in errors)
    text = "; ".join(map(_parameter, error.errors()))
    return problem(422 if in_body else 400, _sentence(text), errors=errors)


def _parameter(one: Any) -> str:
    """One thing that is wrong, the parameter spelled as it is."""
    place, *names = map(str, one["loc"])
    what = str(one["msg"])
    what = what[:1].lower() + what[1:]
    where = f"`{'.'.join(names) or place}`"
    return f"{where} is '{one['input']}': {what}" if place in ("query", "path") else f"{where}: {what}"


async def _unexpected(request: Request, error: Exception) -> Response:
    number = uuid.uuid4()
    log.error("%s %s failed, %s", request.method, request.url.path, number, exc_info=error)
    detail = (
        "Something failed on our side; whoever runs this service finds it in the log under the instance given here."
    )
    return problem(500, detail, instance=f"urn:uuid:{number}")


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) else ".")
