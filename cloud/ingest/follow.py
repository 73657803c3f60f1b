"""Following the raw log: unit after unit is read, and applied while the next one is read.

What fails is tried again from the cursor, with growing pauses; nothing behind it is applied before. A worker follows
every part whose number leaves its own when divided by the number of workers, so all are followed however many there
were when they were captured.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress

from sqlalchemy.exc import SQLAlchemyError

from cloud.ingest.pipeline import Pipeline
from cloud.ingest.rawlog import ASIDE, RawLog, RawLogUnavailable
from cloud.ingest.work import Report, Work
from cloud.ledger.ledger import Overtaken
from cloud.store.model import StoreRefused, StoreUnavailable

log = logging.getLogger("klimanetz.ingest")
UNIT_MESSAGES = 16_000  # applied together: what a unit costs the ledger is shared by more readings
BACKLOG_MESSAGES = 8_000  # the same of what was set aside, between two units of what is live
ASIDE_MESSAGES = 100_000  # waiting: some seconds of work
IDLE_S = 2.0  # how often an idle worker looks by itself
PAUSE_S, PAUSE_MAX_S = 0.5, 5.0  # a database that is back must not wait to be noticed
RETRY_MAX_S = 60.0  # also where it says that we should come back tomorrow


class Follower:
    """`reported` is told of each unit, `complained` of what is wrong (None: no more)."""

    def __init__(
        self,
        raw: RawLog,
        pipeline: Pipeline,
        reported: Callable[[Report], Awaitable[None]],
        complained: Callable[[str | None], None],
        worker: int = 0,
        workers: int = 1,
    ) -> None:
        self._raw, self._pipeline = raw, pipeline
        self._reported, self._complained = reported, complained
        self._worker, self._workers = worker, workers
        self._woken = asyncio.Event()
        self._cursors: dict[int, int] = {}
        self._pause_s = PAUSE_S
        self._live = False

    def wake(self) -> None:
        """Something was captured."""
        self._woken.set()

    async def run(self) -> None:
        """For ever."""
        while True:
            try:
                await self._follow()
            except Overtaken:
                continue
            except (StoreUnavailable, StoreRefused, SQLAlchemyError, RawLogUnavailable, OSError) as error:
                self._complained(f"cannot store: {error}; captured readings wait, trying again")
                wait_s = min(getattr(error, "retry_after_s", None) or self._pause_s, RETRY_MAX_S)
            except Exception as error:
                log.exception("a batch failed by a fault of ours")
                self._complained(f"cannot store, a fault of ours: {error!r}; captured readings wait, trying again")
                wait_s = self._pause_s
            else:
                continue
            self._pause_s = min(self._pause_s * 2, PAUSE_MAX_S)
            await asyncio.sleep(wait_s)

    async def _follow(self) -> None:
        """Everything that waits, then until something new was captured."""
        self._woken.clear()
        await asyncio.to_thread(self._find_cursors)
        ahead = self._read_ahead()
        try:
            while (work := await ahead) is not None:
                self._cursors[work.batch.part] = work.batch.id
                ahead = self._read_ahead()
                report = await self._settled(work)
                self._well()
                await self._reported(report)
        finally:
            ahead.cancel()
        self._well()
        try:
            async with asyncio.timeout(IDLE_S):
                await self._woken.wait()
        except TimeoutError:
            pass

    async def _settled(self, work: Work) -> Report:
        """Who is asked to end finishes the unit first: the store must not be closed beneath it."""
        settling = asyncio.create_task(asyncio.to_thread(self._pipeline.settle, work))
        try:
            return await asyncio.shield(settling)
        except asyncio.CancelledError:
            await asyncio.gather(settling, return_exceptions=True)
            raise

    def _well(self) -> None:
        self._pause_s = PAUSE_S
        self._complained(None)

    def _read_ahead(self) -> "asyncio.Task[Work | None]":
        return asyncio.create_task(asyncio.to_thread(self._next, dict(self._cursors)))

    def _next(self, cursors: dict[int, int]) -> Work | None:
        """The next unit: in turn what is live and what was set aside, of the part that is furthest behind."""
        self._live = not self._live
        parts = sorted(cursors, key=lambda part: ((part < ASIDE) is not self._live, cursors[part]))
        for part in parts:
            batch = self._raw.after(cursors[part], UNIT_MESSAGES if part < ASIDE else BACKLOG_MESSAGES, part)
            if batch is None:
                continue
            if part < ASIDE:
                self._set_aside(part, batch.id)
            return self._pipeline.read(batch)
        return None

    def _set_aside(self, part: int, batch: int) -> None:
        """Live before backlog: where much waits, what comes from now on need not wait for it.

        Only behind a unit: what an attempt before may have written must be met again before anything newer is applied.
        """
        if self._raw.backlog({part: batch}) > ASIDE_MESSAGES:
            with suppress(RawLogUnavailable):  # a full disk: then all goes in its order, but it goes
                self._raw.set_aside(part, batch)
                self._cursors.setdefault(part + ASIDE, 0)

    def _find_cursors(self) -> None:
        parts = {self._worker, *self._raw.parts()}
        mine = [part for part in parts if part % ASIDE % self._workers == self._worker]
        self._cursors = {part: self._pipeline.ledger.cursor(self._raw.id, part) for part in mine}
