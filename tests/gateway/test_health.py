"""Health of devices: what notes make of a state, in any order, and what is told when."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.database import Database
from gateway.health import CODES_MAX, OTHER, Delivery, Note, Power, State, Trouble, apply
from gateway.health_store import EVERY_MS, HealthStore
from schemas.models import Status

T0 = 1_795_000_000_000
TEXT = "2026-11-18T11:06:40Z"


def note(after_ms: int = 0, **said: object) -> Note:
    return Note(via="chirpstack", time_ms=T0 + after_ms, **said)  # type: ignore[arg-type]


def all_of(*notes: Note) -> State:
    state: State = {}
    for one in notes:
        state, _ = apply(state, one)
    return state


def test_what_is_published_is_a_status() -> None:
    state = all_of(
        note(joined=True, dev_addr="01a2b3c4"), note(500, power=Power(93.46, False, -3)),
        note(1000, trouble=Trouble("UPLINK_MIC", "Invalid MIC")), note(1500, delivery=Delivery("sent", "q")),
        note(2000, trouble=Trouble("UPLINK_MIC", "Invalid MIC")), note(2500, delivery=Delivery("acknowledged", "q")),
    )  # fmt: skip
    assert state == {
        "online": True, "via": "chirpstack", "time": "2026-11-18T11:06:42.500Z", "joined": TEXT, "dev_addr": "01a2b3c4",
        "battery_percent": 93.5, "external_power": False, "margin_db": -3, "status_time": "2026-11-18T11:06:40.500Z",
        "last_error": {"code": "UPLINK_MIC", "text": "Invalid MIC", "time": "2026-11-18T11:06:42Z"},
        "errors": {"UPLINK_MIC": 2}, "downlink_states": {"sent": 1, "acknowledged": 1},
        "last_downlink": {"state": "acknowledged", "reference": "q", "time": "2026-11-18T11:06:42.500Z"},
    }  # fmt: skip
    assert Status.model_validate_json(json.dumps(state)).model_dump(mode="json", exclude_unset=True) == state


def test_urgent_is_a_join_and_an_error_that_is_new() -> None:
    state, urgent = apply({}, note(joined=True))
    assert urgent
    state, urgent = apply(state, note(1, trouble=Trouble("OTAA")))
    assert urgent
    state, urgent = apply(state, note(2, trouble=Trouble("OTAA")))
    assert (urgent, state["errors"]) == (False, {"OTAA": 2})
    assert not apply(state, note(3, power=Power(50)))[1]
    assert not apply(state, note(3, delivery=Delivery("sent")))[1]


def test_a_battery_that_is_not_known_is_null() -> None:
    state = all_of(note(power=Power(50)), note(1, power=Power(None, True)))
    assert (state["battery_percent"], state["external_power"]) == (None, True)
    assert all_of(note(power=Power(255)))["battery_percent"] is None


def test_codes_have_an_end() -> None:
    state = all_of(*(note(n, trouble=Trouble("code %d" % n)) for n in range(CODES_MAX + 5)))
    assert len(state["errors"]) == CODES_MAX + 1
    assert state["errors"][OTHER] == 5
    assert state["last_error"]["code"] == "code %d" % (CODES_MAX + 4)


notes = st.builds(
    note, st.integers(0, 3000),
    joined=st.booleans(),
    power=st.none() | st.builds(Power, st.none() | st.floats(0, 100)),
    trouble=st.none() | st.builds(Trouble, st.sampled_from("AB")),
    delivery=st.none() | st.builds(Delivery, st.sampled_from(["sent", "failed"])),
)  # fmt: skip


@given(notes, st.lists(notes, max_size=5))
def test_the_newest_note_again_changes_nothing(one: Note, before: list[Note]) -> None:
    one = replace(one, time_ms=T0 + 5000)
    state = all_of(*before, one)
    assert apply(state, one) == (state, False)


@given(st.lists(notes, max_size=6, unique_by=lambda one: one.time_ms), st.randoms())
def test_the_order_does_not_matter(some: list[Note], chance: object) -> None:
    shuffled = list(some)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    state, other = all_of(*some), all_of(*shuffled)
    assert state.get("errors") == other.get("errors")
    for key in ("joined", "battery_percent", "last_error", "last_downlink", "downlink_states"):
        assert state.get(key) == other.get(key)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[HealthStore]:
    database = Database(tmp_path)
    yield HealthStore(database)
    database.close()


def told(store: HealthStore, now_ms: int) -> list[str]:
    due = store.due(now_ms)
    store.told(due, now_ms)
    return [one.device for one in due]


def test_at_most_once_a_minute_but_at_once_where_it_matters(store: HealthStore) -> None:
    assert store.next_due_ms(T0) is None
    assert store.note("a", note(power=Power(90)))
    assert not store.note("a", note(power=Power(90)))
    assert store.next_due_ms(T0) == 0
    assert (told(store, T0), told(store, T0)) == (["a"], [])
    store.note("a", note(1000, power=Power(89)))
    assert told(store, T0 + 1000) == []
    assert store.next_due_ms(T0 + 1000) == EVERY_MS - 1000
    assert told(store, T0 + EVERY_MS) == ["a"]
    store.note("a", note(2000, joined=True))
    assert store.next_due_ms(T0 + EVERY_MS) == 0
    assert told(store, T0 + EVERY_MS) == ["a"]
    for n in range(9):
        store.note("a", note(3000 + n, trouble=Trouble("OTAA")))
        assert told(store, T0 + EVERY_MS + n) == (["a"] if n == 0 else [])
    assert told(store, T0) == ["a"]  # the clock went back: better once too often
    assert store.state("a")["errors"] == {"OTAA": 9}


def test_what_changes_under_way_is_told_again(store: HealthStore) -> None:
    store.note("a", note(joined=True))
    due = store.due(T0)
    store.note("a", note(1, trouble=Trouble("OTAA")))
    store.told(due, T0)
    (again,) = store.due(T0)
    assert b"OTAA" in again.body


def test_it_outlives_the_process(tmp_path: Path) -> None:
    before = Database(tmp_path)
    HealthStore(before).note("a", note(joined=True, dev_addr="01a2b3c4"))
    before.close()
    after = Database(tmp_path)
    assert told(HealthStore(after), T0) == ["a"]
    assert HealthStore(after).state("a")["dev_addr"] == "01a2b3c4"
    after.close()
