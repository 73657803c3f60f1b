"""The newest values in memory are what the store says, whatever came in between and whoever wrote it."""

import random
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from cloud.latest import RELOAD_S, LatestValues, Mark
from cloud.ledger import arrivals
from cloud.ledger.arrivals import Arrivals
from cloud.registry import imports
from cloud.store.model import Latest, Point, PointKey, StoreUnavailable
from tests.cloud.ingest_parts import NOW_MS, Parts, make, message, reading

CHANNELS = ("air_temperature", "co2", "battery")


class Clock:
    def __init__(self) -> None:
        self.s = 0.0

    def __call__(self) -> float:
        return self.s


@pytest.fixture
def parts(tmp_path: Path) -> Iterator[Parts]:
    parts = make(tmp_path)
    yield parts
    parts.store.close()


def view(parts: Parts, clock: Clock | None = None) -> LatestValues:
    return LatestValues(parts.store, Arrivals(parts.ledger.engine), clock or Clock())


def everything(values: LatestValues) -> list[Latest]:
    _, found = values.changed(None)
    return sorted((one for some in found.values() for one in some), key=repr)


def stored(parts: Parts) -> list[Latest]:
    return sorted(parts.store.latest(), key=repr)


def text(time_ms: int) -> str:
    return datetime.fromtimestamp(time_ms / 1000, UTC).isoformat().replace("+00:00", "Z")


class Life:
    """What may happen to a store, at random; each reading of a device at a moment of its own."""

    def __init__(self, parts: Parts, other: Parts, seed: int) -> None:
        self.parts, self.other = parts, other
        self.chance = random.Random(seed)
        self.sent: list[dict[str, Any]] = []
        self.minutes = self.chance.sample(range(1, 5000), 2000)
        moved = text(NOW_MS - 2500 * 60_000)
        stays = f"station,device,from,to\nmarktplatz,kn-1,2020-01-01,{moved}\nneustadt,kn-1,{moved},\n"
        imports.import_deployments(parts.registry, stays.encode())

    def step(self) -> None:
        what = self.chance.choice(["new", "new", "new", "late", "again", "better", "delete", "import"])
        getattr(self, what)()

    def take(self, one: dict[str, Any]) -> None:
        self.chance.choice((self.parts, self.other)).take(message(one, device=one["device"]))

    def new(self) -> None:
        device, minute = self.chance.choice(("kn-1", "kn-2")), self.minutes.pop()
        values = {name: round(self.chance.uniform(0, 30), 1) for name in self.chance.sample(CHANNELS, 2)}
        one = reading(device, generation=1, seq=len(self.sent), time=text(NOW_MS - minute * 60_000),
                      time_source=self.chance.choice(("receiver", "ntp")), values=values)  # fmt: skip
        self.sent.append(one)
        self.take(one)

    late = new

    def again(self) -> None:
        if self.sent:
            self.take(self.chance.choice(self.sent))

    def better(self) -> None:
        worse = [one for one in self.sent if one["time_source"] == "receiver"]
        if worse:
            one = self.chance.choice(worse)
            one |= {"time_source": "ntp", "time": text(NOW_MS - self.minutes.pop() * 60_000)}
            self.take(one)

    def delete(self) -> None:
        if newest := self.parts.store.latest():
            one = self.chance.choice(newest)
            self.parts.store.delete([PointKey(one.station, one.device, one.time_ms)])
            arrivals.announce(self.parts.ledger.engine, [one.station], NOW_MS)

    def import_(self) -> None:
        station = self.chance.choice(("marktplatz", "neustadt"))
        self.parts.store.write([Point(station, "import", NOW_MS - self.minutes.pop() * 60_000, {"co2": 1.0}, {})])
        arrivals.announce(self.parts.ledger.engine, [station], NOW_MS)


setattr(Life, "import", Life.import_)


@pytest.mark.parametrize("seed", range(8))
def test_memory_is_what_the_store_says(parts: Parts, tmp_path: Path, seed: int) -> None:
    other = make(tmp_path / "other", store=parts.store, registry_url=str(parts.registry.engine.url))
    life, early = Life(parts, other, seed), view(parts)
    marks: dict[str, str] = {}
    for number in range(120):
        life.step()
        now = stored(parts)
        assert everything(early) == now, number
        # one state, one mark: a 304 rests on it
        assert marks.setdefault(str(early.mark()), repr(now)) == repr(now)
        if number % 20 == 0:
            assert everything(view(parts)) == now  # after a restart of the API


@pytest.mark.parametrize("seed", range(3))
def test_who_asks_for_changes_only_misses_none(parts: Parts, tmp_path: Path, seed: int) -> None:
    other = make(tmp_path / "other", store=parts.store, registry_url=str(parts.registry.engine.url))
    life, values = Life(parts, other, seed), view(parts)
    known: dict[str, list[Latest]] = {}
    mark: Mark | None = None
    for _ in range(40):
        for _ in range(life.chance.randrange(4)):
            life.step()
        mark, changed = values.changed(mark)
        known |= changed
        assert sorted((one for some in known.values() for one in some), key=repr) == stored(parts)
    assert values.changed(mark) == (mark, {})


def test_an_answer_knows_what_was_committed_a_moment_ago(parts: Parts) -> None:
    values = view(parts)
    for seq in range(5):
        parts.take(message(reading(generation=1, seq=seq, time=text(NOW_MS - 1000 + seq))))
        (one,) = everything(values)
        assert one.time_ms == NOW_MS - 1000 + seq


def test_the_store_is_asked_once_and_not_for_every_answer(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    values, asked = view(parts), []
    latest = parts.store.latest
    monkeypatch.setattr(parts.store, "latest", lambda stations=None: asked.append(stations) or latest(stations))
    for seq in range(5):
        parts.take(message(reading(generation=1, seq=seq, time=text(NOW_MS - 1000 + seq))))
        values.changed(None)
    assert asked == [None]


def test_a_store_that_is_away_delays_and_loses_nothing(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    parts.take(message(reading(generation=1, seq=7, time="2026-11-22T10:00:00Z", time_source="receiver")))
    values = view(parts)
    assert len(everything(values)) == 1
    parts.take(message(reading(generation=1, seq=7, time="2026-11-22T09:00:00Z", time_source="ntp")))

    def away(stations: object = None) -> list[Latest]:
        raise StoreUnavailable("away")

    with monkeypatch.context() as patched:
        patched.setattr(parts.store, "latest", away)
        for _ in range(2):
            with pytest.raises(StoreUnavailable):
                values.mark()
    assert everything(values) == stored(parts)
    assert everything(values)[0].time_ms == NOW_MS - 4_500_000


def test_what_nobody_announced_shows_later_and_changes_the_mark(parts: Parts) -> None:
    clock = Clock()
    values, other = view(parts, clock), view(parts)
    parts.take(message(reading(generation=1, seq=1, time="2026-11-22T10:00:00Z")))
    before, _ = values.changed(None)
    clock.s += RELOAD_S + 1
    assert values.mark() == before
    parts.store.write([Point("marktplatz", "hand", NOW_MS, {"co2": 1.0}, {})])
    assert values.mark() == before
    clock.s += RELOAD_S + 1
    assert values.mark() != before
    assert everything(values) == stored(parts)
    assert values.changed(before)[1].keys() == {"marktplatz"}
    assert other.mark() != before or everything(other) == stored(parts)


def test_arrivals_that_were_forgotten_are_made_up_for(parts: Parts) -> None:
    values = view(parts)
    parts.take(message(reading(generation=1, seq=1, time="2026-11-22T10:00:00Z")))
    values.mark()
    for seq in (2, 3):
        parts.take(message(reading("kn-2", generation=1, seq=seq, time=f"2026-11-22T10:0{seq}:00Z"), device="kn-2"))
    parts.ledger.prune(2**62)
    assert everything(values) == stored(parts)


def test_a_stations_mark_moves_with_that_station_only(parts: Parts) -> None:
    parts.take(message(reading(generation=1, seq=1, time="2026-11-22T10:00:00Z")))
    values = view(parts)
    one, two = values.station_mark("marktplatz"), values.station_mark("neustadt")
    assert (one[1], two[1]) == (NOW_MS - 900_000, None)
    parts.take(message(reading("kn-2", generation=1, seq=1, time="2026-11-22T10:00:00Z"), device="kn-2"))
    assert values.station_mark("marktplatz") == one
    assert values.station_mark("neustadt")[0] != two[0]
