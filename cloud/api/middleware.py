"""What holds for every request, as plain ASGI: a limit on bodies, HEAD for whatever takes GET, CORS, figures."""

import time

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cloud.api.metrics import Metrics
from cloud.api.problems import problem

BODY_MAX = 10_000_000  # bytes
_TOO_LARGE = f"A body may have up to {BODY_MAX // 1_000_000} MB: send it in several parts."


class BodyLimit:
    """Refuses a larger body with 413, by its announced length at once, else when it gets too long."""

    def __init__(self, app: ASGIApp, limit: int = BODY_MAX) -> None:
        self._app = app
        self._limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        announced = dict(scope["headers"]).get(b"content-length", b"0")
        if not announced.isdigit() or int(announced) > self._limit:
            return await problem(413, _TOO_LARGE, Headers(scope=scope))(scope, receive, send)
        received = 0

        async def limited() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self._limit:
                raise HTTPException(413, _TOO_LARGE)
            return message

        await self._app(scope, limited, send)


class Head:
    """Answers HEAD as GET without the body (RFC 9110, 9.3.2). Of a stream no more is read than its beginning."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD":
            return await self._app(scope, receive, send)

        ended = False

        async def without_body(message: Message) -> None:
            nonlocal ended
            if message["type"] != "http.response.body":
                return await send(message)
            if ended:
                raise OSError("the head is all that was asked for")  # as if the client had gone: nothing more is read
            ended = True
            await send({"type": "http.response.body", "body": b"", "more_body": False})

        scope["method"] = "GET"
        try:
            await self._app(scope, receive, without_body)
        except (OSError, ClientDisconnect):
            if not ended:
                raise


class Cors(CORSMiddleware):
    """Which methods other sites' pages may use; a refused preflight is a problem like every other."""

    def preflight_response(self, request_headers: Headers) -> Response:
        answer = super().preflight_response(request_headers)
        if answer.status_code < 400:
            return answer
        kept = {name: value for name, value in answer.headers.items() if name.startswith(("access-control-", "vary"))}
        detail = f"Pages of other sites may only read here: use {' or '.join(self.allow_methods)}."
        return problem(answer.status_code, detail, request_headers, kept)


class Measured:
    """Counts answers and how long they took."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        start_s, status, method = time.perf_counter(), 500, scope["method"]

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, watched)
        finally:
            route = getattr(scope.get("route"), "path", "none")
            self._metrics.answered(method, route, status, time.perf_counter() - start_s)
