"""A database that asks for patience: what was captured is written when it said it would take it, and only then."""

import asyncio
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path
from typing import ClassVar

import pytest

from cloud.ingest import follow
from cloud.ingest.follow import Follower
from cloud.ingest.work import Report
from cloud.store import open_store
from tests.cloud import ingest_parts

NOTHING = b'{"results":[{"statement_id":0}]}'
PLAN = [(429, "1"), (503, None), (503, "2"), (204, None)]  # status of a write, and after how long to come again


class Patient(BaseHTTPRequestHandler):
    """Has nothing stored, and takes a write when the plan says so."""

    writes: ClassVar[list[tuple[float, bytes]]] = []

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        status, after = 200, None
        if self.path.startswith("/api/v2/write"):
            status, after = PLAN[len(self.writes)]
            self.writes.append((time.monotonic(), body))
        self.send_response(status)
        if after:
            self.send_header("Retry-After", after)
        self.end_headers()
        self.wfile.write(b"" if status == 204 else NOTHING if status == 200 else b'{"message":"later"}')

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def url() -> Iterator[str]:
    Patient.writes = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Patient)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"influxdb://127.0.0.1:{server.server_port}/halle/klima"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_write_is_tried_again_after_what_the_server_asked_for(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follow, "PAUSE_S", 0.01)
    parts = ingest_parts.make(tmp_path, open_store(url, "token"))
    parts.raw.append([ingest_parts.message(ingest_parts.reading(generation=1, seq=7, time="2026-11-22T10:00:00Z"))])
    problems: list[str | None] = []

    async def scenario() -> Report:
        stored: asyncio.Future[Report] = asyncio.get_running_loop().create_future()

        async def reported(report: Report) -> None:
            stored.set_result(report)

        running = asyncio.create_task(Follower(parts.raw, parts.pipeline, reported, problems.append).run())
        async with asyncio.timeout(30):
            report = await stored
        running.cancel()
        return report

    report = asyncio.run(scenario())
    assert (report.stored, report.refused) == (1, 0)
    times, bodies = zip(*Patient.writes, strict=True)
    assert len(set(bodies)) == 1, "nothing is lost and nothing is changed by waiting"
    assert b"seq=7i" in bodies[0]
    waited = [later - earlier for earlier, later in pairwise(times)]
    assert len(waited) == 3
    assert waited[0] >= 1.0
    assert waited[2] >= 2.0
    told = [one for one in problems if one]
    assert len(told) == 3
    assert "captured readings wait" in told[0]
    assert problems[-1] is None
