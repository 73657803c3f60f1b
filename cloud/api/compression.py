"""Content codings (RFC 9110, 12.5.3): zstd (RFC 8878) and gzip, as `Accept-Encoding` weighs them.

A streamed answer stays a stream: each piece is compressed and flushed, so the first byte is early and memory does not
grow. Large pieces are compressed in a thread, so that nobody waits for another's download. The rule: bytes differ by
coding and so every answer that could be compressed says `Vary`; events are never compressed, they go as they come.
"""

import threading
import zlib
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Protocol

import zstandard
from anyio import to_thread
from fastapi import Request, Response
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cloud.api.problems import NOT_ACCEPTABLE, problem

IDENTITY, GZIP, ZSTD = "identity", "gzip", "zstd"
SMALLEST = 600  # bytes; below that a packet is a packet
IN_THREAD = 16_384  # bytes, from where on compressing takes more than a quarter of a millisecond
_PREFERRED = (ZSTD, GZIP)
_GZIP_LEVEL, _ZSTD_LEVEL = 5, 3
_WINDOW_LOG = 18  # a stream's window, 256 KiB: a context takes about a megabyte
_TYPES = ("application/json", "application/javascript", "image/svg+xml")
_NEVER = "text/event-stream"
_UNMENTIONED = 1e-4  # the weight of sending a body as it is, where the client does not say


@lru_cache(maxsize=256)
def chosen(accepted: str) -> tuple[str | None, bool]:
    """The best coding for an `Accept-Encoding`, zstd before gzip where they weigh the same, None where none will do;
    and whether even a small body must be coded.
    """
    weights = _weights(accepted)
    rest = weights.get("*")
    found = {coding: weights.get(coding, rest or 0.0) for coding in _PREFERRED}
    found[IDENTITY] = weights.get(IDENTITY, _UNMENTIONED if rest is None else rest)
    best = max(found, key=lambda coding: found[coding])
    return (best if found[best] > 0 else None), found[IDENTITY] == 0


def _weights(accepted: str) -> dict[str, float]:
    weights: dict[str, float] = {}
    for part in accepted.lower().split(","):
        coding, *parameters = (word.strip() for word in part.split(";"))
        weight = 1.0
        for name, _, value in (word.partition("=") for word in parameters):
            if name.strip() == "q":
                try:
                    weight = min(max(float(value), 0.0), 1.0)
                except ValueError:
                    weight = 0.0
        if coding:
            weights[coding.removeprefix("x-")] = weight
    return weights


def _of(headers: Headers) -> tuple[str | None, bool]:
    return chosen(",".join(headers.getlist("accept-encoding")))


class Codings:
    """A body that many will ask for: compressed once for each coding, when the first one wants it."""

    def __init__(self, body: bytes) -> None:
        self._bodies = {IDENTITY: body}
        self._lock = threading.Lock()

    def response(self, request: Request, media_type: str, headers: Mapping[str, str]) -> Response:
        """In the coding that the client likes best."""
        coding = _of(request.headers)[0] or IDENTITY
        if coding == IDENTITY or len(self._bodies[IDENTITY]) < SMALLEST:
            return Response(self._bodies[IDENTITY], headers=dict(headers), media_type=media_type)
        with self._lock:
            if coding not in self._bodies:
                self._bodies[coding] = _once(coding, self._bodies[IDENTITY])
        return Response(self._bodies[coding], headers={**headers, "Content-Encoding": coding}, media_type=media_type)


class _Stream(Protocol):
    """A compressor under way."""

    def compress(self, data: bytes, /) -> bytes: ...

    def flush(self, mode: int, /) -> bytes: ...


def _once(coding: str, body: bytes) -> bytes:
    if coding == ZSTD:
        return zstandard.ZstdCompressor(level=_ZSTD_LEVEL).compress(body)
    return zlib.compress(body, _GZIP_LEVEL, 16 + zlib.MAX_WBITS)


def _compressor(coding: str) -> Callable[[bytes, bool], bytes]:
    """What compresses a stream piece by piece; the second argument says whether more will come."""
    if coding == ZSTD:
        how = zstandard.ZstdCompressionParameters.from_level(_ZSTD_LEVEL, window_log=_WINDOW_LOG)
        stream: _Stream = zstandard.ZstdCompressor(compression_params=how).compressobj()
        flushes = zstandard.COMPRESSOBJ_FLUSH_BLOCK, zstandard.COMPRESSOBJ_FLUSH_FINISH
    else:
        stream = zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
        flushes = zlib.Z_SYNC_FLUSH, zlib.Z_FINISH
    return lambda data, more: stream.compress(data) + stream.flush(flushes[not more])


class Compressed:
    """Compresses what may be compressed, for who accepts it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        headers = Headers(scope=scope)
        coding, must = _of(headers)
        if coding is None:
            return await problem(406, NOT_ACCEPTABLE, headers)(scope, receive, send)
        await self._app(scope, receive, _Answer(send, coding, 0 if must else SMALLEST))


class _Answer:
    """One answer on its way: its head waits for the first piece."""

    def __init__(self, send: Send, coding: str, smallest: int) -> None:
        self._send = send
        self._coding = coding
        self._smallest = smallest
        self._head: Message | None = None
        self._compress: Callable[[bytes, bool], bytes] | None = None

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start" and _compressible(message):
            MutableHeaders(raw=message["headers"]).add_vary_header("Accept-Encoding")
            if self._coding != IDENTITY:
                self._head = message
                return
        elif message["type"] == "http.response.body":
            message = await self._body(message)
        await self._send(message)

    async def _body(self, message: Message) -> Message:
        body, more = message.get("body", b""), message.get("more_body", False)
        if self._head is not None:
            head, self._head = self._head, None
            if more or len(body) >= self._smallest:
                self._compress = _compressor(self._coding)
                headers = MutableHeaders(raw=head["headers"])
                headers["Content-Encoding"] = self._coding
                del headers["Content-Length"]
                if not more:
                    body = await self._compressed(body, more)
                    self._compress = None
                    headers["Content-Length"] = str(len(body))
            await self._send(head)
        if self._compress is not None:
            body = await self._compressed(body, more)
        return {**message, "body": body}

    async def _compressed(self, body: bytes, more: bool) -> bytes:
        assert self._compress is not None
        if more and not body:
            return b""  # a flush of nothing would be bytes all the same
        if len(body) < IN_THREAD:
            return self._compress(body, more)
        return await to_thread.run_sync(self._compress, body, more)


def _compressible(start: Message) -> bool:
    headers = Headers(raw=start["headers"])
    media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    known: Sequence[str] = _TYPES
    fits = media_type.startswith("text/") or media_type.endswith("+json") or media_type in known
    whole = start["status"] >= 200 and start["status"] not in (204, 206, 304)
    return fits and whole and media_type != _NEVER and "content-encoding" not in headers
