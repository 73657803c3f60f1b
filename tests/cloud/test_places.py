"""One identity, one row: whatever clocks, replicas, crashes and repetitions do to the readings of a device."""

import threading
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloud.ingest.message import Message
from cloud.ingest.pipeline import Pipeline
from cloud.ingest.places import Count, Owner, Places, Spans
from cloud.ingest.rawlog import RawLog
from cloud.store.model import StoreUnavailable
from schemas.models import utc_text_ms
from tests.cloud.ingest_parts import NOW_MS, Parts, make, message, reading

T = utc_text_ms(NOW_MS)


@pytest.fixture
def parts(tmp_path: Path) -> Parts:
    return make(tmp_path)


def rows(parts: Parts, station: str = "marktplatz") -> list[tuple[int, float]]:
    return [(v.time_ms, v.value) for v in parts.store.series(station, "air_temperature", 0, 2**42)]


def identities(parts: Parts, device: str = "kn-1") -> Counter[tuple[int, int]]:
    return Counter(parts.store.identities(device))


def counted(seq: int, **fields: Any) -> dict[str, Any]:
    return reading(generation=1, seq=seq, **fields)


def delivery(parts: Parts, device: str = "kn-1") -> tuple[int, int, int]:
    row = parts.ledger.delivery(device)
    assert row is not None
    return row["received"], row["duplicates"], row["missing"]


# --- what a tester has seen lost


def test_a_night_of_readings_without_a_time(parts: Parts) -> None:
    """Ninety-six wait at the broker while ingest is away, and come all at once."""
    parts.take(*[message(counted(n)) for n in range(96)])
    assert [time_ms for time_ms, _ in rows(parts)] == [NOW_MS + n for n in range(96)]


def test_five_hundred_without_a_time_in_one_message_and_again_later(parts: Parts) -> None:
    parts.take(message(*[counted(n) for n in range(500)]))
    parts.take(message(*[counted(n) for n in range(500, 1000)]))  # the same reception: a clock of milliseconds stands
    assert len(rows(parts)) == 1000
    assert identities(parts) == Counter({(1, n): 1 for n in range(1000)})


@pytest.mark.parametrize("batch", [1, 7, 100])
def test_a_clock_that_stands_still(parts: Parts, batch: int) -> None:
    messages = [message(counted(n, time=T, time_source="rtc")) for n in range(300)]
    for start in range(0, 300, batch):
        parts.take(*messages[start : start + batch])
    assert [time_ms for time_ms, _ in rows(parts)] == [NOW_MS + n for n in range(300)]
    assert delivery(parts) == (300, 0, 0)


def test_a_late_reading_does_not_take_the_place_of_another(parts: Parts) -> None:
    parts.take(message(counted(1, time=T)), message(counted(2, time=utc_text_ms(NOW_MS + 60_000))))
    parts.take(message(counted(3, time=T)))
    assert [time_ms for time_ms, _ in rows(parts)] == [NOW_MS, NOW_MS + 1, NOW_MS + 60_000]


# --- readings without a count


def test_a_reading_without_a_count_is_its_moment(parts: Parts) -> None:
    for _ in range(3):
        parts.take(message(reading(time=T)))
    assert (len(rows(parts)), delivery(parts)) == (1, (1, 2, 0))
    parts.take(message(reading(time=T, values={"battery": 3.9})))  # the rest of the same moment
    assert [v for _, v in rows(parts)] == [3.42]
    assert [v[1] for v in parts.values("marktplatz", "battery")] == [3.9]


def test_a_counted_one_and_a_moment_are_two(parts: Parts) -> None:
    parts.take(message(counted(1, time=T)))
    parts.take(message(reading(time=T)))
    assert len(rows(parts)) == 2


# --- replay


def test_a_letter_by_another_time_does_not_double_a_reading(parts: Parts) -> None:
    parts.take(message(counted(1, time=T, time_source="ntp")))
    wrong = message(counted(1, time=utc_text_ms(NOW_MS + 500_000)))
    parts.take(Message(wrong.topic, wrong.payload, NOW_MS, replayed_ms=NOW_MS))
    assert [time_ms for time_ms, _ in rows(parts)] == [NOW_MS]


def test_the_rest_of_a_known_reading_joins_it(parts: Parts) -> None:
    parts.take(message(counted(1, time=T, time_source="ntp")))
    rest = message(counted(1, time=T, values={"battery": 3.9}))
    parts.take(Message(rest.topic, rest.payload, NOW_MS, replayed_ms=NOW_MS))
    assert parts.values("marktplatz", "battery") == [(NOW_MS, 3.9, "C")]
    assert len(rows(parts)) == 1


# --- replicas


class Replica:
    """Another ingest on the same registry and store, with a raw log of its own."""

    def __init__(self, parts: Parts, folder: Path, divided: bool = False) -> None:
        self.raw = RawLog(folder)
        self.pipeline = Pipeline(parts.store, parts.ledger, parts.registry, self.raw.id, divided)

    def take(self, *messages: Message) -> None:
        number = self.raw.append(messages)
        batch = self.raw.after(number - 1)
        assert batch is not None
        self.pipeline.apply(batch)


def together(*jobs: Any) -> None:
    threads = [threading.Thread(target=job) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_two_replicas_that_take_every_message(parts: Parts, tmp_path: Path) -> None:
    """Each in batches of its own; a twentieth of the messages comes twice, some with a better time."""
    random = Random(3)
    messages = []
    for seq in range(300):
        messages.append(message(counted(seq, time=utc_text_ms(NOW_MS + seq * 100), time_source="device")))
        if seq % 20 == 0:
            messages.append(messages[-1])
        if seq % 30 == 7:
            messages.append(message(counted(seq, time=utc_text_ms(NOW_MS + seq * 100 + 7), time_source="ntp")))
    replicas = [Replica(parts, tmp_path / name) for name in ("a", "b")]

    def work(replica: Replica) -> None:
        left = list(messages)
        while left:
            size = random.randint(1, 20)
            replica.take(*left[:size])
            del left[:size]

    together(*[lambda one=one: work(one) for one in replicas])
    assert identities(parts) == Counter({(1, n): 1 for n in range(300)})
    assert [time_ms for time_ms, _ in rows(parts)] == [NOW_MS + n * 100 + 7 * (n % 30 == 7) for n in range(300)]
    # A correction that the other replica has already applied is a repetition to this one: between 15 and 25.
    received, duplicates, missing = delivery(parts)
    assert (received, missing) == (300, 0)
    assert 15 <= duplicates <= 25


def test_two_replicas_that_divide_the_messages(parts: Parts, tmp_path: Path) -> None:
    """What they get of one device has the same times, and every reading comes again with a better one."""
    halves: list[list[Message]] = [[], []]
    for seq in range(200):
        first = message(counted(seq, time=utc_text_ms(NOW_MS + seq // 2 * 100), time_source="device"))
        better = message(counted(seq, time=utc_text_ms(NOW_MS + seq // 2 * 100 + 50), time_source="ntp"))
        halves[seq % 2].append(first)
        halves[1 - seq % 2].append(better)
    replicas = [Replica(parts, tmp_path / name, divided=True) for name in ("a", "b")]

    def work(replica: Replica, half: list[Message]) -> None:
        for n in range(0, len(half), 9):
            replica.take(*half[n : n + 9])

    together(*[lambda one=one, half=half: work(one, half) for one, half in zip(replicas, halves, strict=True)])
    assert identities(parts) == Counter({(1, n): 1 for n in range(200)})
    assert {time_ms % 100 for time_ms, _ in rows(parts)} <= {50, 51}
    received, _, missing = delivery(parts)
    assert (received, missing) == (200, 0)


# --- anything at all


READING = st.tuples(
    st.integers(0, 8),  # seq
    st.one_of(st.none(), st.integers(-3, 3)),  # time, ms from now; None: ours
    st.sampled_from(["ntp", "rtc", "device", None]),
)


class Dying:
    """A ledger that dies before it has written down what was stored, now and then."""

    def __init__(self, parts: Parts, deaths: list[bool]) -> None:
        self._real, self._deaths = parts.ledger, deaths
        parts.pipeline.ledger = self  # type: ignore[assignment]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def apply(self, outcome: Any) -> bool:
        if self._deaths and self._deaths.pop():
            raise StoreUnavailable("killed")
        return self._real.apply(outcome)


@given(st.lists(st.lists(READING, min_size=1, max_size=6), max_size=8), st.lists(st.booleans(), max_size=8))
@settings(max_examples=120, deadline=None)
def test_any_history_ends_with_one_row_an_identity(
    tmp_path_factory: pytest.TempPathFactory, batches: list[list[Any]], deaths: list[bool]
) -> None:
    parts = make(tmp_path_factory.mktemp("history"))
    Dying(parts, deaths)
    seqs = set()
    for n, batch in enumerate(batches):
        messages = []
        for seq, ahead_ms, source in batch:
            seqs.add(seq)
            timed = {} if ahead_ms is None else {"time": utc_text_ms(NOW_MS + ahead_ms), "time_source": source}
            messages.append(message(counted(seq, **{k: v for k, v in timed.items() if v}), received_ms=NOW_MS + n))
        number = parts.raw.append(messages)
        taken = parts.raw.after(number - 1)
        assert taken is not None
        for _ in range(10):  # until it lives through it
            try:
                parts.pipeline.apply(taken)
            except StoreUnavailable:
                continue
            break
    assert identities(parts) == Counter({(1, seq): 1 for seq in seqs})
    parts.store.close()
    parts.registry.engine.dispose()


class Memory:
    """A store's side of it."""

    def __init__(self, standing: dict[tuple[str, int], Count | None]) -> None:
        self.standing = standing

    def occupants(self, spans: Spans) -> dict[tuple[str, int], Count | None]:
        return {
            key: count
            for key, count in self.standing.items()
            if any(d == key[0] and a <= key[1] <= b for d, a, b in spans)
        }


@given(st.sets(st.integers(0, 3000)), st.lists(st.integers(0, 50), max_size=60), st.integers(0, 3000))
def test_no_place_is_given_out_twice(taken: set[int], times: list[int], newest: int) -> None:
    standing: dict[tuple[str, int], Count | None] = {("d", ms): (9, ms) for ms in taken if ms <= newest}
    places = Places(Memory(standing), {"d": newest})
    places.ask(("d", ms) for ms in times)
    given_out = [places.claim("d", ms, Owner((1, n))) for n, ms in enumerate(times)]
    assert len(set(given_out)) == len(times)
    assert not {("d", ms) for ms in given_out} & set(standing)
    assert all(place >= ms for place, ms in zip(given_out, times, strict=True))
    again = [places.claim("d", ms, Owner((1, n))) for n, ms in enumerate(times)]
    assert again == given_out
