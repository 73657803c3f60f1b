"""What arrives, read once for all who listen, and by each at its own pace.

The newest are in a ring of RING numbers; who is further behind reads from the books, a little at a time. So a client
has a place in the numbers and nothing else: no queue that could grow while it does not read. Reads have threads of
their own, so that a hundred who catch up keep nobody else waiting.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterable
from itertools import islice
from typing import TypeVar

import anyio
from anyio import to_thread
from sqlalchemy.exc import SQLAlchemyError

from cloud.api.events import Told, told
from cloud.ledger.arrivals import ArrivalReader

RING = 5000
PAGE = 500  # numbers a client takes at once
PAGES = 16  # of those that are read from the books, kept for others who are as far behind
PAGE_KEPT_S = 5.0  # as long may a station be told that is not registered any more
POLL_S = 0.25
log = logging.getLogger("klimanetz.api")
T = TypeVar("T")


class Tail:
    """One a process, in one event loop. `stations`: the names of those that are registered."""

    def __init__(self, arrivals: ArrivalReader, stations: Callable[[], Iterable[str]], poll_s: float = POLL_S) -> None:
        self._arrivals = arrivals
        self._stations = stations
        self._poll_s = poll_s
        self._ring: deque[Told] = deque(maxlen=RING)
        self._number = 0  # the last one in the ring
        self._pages: dict[int, tuple[float, list[Told]]] = {}
        self._reading: dict[int, asyncio.Task[list[Told]]] = {}
        self._news = asyncio.Event()
        self._following: asyncio.Task[None] | None = None
        self._threads: anyio.CapacityLimiter | None = None
        self.listeners = 0
        self.ended = False

    async def span(self) -> tuple[int, int]:
        """The oldest number that is kept, and the newest."""
        return await self._in_thread(lambda: (self._arrivals.oldest(), self._arrivals.newest()))

    async def after(self, number: int) -> list[Told]:
        """Some of what has a higher number, in order; empty where nothing has."""
        if self._ring and self._ring[0].number <= number + 1:
            if number >= self._number:
                return []
            start = number + 1 - self._ring[0].number  # numbers in the ring have no holes
            return list(islice(self._ring, start, start + PAGE))
        return [one for one in await self._page(number - number % PAGE) if one.number > number]

    async def _page(self, start: int) -> list[Told]:
        """Pages begin at fixed numbers: those who come back together, after a restart, read each of them once."""
        kept_s, page = self._pages.get(start, (0.0, []))
        if page and asyncio.get_running_loop().time() - kept_s < PAGE_KEPT_S:
            return page
        reading = self._reading.get(start)
        if reading is None:
            reading = self._reading[start] = asyncio.create_task(self._read_page(start))
            reading.add_done_callback(lambda _: self._reading.pop(start))
        return await asyncio.shield(reading)  # one of them may go away meanwhile

    async def _read_page(self, start: int) -> list[Told]:
        page = await self._in_thread(lambda: self._read(start))
        if len(page) == PAGE:
            self._pages.pop(start, None)
            self._pages[start] = asyncio.get_running_loop().time(), page
            while len(self._pages) > PAGES:
                del self._pages[next(iter(self._pages))]
        return page

    async def news(self) -> None:
        """Returns when something may have arrived, or when it has ended."""
        await self._news.wait()

    def join(self) -> None:
        """Somebody listens: follow."""
        self.listeners += 1
        if self._following is None:
            self._following = asyncio.create_task(self._follow(), name="tail")

    def leave(self) -> None:
        """The last one ends the following."""
        self.listeners -= 1
        if not self.listeners and self._following is not None:
            self._following.cancel()
            self._following = None
            self._ring.clear()
            self._pages.clear()

    def end(self) -> None:
        """Everybody who listens is sent home."""
        self.ended = True
        self._wake()

    async def _follow(self) -> None:
        self._number, said = -1, False
        while not self.ended:
            try:
                if self._number < 0:
                    self._number = await self._in_thread(self._arrivals.newest)
                found = await self._in_thread(lambda: self._read(self._number))
                said = False
            except SQLAlchemyError as error:
                found = []
                if not said:
                    log.error("the stream cannot read what arrives, trying again: %s", error)
                said = True
            if found:
                if self._ring and found[0].number != self._ring[-1].number + 1:
                    self._ring.clear()
                self._ring.extend(found)
                self._number = found[-1].number
                self._wake()
            else:
                await asyncio.sleep(self._poll_s)

    def _wake(self) -> None:
        self._news.set()
        if not self.ended:
            self._news = asyncio.Event()

    def _read(self, number: int) -> list[Told]:
        found = self._arrivals.after(number, readings=PAGE)
        registered = frozenset(self._stations()) if found else frozenset()
        return list(islice(told(found, number, registered), PAGE))

    async def _in_thread(self, ask: Callable[[], T]) -> T:
        if self._threads is None:
            self._threads = anyio.CapacityLimiter(2)
        return await to_thread.run_sync(ask, limiter=self._threads)
