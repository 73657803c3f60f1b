"""One odd item costs no other; what is refused says why, in words for people, and is acknowledged where it can be."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.ingest import work
from cloud.ingest.decode import decode
from cloud.ingest.json_items import NotJson, items
from cloud.ingest.message import Message
from cloud.ingest.quick import QuickReader
from cloud.ledger.dead_letters import DeadLetters
from tests.cloud.ingest_parts import NOW_MS, Parts, make, message, reading
from tests.cloud.test_ingest import replay_all

T = "2026-11-22T10:15:00Z"
GOOD = json.dumps(reading(generation=1, seq=1, time=T)).encode()
UP = "klimanetz/v1/up/kn-1"


@pytest.fixture
def parts(tmp_path: Path) -> Parts:
    return make(tmp_path)


def letters(parts: Parts) -> list[dict[str, Any]]:
    box = DeadLetters(parts.ledger.engine)
    return [box.one(letter["id"]) or {} for letter in reversed(box.newest(1000))]


def acked(report: work.Report, device: str = "kn-1") -> list[tuple[int, int, int]]:
    return [(g, a, b) for g, seqs in sorted(report.acks.get(device, {}).items()) for a, b in seqs]


ODD = [
    (b'"time":"0001-01-01T00:00:00+14:00"', "time-too-early", "before 2010"),
    (b'"time":"9999-12-31T23:59:59-14:00"', "time-in-future", "ahead of its reception"),
    (b'"time":"2000-01-01T00:00:42Z"', "time-too-early", "before 2010"),
    (b'"seq":' + b"9" * 5000, "not-a-reading", "seq: "),
    (b'"x":' + b"[" * 5000 + b"]" * 5000, "not-json", "5001 brackets within one another"),
    (b'"x":' + b'{"a":' * 5000 + b"1" + b"}" * 5000, "not-json", "5001 brackets within one another"),
    (b'"x":nul', "not-json", "not JSON: Expecting value"),
    (b'"seq":2,"seq":3', "not-a-reading", "seq: is there twice"),
    (b'"values":{"battery":4}', "not-a-reading", "values: is there twice"),
    (b'"device":"\\ud800"', "device-mismatch", "the topic names 'kn-1'"),
]


@pytest.mark.parametrize(("odd", "reason", "says"), ODD, ids=[str(odd[:40]) for odd, _, _ in ODD])
def test_an_odd_item_costs_no_other(parts: Parts, odd: bytes, reason: str, says: str) -> None:
    item = b'{"device":"kn-1","values":{"battery":3.9},' + odd + b"}"
    report = parts.take(Message(UP, b"[" + GOOD + b"," + item + b"]", NOW_MS))
    assert [v[:2] for v in parts.values("marktplatz", "air_temperature")] == [(NOW_MS, 3.42)]
    assert parts.values("marktplatz", "battery") == []
    assert (1, 1, 1) in acked(report)
    (letter,) = letters(parts)
    assert (letter["device"], letter["reason"]) == ("kn-1", reason)
    assert says in letter["detail"]
    assert "sys." not in letter["detail"]


@pytest.mark.parametrize("bad", [b'"\\ud800":1', b'"battery":' + b"1" * 5000, b'"battery":1e999', b'"":1'])
def test_an_odd_value_costs_no_other(parts: Parts, bad: bytes) -> None:
    item = b'{"device":"kn-1","generation":1,"seq":2,"values":{' + bad + b',"air_temperature":2}}'
    report = parts.take(Message(UP, b"[" + GOOD + b"," + item + b"]", NOW_MS + 1))
    assert [v[1] for v in parts.values("marktplatz", "air_temperature")] == [3.42, 2.0]
    assert acked(report) == [(1, 1, 2)]
    (letter,) = letters(parts)
    assert (letter["device"], letter["reason"]) == ("kn-1", "bad-value")
    kept = json.loads(letter["payload"], parse_int=float)
    assert (len(kept["values"]), kept["seq"]) == (1, 2), "the bad one, under the identity of its reading"
    assert "air_temperature" not in kept["values"]


def test_a_key_that_comes_twice_in_values_is_ambiguous(parts: Parts) -> None:
    """JSON parsers take the last and say nothing; here neither is taken, and both are kept."""
    for twice in (b'"battery":3.9, "battery":2.1', b'"battery":3.9, "batter\\u0079":2.1'):
        item = b'{"device":"kn-1","time":"%b","values":{"air_temperature":2,%b}}' % (T.encode(), twice)
        parts.take(Message(UP, item, NOW_MS))
        assert parts.values("marktplatz", "battery") == []
        assert [v[1] for v in parts.values("marktplatz", "air_temperature")] == [2.0]
        letter = letters(parts)[-1]
        assert (letter["reason"], letter["detail"]) == ("bad-value", "values.battery: is there twice")
        assert letter["payload"].count(b'"battery"') == 2
        assert b"air_temperature" not in letter["payload"]


@pytest.mark.parametrize(
    ("name", "accessory"),
    [
        ("time_source", "gnss"),
        ("time_source", 7),
        ("time_uncertainty_s", -1),
        ("status", "low battery"),
        ("status", ["a", 1]),
        ("link", "lorawan"),
        ("link", {"sf": 99, "rssi_dbm": -101}),
        ("link", {"gateways": [1], "rssi_dbm": -101}),
        ("link", {"sf": 99, "fcnt": -1, "rssi_dbm": -101}),
    ],
)
def test_a_measurement_is_one_without_its_accessories(parts: Parts, name: str, accessory: object) -> None:
    body = reading(generation=1, seq=7, time=T, **{name: accessory})
    (decoded,) = decode(message(body)).readings
    assert (decoded.time_source, decoded.time_uncertainty_s, decoded.status) == (None, None, None)
    if isinstance(accessory, dict):
        assert decoded.link is not None
        assert (decoded.link.rssi_dbm, decoded.link.sf) == (-101, None)
    assert acked(parts.take(message(body))) == [(1, 7, 7)]
    assert len(parts.values("marktplatz", "air_temperature")) == 1
    (letter,) = letters(parts)
    assert letter["reason"] == "bad-field"
    assert name in letter["detail"]
    assert json.loads(letter["payload"])[name] == accessory
    replay_all(parts)
    assert len(parts.values("marktplatz", "air_temperature")) == 1, "a replay does not store it once more"


def test_a_byte_order_mark_is_no_fault(parts: Parts) -> None:
    parts.take(Message(UP, b"\xef\xbb\xbf" + GOOD, NOW_MS), Message(UP, b"\xef\xbb\xbf[" + GOOD + b"]", NOW_MS))
    parts.take(Message("klimanetz/v1/status/kn-1", b'\xef\xbb\xbf{"online": true}', NOW_MS))
    assert len(parts.values("marktplatz", "air_temperature")) == 1
    assert letters(parts) == []


@pytest.mark.parametrize(
    ("fields", "reason", "owed"),
    [
        ({"values": {"foo": 1}}, "bad-value", [(3, 7, 7)]),
        ({"values": {}}, "not-a-reading", [(3, 7, 7)]),
        ({"time": "yesterday"}, "not-a-reading", [(3, 7, 7)]),
        ({"time": "1970-01-01T00:00:00Z"}, "time-too-early", [(3, 7, 7)]),
        ({"values": {"foo": 1}, "generation": None}, "bad-value", [(0, 7, 7)]),
        ({"seq": -1}, "not-a-reading", []),
        ({"seq": True}, "not-a-reading", []),
        ({"seq": 2**53}, "not-a-reading", []),
        ({"generation": "3"}, "not-a-reading", []),
        ({"device": "kn-2"}, "device-mismatch", []),  # kn-2 may hold a reading of that count
    ],
)
def test_what_is_put_aside_with_its_count_is_acknowledged(
    parts: Parts, fields: dict[str, Any], reason: str, owed: list[tuple[int, int, int]]
) -> None:
    report = parts.take(message(reading(**{"generation": 3, "seq": 7, **fields})))
    assert [letter["reason"] for letter in letters(parts)] == [reason]
    assert acked(report) == owed
    assert acked(report, "kn-2") == []
    row = parts.ledger.delivery("kn-1")
    assert row is None, "put aside is not stored"


def test_a_count_without_a_generation_is_of_generation_0(parts: Parts) -> None:
    first = parts.take(message(reading(seq=7, time=T)))
    again = parts.take(message(reading(seq=7, time=T), reading(generation=0, seq=9, time="2026-11-22T10:14:00Z")))
    assert acked(first) == [(0, 7, 7)]
    assert (again.stored, again.duplicates) == (1, 1)
    row = parts.ledger.delivery("kn-1")
    assert row is not None
    assert [(gap["first"], gap["last"]) for gap in row["gaps"]] == [(8, 8)]


def test_an_array_without_a_reading_is_one_letter(parts: Parts) -> None:
    bodies = [[1] * 500, [reading(generation=1, seq=n, values={"foo": 1}) for n in range(3)], ["a"], [1, "x", {}]]
    reports = [parts.take(Message(UP, json.dumps(body).encode(), NOW_MS)) for body in bodies]
    found = letters(parts)
    assert [letter["reason"] for letter in found] == ["not-a-reading", "bad-value", "not-a-reading", "not-a-reading"]
    assert found[0]["detail"] == "none of 500 items is a reading; the first: a reading is a JSON object"
    assert [json.loads(letter["payload"]) for letter in found[:2]] == bodies[:2], "the whole message is kept"
    assert acked(reports[1]) == [(1, 0, 2)]


def test_a_fault_of_ours_names_the_device(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work, "decode", lambda *_: 1 / 0)
    monkeypatch.setattr(QuickReader, "read", lambda *_: 1 / 0)
    parts.take(Message(UP, GOOD, NOW_MS), Message("klimanetz/v1/up/a b", GOOD, NOW_MS))
    assert [(letter["reason"], letter["device"]) for letter in letters(parts)] == [("poison", "kn-1"), ("poison", None)]


TEXTS = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.integers() | st.text(),
    lambda x: st.lists(x) | st.dictionaries(st.text(), x), max_leaves=10,
)  # fmt: skip


@given(st.lists(TEXTS), st.sampled_from([None, 1]), st.booleans())
def test_items_are_cut_where_they_end(body: list[Any], indent: int | None, ascii_only: bool) -> None:
    text = json.dumps(body, indent=indent, ensure_ascii=ascii_only)
    assert [json.loads(item) for item, _ in items(text.encode())] == body
    assert all(depth <= item.count("[") + item.count("{") for item, depth in items(text.encode()))


@pytest.mark.parametrize("text", ["[1}", "[1]]", "[1] 2", "{} {}x}", "1,2", "[1", '["a]', "]", '["a\\"]', "[[1]"])
def test_what_does_not_match_is_no_json(text: str) -> None:
    with pytest.raises(NotJson):
        items(text.encode())


@given(st.text(alphabet='[]{}",:\\ 1a', max_size=12))
def test_an_array_is_never_taken_for_more_than_it_is(text: str) -> None:
    """Every item that can be read stands as such in an array that JSON's own parser reads, if it reads it at all."""
    try:
        body = json.loads(text)
    except ValueError:
        return
    assert [json.loads(item) for item, _ in items(text.encode())] == (body if isinstance(body, list) else [body])
