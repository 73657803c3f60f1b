"""`/v1/stream`: server-sent events, one a stored reading.

A client that does not read has SEND_S; then it is let go, and comes back where it was. Everything else about bounds is
in `tail`.
"""

import asyncio
import logging
import re
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Query, Response
from sqlalchemy.exc import SQLAlchemyError
from starlette.types import Receive, Scope, Send

from cloud.api import events
from cloud.api.events import Wanted
from cloud.api.known_query import known_query
from cloud.api.known_station import find
from cloud.api.ports import Services
from cloud.api.problems import BadParameter, TooMany
from cloud.api.tail import Tail
from schemas.channels import split

ALIVE_S = 15.0
SEND_S = 30.0
LISTENERS_MAX = 500
CHUNK = 32_768  # bytes sent at once
_NUMBER = re.compile(r"\d{1,18}", re.ASCII)
log = logging.getLogger("klimanetz.api")

_DESCRIPTION = """
One event for each reading that is stored, in the order in which they were stored; `id` is its arrival number. A client
that comes back with the last `id` it saw (browsers do by themselves) gets what it missed, late readings included.
`replaces` names where a reading stood whose time has become better.

Other events: `start` (where a new client begins), `changed` (of these stations the store was changed by an import or a
deletion: ask again), `gap` (what lies between is not kept any more, or was never given here). A line of comment comes
every 15 seconds.
"""
_EXAMPLE = (
    'id: 4711\ndata: {"arrival":4711,"station":"marktplatz","device":"kn-0007","time":"2026-11-22T10:15:00Z",'
    '"generation":1,"seq":17,"values":{"co2":{"value":421.0,"unit":"ppm","quality":"C","quality_reasons":[]}}}\n\n'
)
_RESPONSES: dict[int | str, dict[str, object]] = {
    200: {
        "description": "Events, without end",
        "content": {"text/event-stream": {"schema": {"type": "string"}, "example": _EXAMPLE}},
    }
}


class Streams:
    """All who listen to one application; `end` sends them home."""

    def __init__(self, tail: Tail, alive_s: float = ALIVE_S, send_s: float = SEND_S) -> None:
        self.tail = tail
        self.alive_s = alive_s
        self.send_s = send_s

    def end(self) -> None:
        """At shutdown, in the loop of the server."""
        self.tail.end()

    async def begin(self, last: str | None) -> tuple[int, bytes]:
        """Behind which number a client goes on, and what it is told first. Raises BadParameter."""
        oldest, newest = await self.tail.span()
        if last is None:
            return newest, events.named("start", {"newest": newest, "oldest": oldest}, newest)
        if not _NUMBER.fullmatch(last):
            raise BadParameter(f"`Last-Event-ID` is '{last[:40]}': send the `id` of an event, or nothing to begin now")
        after = int(last)
        if after > newest:
            return newest, events.ahead(after, newest)
        if after + 1 < oldest:
            return oldest - 1, events.gap(after, oldest)
        return after, b""


class EventStream(Response):
    """The answer to one client."""

    media_type = "text/event-stream"

    def __init__(self, streams: Streams, after: int, first: bytes, wanted: Wanted) -> None:
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        super().__init__(headers=headers, media_type=self.media_type)
        del self.headers["content-length"]
        self._streams, self._after, self._first, self._wanted = streams, after, first, wanted

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        gone = asyncio.create_task(_gone(receive))
        self._streams.tail.join()
        try:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            async with aclosing(self._chunks(gone)) as chunks:
                async for chunk in chunks:
                    async with asyncio.timeout(self._streams.send_s):
                        await send({"type": "http.response.body", "body": chunk, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        except TimeoutError:
            log.info("a listener of the stream has not read for %d s and is let go", self._streams.send_s)
        finally:
            gone.cancel()
            self._streams.tail.leave()

    async def _chunks(self, gone: "asyncio.Task[None]") -> AsyncGenerator[bytes]:
        """Until the client has gone or the server ends."""
        tail, number, chunk = self._streams.tail, self._after, events.retry() + self._first
        while not tail.ended and not gone.done():
            news = asyncio.create_task(tail.news())  # before looking: what comes in between is news
            try:
                try:
                    found = await tail.after(number)
                except SQLAlchemyError as error:
                    log.error("a listener of the stream is sent home, it will come back: %s", error)
                    return
                for one in found:
                    chunk += events.event(one, self._wanted)
                    number = one.number
                    if len(chunk) >= CHUNK:
                        yield chunk
                        chunk = b""
                if chunk:
                    yield chunk
                    chunk = b""
                if not found:
                    done, _ = await asyncio.wait(
                        (news, gone), timeout=self._streams.alive_s, return_when="FIRST_COMPLETED"
                    )
                    chunk = b"" if done else events.ALIVE
            finally:
                news.cancel()


def routes(services: Services, streams: Streams) -> APIRouter:
    """The route of events."""
    router = APIRouter(prefix="/v1", tags=["readings"], dependencies=[Depends(known_query)])

    @router.get(
        "/stream",
        summary="Stored readings as they arrive",
        description=_DESCRIPTION,
        status_code=200,
        response_class=EventStream,
        responses=_RESPONSES,
    )
    async def stream(
        station: Annotated[
            str | None, Query(description="Only of these stations, separated by commas", examples=["marktplatz"])
        ] = None,
        channel: Annotated[
            str | None, Query(description="Only these channels, separated by commas", examples=["air_temperature"])
        ] = None,
        last_event_id: Annotated[
            str | None,
            Query(description="For clients that cannot send the header, which goes first", examples=["4711"]),
        ] = None,
        last: Annotated[
            str | None, Header(alias="Last-Event-ID", description="Go on behind this arrival", examples=["4711"])
        ] = None,
    ) -> Response:
        wanted = Wanted(frozenset(_names(station)), frozenset(_names(channel)))
        for name in wanted.channels:
            split(name)
        for name in sorted(wanted.stations):
            await asyncio.to_thread(find, services, name)
        if streams.tail.listeners >= LISTENERS_MAX:
            raise TooMany(f"{LISTENERS_MAX} listen already, more are not taken: try again later")
        after, first = await streams.begin(last or last_event_id)
        return EventStream(streams, after, first, wanted)

    return router


def _names(text: str | None) -> list[str]:
    return [] if text is None else [name.strip() for name in text.split(",")]


async def _gone(receive: Receive) -> None:
    """Returns when the client has closed."""
    while (await receive())["type"] != "http.disconnect":
        pass
