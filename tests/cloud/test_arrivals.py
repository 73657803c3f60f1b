"""Arrivals: what was stored is told once, in order, with what it replaced; nothing that was not stored is told."""

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from cloud.ledger import arrivals
from cloud.ledger.arrivals import Arrivals
from cloud.ledger.ledger import Ledger
from cloud.registry import imports
from cloud.sql import open_database
from cloud.store.model import Point, PointsRejected, StoreUnavailable
from tests.cloud import arrival_checks
from tests.cloud.arrival_checks import batch
from tests.cloud.ingest_parts import NOW_MS, Parts, make, message, reading

CHECKS = [
    arrival_checks.numbers_rise_without_holes_whoever_writes,
    arrival_checks.numbers_go_on_after_everything_was_forgotten,
]


@pytest.fixture
def parts(tmp_path: Path) -> Iterator[Parts]:
    parts = make(tmp_path)
    yield parts
    parts.store.close()


def told(parts: Parts, after: int = 0) -> list[tuple[int, str, str, int | None]]:
    found = Arrivals(parts.ledger.engine).after(after)
    return [(one.first + n, x.station, x.device, x.seq) for one in found for n, x in enumerate(one.readings)]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_sqlite_keeps_the_promise(check: Any, tmp_path: Path) -> None:
    check(open_database(f"sqlite:///{tmp_path}/registry.db"))


def test_a_follower_may_begin_inside_a_batch_and_behind_the_end(tmp_path: Path) -> None:
    engine = open_database(f"sqlite:///{tmp_path}/registry.db")
    ledger, reader = Ledger(engine), Arrivals(engine)
    assert (reader.after(0), reader.newest(), reader.oldest()) == ([], 0, 0)
    for number in (1, 2):
        ledger.apply(batch(number, "a", "b", "c"))
    assert [one.first for one in reader.after(1)] == [1, 4]
    assert [one.first for one in reader.after(3)] == [4]
    assert [one.first for one in reader.after(5)] == [4]
    assert reader.after(6) == reader.after(10**12) == []
    assert [one.first for one in reader.after(-5, limit=1)] == [1]


def test_a_batch_is_told_once_and_an_empty_one_not_at_all(tmp_path: Path) -> None:
    engine = open_database(f"sqlite:///{tmp_path}/registry.db")
    ledger, reader = Ledger(engine), Arrivals(engine)
    assert ledger.apply(batch(1, "a"))
    assert not ledger.apply(batch(1, "a"))
    assert ledger.apply(batch(2))
    assert reader.newest() == 1


def test_what_was_only_written_again_has_no_number(tmp_path: Path) -> None:
    engine = open_database(f"sqlite:///{tmp_path}/registry.db")
    Ledger(engine).apply(batch(1, "a", rewritten=True))
    (one,) = Arrivals(engine).after(0)
    assert ([x.station for x in one.rewritten], one.readings, one.first, one.last) == (["a"], [], 1, 1)


def test_changes_from_elsewhere_are_announced(tmp_path: Path) -> None:
    engine = open_database(f"sqlite:///{tmp_path}/registry.db")
    arrivals.announce(engine, [], 5)
    arrivals.announce(engine, ["b", "a", "b"], 5)
    (one,) = Arrivals(engine).after(0)
    assert (one.stations, one.readings, one.last, one.received_ms) == (["a", "b"], [], 1, 5)


# -- from ingest


def test_a_reading_is_told_whole(parts: Parts) -> None:
    values = {"air_temperature": 3.42, "co2": 99999.0}
    parts.take(message(reading(generation=1, seq=7, time="2026-11-22T10:00:00Z", values=values)))
    ((one,),) = (found.readings for found in Arrivals(parts.ledger.engine).after(0))
    assert one == ("marktplatz", "kn-1", NOW_MS - 900_000, 1, 7, values, one.quality, None)
    assert one.quality["co2"].startswith("X")


def test_a_duplicate_is_not_told(parts: Parts) -> None:
    for _ in range(2):
        parts.take(message(reading(generation=1, seq=7, time="2026-11-22T10:00:00Z")))
        parts.take(message(reading(time="2026-11-22T10:01:00Z")))
    assert told(parts) == [(1, "marktplatz", "kn-1", 7), (2, "marktplatz", "kn-1", None)]


def test_a_better_time_names_the_place_that_it_left(parts: Parts) -> None:
    parts.take(message(reading(generation=1, seq=7, time="2026-11-22T10:00:00Z", time_source="receiver")))
    parts.take(message(reading(generation=1, seq=7, time="2026-11-22T09:00:00Z", time_source="ntp")))
    _, (one,) = (found.readings for found in Arrivals(parts.ledger.engine).after(0))
    assert (one.time_ms, one.left) == (NOW_MS - 4_500_000, ["marktplatz", NOW_MS - 900_000])


def test_what_the_store_refused_is_not_told(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    write = parts.store.write

    def refuse_one(points: list[Point]) -> None:
        write([p for p in points if p.seq != 8])
        raise PointsRejected([p for p in points if p.seq == 8], "the bucket has another type")

    monkeypatch.setattr(parts.store, "write", refuse_one)
    times = ("2026-11-22T10:00:00Z", "2026-11-22T10:01:00Z", "2026-11-22T10:02:00Z")
    parts.take(message(*(reading(generation=1, seq=7 + n, time=time) for n, time in enumerate(times))))
    assert [seq for *_, seq in told(parts)] == [7, 9]


@pytest.mark.parametrize("counted", [True, False])
def test_what_was_written_before_the_ledger_failed_is_told_by_the_repetition(
    parts: Parts, monkeypatch: pytest.MonkeyPatch, counted: bool
) -> None:
    parts.take(message(reading(generation=1, seq=1, time="2026-11-22T09:00:00Z")))
    apply = parts.ledger.apply

    def fail(outcome: Any) -> bool:
        raise OperationalError("", {}, Exception("the database is away"))

    monkeypatch.setattr(parts.ledger, "apply", fail)
    count = {"generation": 1, "seq": 7} if counted else {}
    with pytest.raises(OperationalError):
        parts.take(message(reading(time="2026-11-22T10:00:00Z", **count)))
    assert len(told(parts)) == 1
    monkeypatch.setattr(parts.ledger, "apply", apply)
    late = parts.raw.after(1)
    assert late is not None
    parts.pipeline.apply(late)
    assert told(parts, 1) == [(2, "marktplatz", "kn-1", 7 if counted else None)]


def test_a_correction_that_the_ledger_did_not_take_still_names_the_place_that_it_left(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts.take(message(reading(generation=1, seq=7, time="2026-11-22T10:00:00Z", time_source="receiver")))
    apply = parts.ledger.apply

    def fail(outcome: Any) -> bool:
        raise OperationalError("", {}, Exception("the database is away"))

    monkeypatch.setattr(parts.ledger, "apply", fail)
    with pytest.raises(OperationalError):
        parts.take(message(reading(generation=1, seq=7, time="2026-11-22T09:00:00Z", time_source="ntp")))
    monkeypatch.setattr(parts.ledger, "apply", apply)
    late = parts.raw.after(1)
    assert late is not None
    parts.pipeline.apply(late)
    _, (one,) = (found.readings for found in Arrivals(parts.ledger.engine).after(0))
    assert (one.time_ms, one.left) == (NOW_MS - 4_500_000, ["marktplatz", NOW_MS - 900_000])


def test_a_store_that_is_away_tells_nothing(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(points: list[Point]) -> None:
        raise StoreUnavailable("away")

    monkeypatch.setattr(parts.store, "write", away)
    with pytest.raises(StoreUnavailable):
        parts.take(message(reading(generation=1, seq=7)))
    assert told(parts) == []


def test_two_replicas_that_hear_the_same_tell_it_once(parts: Parts, tmp_path: Path) -> None:
    """Also of devices behind other networks, whose counts are written again, and of readings without a count."""
    imports.import_devices(
        parts.registry, b"device,station,dev_eui,codec\nelsys,neustadt,a8404187d187106e,elsys/ers-co2\n"
    )
    other = make(tmp_path / "other", store=parts.store, registry_url=str(parts.registry.engine.url))
    for one in (parts, other):  # what may have been half done before has been repeated
        one.take(message(reading(generation=1, seq=1, time="2026-11-22T08:00:00Z")))
    foreign = [reading("elsys", generation=1, seq=n, time=f"2026-11-22T09:{n:02}:00Z") for n in range(1, 6)]
    uncounted = [reading("kn-2", time=f"2026-11-22T09:{n:02}:00Z") for n in range(1, 6)]
    random.Random(1).shuffle(foreign)
    for number, sent in enumerate(foreign + uncounted):
        for one in (parts, other)[:: 1 if number % 2 else -1]:
            one.take(message(sent, device=sent["device"]))
    heard = [(device, seq) for _, _, device, seq in told(parts, 1)]
    assert sorted(heard, key=str) == sorted([("elsys", n) for n in range(1, 6)] + [("kn-2", None)] * 5, key=str)
