"""Worker processes that apply what one process captures, each the devices of its part of the raw log.

A worker is told on its stdin that there is something new, and ends when that closes; so none outlives who captures. On
its stdout it tells, a line of JSON each, what a unit came to, or what is wrong. One that dies is started again, and one
that hangs is killed, which costs no more than that.
"""

import asyncio
import contextlib
import logging
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import fields

import orjson

from cloud.ingest.follow import Follower
from cloud.ingest.pipeline import Pipeline
from cloud.ingest.rawlog import RawLog
from cloud.ingest.work import Report
from schemas.intervals import Intervals

log = logging.getLogger("klimanetz.ingest")
AGAIN_S = 2.0  # before a worker that died is started again
STOP_S = 20.0
ABOUT_S = 10.0  # how often a worker shows that it is about, whether there is work or not
HUNG_S = 600.0  # without a sign of it: a unit takes seconds, and minutes where the database is slow to the utmost
LINE_MAX = 64 << 20  # bytes; a unit's acknowledgements
Command = Callable[[int, int], Sequence[str]]  # (worker, workers) -> what to start


class Workers:
    """The capturing side."""

    def __init__(
        self,
        count: int,
        command: Command,
        reported: Callable[[Report], Awaitable[None]],
        complained: Callable[[str | None], None],
    ) -> None:
        self._count, self._command = count, command
        self._reported, self._complained = reported, complained
        self._processes: dict[int, asyncio.subprocess.Process] = {}
        self._problems: dict[int, str] = {}

    async def start(self) -> None:
        """Start all, and wait until each says that it follows."""
        await asyncio.gather(*(self._start(worker) for worker in range(self._count)))

    async def _start(self, worker: int) -> None:
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            *self._command(worker, self._count), stdin=pipe, stdout=pipe, limit=LINE_MAX
        )
        self._processes[worker] = process
        assert process.stdout is not None
        if await self._line(worker, process.stdout):  # it follows
            self._say(worker, None)

    def wake(self) -> None:
        for process in self._processes.values():
            pipe = process.stdin
            if pipe is not None and not pipe.is_closing() and not pipe.transport.get_write_buffer_size():
                pipe.write(b"\n")

    async def run(self) -> None:
        """Hear what they say, for ever."""
        await asyncio.gather(*(self._hear(worker) for worker in range(self._count)))

    async def _hear(self, worker: int) -> None:
        while True:
            process = self._processes[worker]
            assert process.stdout is not None
            while line := await self._line(worker, process.stdout):
                await self._heard(worker, line)
            self._say(worker, f"worker {worker} ended with {await process.wait()}; it is started again")
            await asyncio.sleep(AGAIN_S)
            with contextlib.suppress(OSError):  # no memory for another process: then it is tried again
                await self._start(worker)
            self.wake()

    async def _line(self, worker: int, said: asyncio.StreamReader) -> bytes:
        """What a worker says next, nothing when it has ended; one that says nothing at all any more is ended."""
        try:
            async with asyncio.timeout(HUNG_S):
                return await said.readline()
        except TimeoutError:
            log.error("worker %d has said nothing for %.0f s and is killed", worker, HUNG_S)
            self._processes[worker].kill()
            return b""

    async def _heard(self, worker: int, line: bytes) -> None:
        said = orjson.loads(line)
        if not said:  # it only shows that it is about
            return
        if "problem" in said:
            self._say(worker, said["problem"])
            return
        acks = {
            device: {int(generation): Intervals(map(tuple, seqs)) for generation, seqs in generations.items()}
            for device, generations in said.pop("acks").items()
        }
        await self._reported(Report(**said, acks=acks))

    def _say(self, worker: int, problem: str | None) -> None:
        if problem is None:
            self._problems.pop(worker, None)
        else:
            self._problems[worker] = problem
        self._complained(next(iter(self._problems.values()), None))

    async def stop(self) -> None:
        """They finish the unit under way."""
        for process in self._processes.values():
            if process.stdin is not None:
                process.stdin.close()
        for process in self._processes.values():
            try:
                async with asyncio.timeout(STOP_S):
                    await process.wait()
            except TimeoutError:
                process.kill()
                await process.wait()


async def work(raw: RawLog, pipeline: Pipeline, worker: int, workers: int) -> None:
    """The worker's side: follows until stdin closes."""
    said: list[str | None] = [None]
    told_s = time.monotonic()

    async def reported(report: Report) -> None:
        told = {one.name: getattr(report, one.name) for one in fields(report)}  # `asdict` would copy all of `acks`
        told["acks"] = {
            device: {str(generation): list(seqs) for generation, seqs in generations.items()}
            for device, generations in report.acks.items()
        }
        _tell(told)

    def complained(problem: str | None) -> None:
        nonlocal told_s
        if problem != said[0]:
            said[0] = problem
            _tell({"problem": problem})
        elif time.monotonic() - told_s < ABOUT_S:
            return
        else:
            _tell({})
        told_s = time.monotonic()

    follower = Follower(raw, pipeline, reported, complained, worker, workers)
    following = asyncio.create_task(follower.run())
    _tell({"problem": None})
    heard = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(heard), sys.stdin)

    async def hear() -> None:
        while await heard.read(1 << 16):
            follower.wake()

    hearing = asyncio.create_task(hear())
    await asyncio.wait([hearing, following], return_when=asyncio.FIRST_COMPLETED)  # who follows no more must end too
    hearing.cancel()
    following.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await following


def _tell(what: dict[str, object]) -> None:
    sys.stdout.buffer.write(orjson.dumps(what) + b"\n")
    sys.stdout.buffer.flush()
