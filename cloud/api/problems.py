"""Errors as `application/problem+json` (RFC 9457): one table from what went wrong to a status.

A problem says what happened and the way out, in the reader's language; `type` names its kind. What only operators may
know (addresses of servers, stack traces) goes to the log, under the id that the problem names.
"""

import logging
import uuid
from http import HTTPStatus
from typing import Any

import orjson
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import SQLAlchemyError
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException

from cloud.api.texts import spoken
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


class Refused(ApiError):
    """A body that can be read and cannot be taken over."""


class Conflict(ApiError):
    """What is asked for is so already, in another way."""


class Changed(ApiError):
    """`If-Match` names a state that is no more."""


class TooMany(ApiError):
    """More at once than are taken."""


STATUS: dict[type[Exception], tuple[int, str]] = {
    BadParameter: (400, "bad-parameter"),
    KeyMissing: (401, "key-missing"),
    KeyTooWeak: (403, "key-too-weak"),
    NotFound: (404, "not-found"),
    ChannelError: (404, "unknown-channel"),
    Conflict: (409, "conflict"),
    Changed: (412, "changed-meanwhile"),
    Refused: (422, "refused"),
    TooMany: (503, "too-many"),
    StoreUnavailable: (503, "store-unavailable"),
    StoreRefused: (503, "store-unavailable"),
    SQLAlchemyError: (503, "registry-unavailable"),
}
_KINDS = {406: "not-acceptable", 413: "body-too-large", 500: "fault-of-ours", 503: "not-ready"}
_HEADERS = {401: {"WWW-Authenticate": 'Bearer realm="klimanetz"'}, 503: {"Retry-After": "5"}}
_WAY_OUT = {
    404: "There is nothing at this address; /openapi.json lists what there is.",
    405: "This address does not take this method; see the Allow header.",
}
NOT_ACCEPTABLE = "`Accept-Encoding` forbids every coding that there is here: allow zstd, gzip or identity."
STORE_AWAY = "The store of readings cannot be reached now; try again shortly."
REGISTRY_AWAY = "The registry cannot be reached now; try again shortly."
OUR_FAULT = "Something failed on our side; whoever runs this service finds it in the log under the instance given here."


def problem(
    status: int,
    detail: str,
    asked: Headers,
    headers: dict[str, str] | None = None,
    kind: str | None = None,
    **more: Any,
) -> Response:
    """A response in the language of the request with the headers `asked`; `more` are further members of the problem."""
    kind = kind or _KINDS.get(status)
    text, language = spoken(detail, asked.get("accept-language"))
    body = {
        "type": f"urn:klimanetz:problem:{kind}" if kind else "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": text,
        **more,
    }
    told = {**_HEADERS.get(status, {}), **(headers or {}), "Content-Language": language}
    told["Vary"] = ", ".join(filter(None, (told.get("Vary"), "Accept-Language")))
    return Response(orjson.dumps(body), status, told, MEDIA_TYPE)


def install(app: FastAPI) -> None:
    """Makes every error of the application a problem."""
    for kind in STATUS:
        app.add_exception_handler(kind, _known)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(Exception, _unexpected)


async def _known(request: Request, error: Exception) -> Response:
    status, kind = next(STATUS[one] for one in type(error).__mro__ if one in STATUS)
    if status == 503 and not isinstance(error, ApiError):
        log.error("%s: %s", request.url.path, error)
        after = error.retry_after_s if isinstance(error, StoreUnavailable) else None
        headers = {"Retry-After": str(max(1, round(after)))} if after else None
        text = REGISTRY_AWAY if isinstance(error, SQLAlchemyError) else STORE_AWAY
        return problem(status, text, request.headers, headers, kind)
    return problem(status, _sentence(str(error)), request.headers, kind=kind)


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    standard = HTTPStatus(error.status_code).phrase
    detail = error.detail if error.detail != standard else _WAY_OUT.get(error.status_code, standard)
    return problem(error.status_code, detail, request.headers, dict(error.headers or {}))


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    accepted = request.headers.get("accept-language")
    errors = [
        {"where": ".".join(map(str, one["loc"])), "what": spoken(str(one["msg"]), accepted)[0]}
        for one in error.errors()
    ]
    in_body = any(one["where"].startswith("body") for one in errors)
    status, kind = (422, "refused") if in_body else (400, "bad-parameter")
    text = _sentence("; ".join(map(_parameter, error.errors())))
    return problem(status, text, request.headers, kind=kind, errors=errors)


def _parameter(one: Any) -> str:
    """One thing that is wrong, the parameter spelled as it is."""
    place, *names = map(str, one["loc"])
    what = str(one["msg"])
    what = what[:1].lower() + what[1:]
    where = f"`{'.'.join(names) or place}`"
    return (
        f"{where} is '{one['input']}': {what}"
        if one["type"] != "missing" and place in ("query", "path")
        else f"{where}: {what}"
    )


async def _unexpected(request: Request, error: Exception) -> Response:
    number = uuid.uuid4()
    log.error("%s %s failed, %s", request.method, request.url.path, number, exc_info=error)
    return problem(500, OUR_FAULT, request.headers, instance=f"urn:uuid:{number}")


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) else ".")
