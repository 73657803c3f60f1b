"""Following the raw log: what is live does not wait behind a backlog, and workers divide it however many there were."""

import asyncio
import json
import threading
from pathlib import Path

import pytest

from cloud.ingest import follow
from cloud.ingest.follow import Follower
from cloud.ingest.message import Message
from cloud.ingest.pipeline import Pipeline
from cloud.ingest.rawlog import RawLog, pack
from cloud.ingest.work import Report
from cloud.ledger.ledger import Overtaken
from cloud.store.model import StoreUnavailable
from schemas.models import utc_text_ms
from tests.cloud import ingest_parts
from tests.cloud.ingest_parts import NOW_MS, Parts


def message(seq: int, device: str = "kn-1") -> Message:
    body = {
        "device": device,
        "seq": seq,
        "time": utc_text_ms(NOW_MS - 10_000_000 + 1000 * seq),
        "values": {"battery": 3.9},
    }
    return Message(f"klimanetz/v1/up/{device}", json.dumps(body).encode(), NOW_MS)


def stored(parts: Parts) -> dict[str, list[int]]:
    return {device: sorted(seq for _, seq in parts.store.identities(device)) for device in ("kn-1", "kn-2")}


async def follow_until(parts: Parts, done: int, worker: int = 0, workers: int = 1, also: object = None) -> list[Report]:
    """Reports until so many readings were stored; `also(report)` is called beside."""
    reports: list[Report] = []
    enough = asyncio.Event()

    async def reported(report: Report) -> None:
        reports.append(report)
        if callable(also):
            also(report)
        if sum(one.stored for one in reports) >= done:
            enough.set()

    pipeline = Pipeline(parts.store, parts.ledger, parts.registry, parts.raw.id)
    following = asyncio.create_task(Follower(parts.raw, pipeline, reported, lambda _: None, worker, workers).run())
    async with asyncio.timeout(30):
        await enough.wait()
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)
    return reports


def test_what_is_live_does_not_wait_behind_a_backlog(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follow, "UNIT_MESSAGES", 20)
    monkeypatch.setattr(follow, "BACKLOG_MESSAGES", 20)
    monkeypatch.setattr(follow, "ASIDE_MESSAGES", 100)
    parts = ingest_parts.make(tmp_path)
    for seq in range(1, 401, 10):
        parts.raw.append([message(n, "kn-1") for n in range(seq, seq + 10)])
    seen: list[int] = []  # units until the live one was stored

    def also(report: Report) -> None:
        if len(seen) == 0:
            parts.raw.append([message(401, "kn-1"), message(1, "kn-2")])
        seen.append(report.stored)

    asyncio.run(follow_until(parts, 402, also=also))
    assert seen.index(2) <= 4, "the live unit came among the first"
    assert stored(parts) == {"kn-1": list(range(1, 402)), "kn-2": [1]}
    delivery = parts.ledger.delivery("kn-1")
    assert delivery is not None
    assert (delivery["received"], delivery["missing"], delivery["duplicates"]) == (401, 0, 0)
    assert parts.raw.backlog({part: parts.ledger.cursor(parts.raw.id, part) for part in parts.raw.parts()}) == 0


def test_a_full_disk_stops_no_backlog(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It cannot be set aside, so all goes in its order; the store may be on another machine."""
    monkeypatch.setattr(follow, "UNIT_MESSAGES", 10)
    monkeypatch.setattr(follow, "ASIDE_MESSAGES", 20)
    parts = ingest_parts.make(tmp_path)
    for seq in range(1, 51):
        parts.raw.append([message(seq)])
    parts.raw._db.execute("PRAGMA query_only=ON")
    asyncio.run(follow_until(parts, 50))
    assert stored(parts)["kn-1"] == list(range(1, 51))


def test_a_store_that_comes_back_gets_everything_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follow, "PAUSE_S", 0.01)
    monkeypatch.setattr(follow, "UNIT_MESSAGES", 10)
    parts = ingest_parts.make(tmp_path)
    for seq in range(1, 51, 5):
        parts.raw.append([message(n) for n in range(seq, seq + 5)])
    write, calls = parts.store.write, iter(range(1000))

    def sometimes(points: object) -> None:
        if next(calls) % 3:
            raise StoreUnavailable("away")
        write(points)  # type: ignore[arg-type]

    monkeypatch.setattr(parts.store, "write", sometimes)
    asyncio.run(follow_until(parts, 50))
    assert stored(parts)["kn-1"] == list(range(1, 51))


def test_other_numbers_of_workers_follow_what_was_divided_before(tmp_path: Path) -> None:
    parts = ingest_parts.make(tmp_path)
    for seq in range(1, 4):
        some = [message(seq), message(seq, "kn-2")]
        parts.raw.append_packed({part: (pack(some[part : part + 1]), 1) for part in (0, 1)}, NOW_MS)
    parts.raw.append_packed({5: (pack([message(4), message(4, "kn-2")]), 2)}, NOW_MS)  # of six workers
    asyncio.run(follow_until(parts, 3, worker=0, workers=2))
    assert stored(parts) == {"kn-1": [1, 2, 3], "kn-2": []}
    asyncio.run(follow_until(parts, 5, worker=1, workers=2))
    assert stored(parts) == {"kn-1": [1, 2, 3, 4], "kn-2": [1, 2, 3, 4]}


def test_a_log_from_before_there_were_parts_goes_on(tmp_path: Path) -> None:
    log = RawLog(tmp_path)
    log.append([message(1)])
    log._db.execute("DROP TABLE place")
    log.close()
    again = RawLog(tmp_path)
    assert again.parts() == [0]
    assert again.append([message(2)]) == 2
    assert [again.after(n) is not None for n in (0, 1, 2)] == [True, True, False]


def test_what_died_with_its_backlog_is_stored_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Written, and killed before the ledger knew; what is live is applied first. Neither count nor time."""
    monkeypatch.setattr(follow, "UNIT_MESSAGES", 10)
    monkeypatch.setattr(follow, "BACKLOG_MESSAGES", 10)
    monkeypatch.setattr(follow, "ASIDE_MESSAGES", 20)
    parts = ingest_parts.make(tmp_path)

    def capture(first: int, last: int) -> None:
        for n in range(first, last):
            body = json.dumps({"device": "kn-1", "values": {"battery": 1 + n / 1000}}).encode()
            parts.raw.append([Message("klimanetz/v1/up/kn-1", body, NOW_MS + 10 * n)])

    capture(0, 60)
    apply, calls = parts.ledger.apply, iter(range(1000))

    def dying(outcome: object) -> bool:
        if next(calls) in (0, 2, 3, 6):  # in an order that meets units of what is live and of what was set aside
            capture(60, 61) if parts.raw.last() == 60 else None
            raise StoreUnavailable("killed")
        return apply(outcome)  # type: ignore[arg-type]

    monkeypatch.setattr(follow, "PAUSE_S", 0.01)
    monkeypatch.setattr(parts.ledger, "apply", dying)
    asyncio.run(follow_until(parts, 61))
    found = parts.values("marktplatz", "battery")
    assert [(time_ms, value) for time_ms, value, _ in found] == [(NOW_MS + 10 * n, 1 + n / 1000) for n in range(61)]
    delivery = parts.ledger.delivery("kn-1")
    assert delivery is not None
    assert delivery["received"] == 61


def test_one_who_ends_later_than_was_thought_does_nothing_twice(tmp_path: Path) -> None:
    """Its parent was killed and started again, while a worker was still about a unit: two have read the same."""
    parts = ingest_parts.make(tmp_path)
    pipelines = [Pipeline(parts.store, parts.ledger, parts.registry, parts.raw.id) for _ in range(3)]
    parts.raw.append([message(1), Message("klimanetz/v1/up/kn-1", b'{"device":"kn-1","values":{"battery":3}}', NOW_MS)])
    units = [parts.raw.after(0, 100)] * 2
    parts.raw.append([message(2)])
    units.append(parts.raw.after(0, 100))
    read = [pipeline.read(unit) for pipeline, unit in zip(pipelines, units, strict=True) if unit is not None]
    assert pipelines[0].settle(read[0]).stored == 2
    again = pipelines[1].settle(read[1])
    assert (again.stored, again.duplicates) == (0, 0)
    assert list(again.acks["kn-1"][0]) == [(1, 1)], "told once more, for the other may have died before it could"
    with pytest.raises(Overtaken):
        pipelines[2].settle(read[2])
    asyncio.run(follow_until(parts, 1))
    assert stored(parts)["kn-1"] == [1, 2]
    assert len(parts.values("marktplatz", "battery")) == 3
    delivery = parts.ledger.delivery("kn-1")
    assert delivery is not None
    assert (delivery["received"], delivery["duplicates"]) == (3, 0)


def test_what_is_asked_often_costs_the_same_however_much_is_kept(tmp_path: Path) -> None:
    """A month is millions of batches; each reading that comes asks for the parts, each minute for what is old."""
    log = RawLog(tmp_path)
    kept = range(1, 5001)
    log._db.executemany("INSERT INTO batch VALUES (?, ?, 1, x'00')", [(n, NOW_MS + n) for n in kept])
    log._db.executemany("INSERT INTO place VALUES (?, ?)", [(n % 3, n) for n in kept])
    thousands: list[int] = []
    log._db.set_progress_handler(lambda: thousands.append(1), 1000)  # of SQLite's own steps
    assert log.parts() == [0, 1, 2]
    applied = {0: 5000, 1: 5000, 2: 5}
    assert log.forget(NOW_MS, applied) == 0
    assert len(thousands) <= 1
    assert log.forget(NOW_MS + 31, applied) == 22, "of the third part two were applied"
    places = "SELECT COUNT(*) FROM place WHERE id NOT IN (SELECT id FROM batch)"
    assert log._db.execute(places).fetchone() == (0,)


def test_who_is_asked_to_end_finishes_the_unit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parts = ingest_parts.make(tmp_path)
    parts.raw.append([message(1)])
    write, begun, go_on = parts.store.write, threading.Event(), threading.Event()

    def slowly(points: object) -> None:
        begun.set()
        go_on.wait(20)
        write(points)  # type: ignore[arg-type]

    monkeypatch.setattr(parts.store, "write", slowly)

    async def scenario() -> None:
        async def reported(_: Report) -> None: ...

        pipeline = Pipeline(parts.store, parts.ledger, parts.registry, parts.raw.id)
        following = asyncio.create_task(Follower(parts.raw, pipeline, reported, lambda _: None).run())
        await asyncio.to_thread(begun.wait, 20)
        following.cancel()
        asyncio.get_running_loop().call_soon(go_on.set)
        await asyncio.gather(following, return_exceptions=True)
        parts.store.close()  # as the service does behind it

    asyncio.run(scenario())
    assert parts.ledger.cursor(parts.raw.id) == 1
