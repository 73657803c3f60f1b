"""From a captured message to the store, the ledger, the dead letters and the acknowledgement."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cloud.ingest.decode import decode
from cloud.ingest.message import Message
from cloud.ingest.pipeline import Pipeline
from cloud.ingest.rawlog import RawLog, RawLogUnavailable, pack, unpack
from cloud.ingest.replay import replay_waiting, replay_wanted
from cloud.ledger.dead_letters import DeadLetters, dead_letters
from cloud.registry import imports
from cloud.store.model import PointsRejected, StoreUnavailable
from schemas.wire import WireReading, encode
from tests.cloud.ingest_parts import NOW_MS, Parts, make, message, reading

T = "2026-11-22T10:15:00Z"


@pytest.fixture
def parts(tmp_path: Path) -> Parts:
    return make(tmp_path)


def letters(parts: Parts) -> list[tuple[str, str]]:
    return [(x["reason"], x["detail"]) for x in reversed(DeadLetters(parts.ledger.engine).newest(100))]


def test_a_reading_is_stored_judged_counted_and_acknowledged(parts: Parts) -> None:
    report = parts.take(message(reading(generation=1, seq=7, time=T)))
    assert parts.values("marktplatz", "air_temperature") == [(NOW_MS, 3.42, "C")]
    assert [(g, list(s)) for g, s in report.acks["kn-1"].items()] == [(1, [(7, 7)])]
    row = parts.ledger.delivery("kn-1")
    assert row is not None
    assert (row["received"], row["missing"]) == (1, 0)


def test_out_of_range_is_kept_and_flagged(parts: Parts) -> None:
    report = parts.take(message(reading(time=T, values={"air_temperature": -147, "relative_humidity": 50})))
    assert parts.values("marktplatz", "air_temperature") == [(NOW_MS, -147.0, "X range")]
    assert parts.values("marktplatz", "relative_humidity") == [(NOW_MS, 50.0, "C")]
    assert report.failed_range == 1


def test_the_same_again_is_a_duplicate_and_acknowledged_again(parts: Parts) -> None:
    first = parts.take(message(reading(generation=1, seq=7, time=T)))
    again = parts.take(message(reading(generation=1, seq=7, time=T)))
    assert (first.stored, again.stored, again.duplicates) == (1, 0, 1)
    assert list(again.acks["kn-1"][1]) == [(7, 7)]
    assert parts.store.count() == 1


def test_gaps_late_readings_and_generations(parts: Parts) -> None:
    def at(generation: int, seq: int) -> dict[str, Any]:
        return reading(generation=generation, seq=seq, time=f"2026-11-22T10:{seq:02}:00Z")

    parts.take(message(at(1, 1), at(1, 2), at(1, 6), at(2, 9)))
    row = parts.ledger.delivery("kn-1")
    assert row is not None
    assert row["gaps"] == [{"generation": 1, "first": 3, "last": 5, "count": 3, "stage": "upstream"}]
    parts.take(message(at(1, 4)))
    row = parts.ledger.delivery("kn-1")
    assert row is not None
    assert (row["missing"], row["late"], row["received"]) == (2, 1, 5)
    assert row["stored"] == [(1, 1, 2), (1, 4, 4), (1, 6, 6), (2, 9, 9)]


def test_without_a_time_the_reception_counts(parts: Parts) -> None:
    parts.take(message(reading(), received_ms=NOW_MS + 1234))
    assert [v[0] for v in parts.values("marktplatz", "air_temperature")] == [NOW_MS + 1234]


def test_a_better_time_moves_the_reading(parts: Parts) -> None:
    parts.take(message(reading(generation=1, seq=7), received_ms=NOW_MS + 5000))
    report = parts.take(message(reading(generation=1, seq=7, time=T, time_source="ntp")))
    assert (report.moved, report.duplicates) == (1, 0)
    assert [v[0] for v in parts.values("marktplatz", "air_temperature")] == [NOW_MS]
    worse = parts.take(message(reading(generation=1, seq=7), received_ms=NOW_MS + 9000))
    assert (worse.moved, worse.duplicates) == (0, 1)
    assert [v[0] for v in parts.values("marktplatz", "air_temperature")] == [NOW_MS]


def test_a_better_time_in_the_same_batch(parts: Parts) -> None:
    parts.take(message(reading(generation=1, seq=7), reading(generation=1, seq=7, time=T, time_source="ntp")))
    assert [v[0] for v in parts.values("marktplatz", "air_temperature")] == [NOW_MS]


def test_readings_without_a_time_do_not_fall_on_one_another(parts: Parts) -> None:
    """They come together when a broker delivers its queue."""
    counted = [message(reading(generation=1, seq=n)) for n in range(1, 5)]
    parts.take(*counted, message(*[reading() for _ in range(10)]))
    assert [v[0] for v in parts.values("marktplatz", "air_temperature")] == [NOW_MS + n for n in range(14)]
    parts.take(message(reading(generation=1, seq=5)))
    assert len(parts.values("marktplatz", "air_temperature")) == 15


def test_a_better_time_disturbs_nobody(parts: Parts) -> None:
    parts.take(*[message(reading(generation=1, seq=n)) for n in range(1, 5)])
    parts.take(message(reading(generation=1, seq=2, time="2026-11-22T09:00:00Z", time_source="ntp")))
    times = [v[0] for v in parts.values("marktplatz", "air_temperature")]
    assert times == [NOW_MS - 4_500_000, NOW_MS, NOW_MS + 2, NOW_MS + 3]


def test_a_retained_message_without_a_time_is_no_reading(parts: Parts) -> None:
    body = message(reading())
    parts.take(Message(body.topic, body.payload, NOW_MS, retained=True))
    assert [r for r, _ in letters(parts)] == ["retained"]
    timed = message(reading(time=T))
    for _ in range(3):
        parts.take(Message(timed.topic, timed.payload, NOW_MS, retained=True))
    assert parts.store.count() == 1


@pytest.mark.parametrize(
    ("topic", "payload"),
    [
        ("status/kn-1", '{"online": true}'.encode("utf-16")),
        ("status/kn-1", b'{"online": "\xed\xa0\x80"}'),
        ("status/kn-1", b'{"online": "\\ud800"}'),
        ("up/kn-1", b'{"device": "\\ud800", "values": {"battery": 3}}'),
        ("up/kn-1", b'{"device": "kn-1", "values": {"a\\u0000": 1}}'),
        ("up/kn-1", b'{"device": "kn-1", "values": {"battery": 3}, "x": "\\ud800"}'),
        ("up/kn-1\x00", b"{}"),
    ],
)
def test_no_text_stops_what_comes_behind_it(parts: Parts, topic: str, payload: bytes) -> None:
    good = message(reading(generation=1, seq=1, time=T))
    report = parts.take(Message("klimanetz/v1/" + topic, payload, NOW_MS), good)
    assert report.stored >= 1
    assert parts.values("marktplatz", "air_temperature")


def test_the_binary_format(parts: Parts) -> None:
    frame = [
        WireReading(1, 8, NOW_MS // 1000, None, "ntp", 0.5, {"air_temperature": 3.5, "soil_moisture@30cm": 22.1}, ()),
        WireReading(1, 7, NOW_MS // 1000 - 900, None, "ntp", 0.5, {"air_temperature": 3.4}, ()),
    ]
    parts.take(Message("klimanetz/v1/raw/kn-1", encode(frame)[0], NOW_MS))
    assert [v[:2] for v in parts.values("marktplatz", "air_temperature")] == [(NOW_MS - 900_000, 3.4), (NOW_MS, 3.5)]
    assert [v[:2] for v in parts.values("marktplatz", "soil_moisture@30cm")] == [(NOW_MS, 22.1)]
    parts.take(Message("klimanetz/v1/raw/kn-1", encode(frame)[0][:-1], NOW_MS))
    assert [reason for reason, _ in letters(parts)] == ["wire"]


@pytest.mark.parametrize(
    ("payload", "reason", "says"),
    [
        (b"", "not-json", "not JSON"),
        (b"hello", "not-json", "not JSON"),
        (b"\xff\xfe", "not-json", "not JSON"),
        (b"42", "not-a-reading", "JSON object"),
        (b"[]", "not-a-reading", "empty array"),
        (b"{}", "not-a-reading", "device"),
        (b'{"device": "kn-1"}', "not-a-reading", "values"),
        (b'{"device": "kn-1", "values": {}}', "not-a-reading", "values"),
        (b'{"device": "kn-2", "values": {"battery": 3}}', "device-mismatch", "'kn-2'"),
        (b'{"device": "kn-1", "values": {"battery": NaN}}', "bad-value", "finite"),
        (b'{"device": "kn-1", "values": {"battery": 1e999}}', "bad-value", "finite"),
        (b'{"device": "kn-1", "values": {"battery": "3.9"}}', "bad-value", "values.battery"),
        (b'{"device": "kn-1", "values": {"baterry": 3.9}}', "bad-value", "unknown quantity 'baterry'"),
        (b'{"device": "kn-1", "values": {"battery": 3}, "seq": -1}', "not-a-reading", "seq"),
        (b'{"device": "kn-1", "values": {"battery": 3}, "time": "yesterday"}', "not-a-reading", "time"),
        (b'{"device": "kn-1", "values": {"battery": 3}, "time": "2026-11-22T10:15:00"}', "not-a-reading", "time"),
        (b'{"device": "kn-1", "values": {"battery": 3}, "time": "1970-01-01T00:00:07Z"}', "time-too-early", "clock"),
        (b'{"device": "kn-1", "values": {"battery": 3}, "time": "2027-11-22T10:15:00Z"}', "time-in-future", "clock"),
        (b"[" * 100_000, "not-json", "not JSON"),
        (b"[" + b'{"device":"kn-1","values":{"battery":3}},' * 500 + b"{}]", "too-many", "501 readings"),
        (b'{"x": "' + b"x" * (10 << 20) + b'"}', "too-large", "bytes"),
    ],
)
def test_what_is_not_a_reading_goes_to_the_dead_letters(parts: Parts, payload: bytes, reason: str, says: str) -> None:
    good = message(reading(generation=1, seq=1, time=T))
    report = parts.take(Message("klimanetz/v1/up/kn-1", payload, NOW_MS), good)
    found = letters(parts)
    assert [r for r, _ in found] == [reason]
    assert says in found[0][1]
    assert report.stored == 1, "the rest goes on"


@pytest.mark.parametrize(
    "topic", ["klimanetz/v1/up/", "klimanetz/v1/up/a b", "klimanetz/v2/up/kn-1", "x", "klimanetz/v1/up/a/b"]
)
def test_a_topic_that_is_none_of_ours(parts: Parts, topic: str) -> None:
    parts.take(Message(topic, b"{}", NOW_MS))
    assert [r for r, _ in letters(parts)] == ["topic"]


def test_what_a_gateway_could_not_read_is_known_of(parts: Parts) -> None:
    body = {"device": "eui-70b3d57ed0000001", "reason": "no codec is known", "registered": False, "payload_hex": "0102"}
    parts.take(Message("klimanetz/v1/unread/eui-70b3d57ed0000001", json.dumps(body).encode(), NOW_MS))
    parts.take(Message("klimanetz/v1/unread/kn-1", b'{"device": "kn-1", "reason": "bad version"}', NOW_MS))
    parts.take(Message("klimanetz/v1/unread/kn-1", b'{"device": "kn-1"}', NOW_MS))
    assert sorted(letters(parts)) == [
        ("not-unread", "Field required"),
        ("unread", "bad version"),
        ("unread-stranger", "no codec is known"),
    ]
    box = DeadLetters(parts.ledger.engine)
    assert [row["device"] for row in box.unknown()] == ["eui-70b3d57ed0000001"]
    imports.import_devices(parts.registry, b"device,station,dev_eui\nlpp,neustadt,70b3d57ed0000001\n")
    assert box.unknown() == []


def test_one_bad_value_does_not_cost_the_others(parts: Parts) -> None:
    parts.take(message(reading(time=T, values={"air_temperature": 3.4, "battery": "full", "no_such": 1})))
    assert parts.values("marktplatz", "air_temperature") == [(NOW_MS, 3.4, "C")]
    ((reason, detail),) = letters(parts)
    assert reason == "bad-value"
    assert "battery" in detail
    assert "no_such" in detail


def test_one_bad_reading_does_not_cost_the_others(parts: Parts) -> None:
    parts.take(message(reading(time=T), reading(device="kn-2", time=T), reading(time="never")))
    assert len(parts.values("marktplatz", "air_temperature")) == 1
    assert [r for r, _ in letters(parts)] == ["device-mismatch", "not-a-reading"]


def test_a_device_registered_late_loses_nothing(parts: Parts) -> None:
    early = message(reading("kn-9", generation=1, seq=1, time="2026-11-22T09:00:00Z"), device="kn-9")
    report = parts.take(early)
    assert [r for r, _ in letters(parts)] == ["unknown-device"]
    assert list(report.acks["kn-9"][1]) == [(1, 1)], "we hold it, so whoever spools may forget it"
    unknown = DeadLetters(parts.ledger.engine).unknown()
    assert [(row["device"], row["messages"]) for row in unknown] == [("kn-9", 1)]
    assert replay_waiting(DeadLetters(parts.ledger.engine), parts.raw, parts.registry, NOW_MS) == 0
    imports.import_devices(parts.registry, b"device,station\nkn-9,neustadt\n")
    assert replay_waiting(DeadLetters(parts.ledger.engine), parts.raw, parts.registry, NOW_MS) == 1
    batch = parts.raw.after(1)
    assert batch is not None
    parts.pipeline.apply(batch)
    assert len(parts.values("neustadt", "air_temperature")) == 1
    assert letters(parts) == []


def test_a_letter_is_replayed_when_somebody_wants_it(parts: Parts) -> None:
    box = DeadLetters(parts.ledger.engine)
    parts.take(Message("klimanetz/v1/up/kn-1", b"not yet", NOW_MS), message(reading(time=T)))
    assert replay_wanted(box, parts.raw, NOW_MS) == 0
    assert box.want_replay([999]) == 0
    assert box.want_replay([box.newest(1)[0]["id"]]) == 1
    assert replay_wanted(box, parts.raw, NOW_MS) == 1
    batch = parts.raw.after(1)
    assert batch is not None
    parts.pipeline.apply(batch)
    assert [r for r, _ in letters(parts)] == ["not-json"], "still none: a new letter, and the old one is done"
    assert box.want_replay(None) == 1


def test_a_batch_is_counted_once_whatever_dies(parts: Parts) -> None:
    parts.take(message(reading(generation=1, seq=1, time=T)), message(reading(time="never")))
    batch = parts.raw.after(0)
    assert batch is not None
    parts.pipeline.apply(batch)  # as if the process had died before it moved on
    row = parts.ledger.delivery("kn-1")
    assert row is not None
    assert (row["received"], row["duplicates"]) == (1, 0)
    assert len(letters(parts)) == 1
    assert parts.store.count() == 1


class Failing:
    """A store that is away, or refuses some points, in front of the real one."""

    def __init__(self, parts: Parts) -> None:
        self.real, self.away, self.refuses = parts.store, False, ""
        parts.pipeline.store = self  # type: ignore[assignment]

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)

    def write(self, points: Any) -> None:
        if self.away:
            raise StoreUnavailable("away")
        bad = [p for p in points if self.refuses in p.values]
        self.real.write([p for p in points if p not in bad])
        if bad:
            raise PointsRejected(bad, "field type conflict")


def test_a_foreign_frame_counter_that_starts_again_loses_nothing(parts: Parts) -> None:
    """ABP devices behind ChirpStack: the counter is known, the time is younger than anything before."""
    imports.import_devices(
        parts.registry, b"device,station,dev_eui,codec\nlst,neustadt,70b3d57ed0000001,dragino/lse01\n"
    )

    def uplink(seq: int, minute: int) -> Message:
        fields = {"generation": 0x260B, "seq": seq, "time": f"2026-11-22T10:{minute:02}:00Z", "time_source": "network"}
        return message(reading("lst", **fields), device="lst")

    parts.take(uplink(1, 0), uplink(2, 5))
    report = parts.take(uplink(1, 10), uplink(2, 15), uplink(2, 15), uplink(1, 0))
    assert (report.stored, report.duplicates) == (2, 2)
    assert len(parts.values("neustadt", "air_temperature")) == 4
    late = parts.take(uplink(2, 12))  # out of order after the restart: written, whatever its count says
    assert list(late.acks["lst"][0x260B]) == [(2, 2)]
    assert len(parts.values("neustadt", "air_temperature")) == 5


def test_a_store_that_is_away_costs_nothing_but_time(parts: Parts) -> None:
    store = Failing(parts)
    store.away = True
    with pytest.raises(StoreUnavailable):
        parts.take(message(reading(generation=1, seq=1, time=T)))
    assert parts.ledger.cursor(parts.raw.id) == 0
    store.away = False
    batch = parts.raw.after(0)
    assert batch is not None
    assert parts.pipeline.apply(batch).stored == 1


def test_a_point_that_the_store_refuses_is_put_aside_alone(parts: Parts) -> None:
    Failing(parts).refuses = "battery"
    parts.take(message(reading(time=T), reading(time="2026-11-22T10:14:00Z", values={"battery": 3.9})))
    assert len(parts.values("marktplatz", "air_temperature")) == 1
    assert [r for r, _ in letters(parts)] == ["store-rejected"]


def test_what_the_store_refused_can_be_replayed(parts: Parts) -> None:
    """The ledger does not call stored what was put aside; and an old place is not given up for a refused one."""
    store = Failing(parts)
    parts.take(message(reading(generation=1, seq=7, values={"battery": 3.9}), received_ms=NOW_MS + 5000))
    store.refuses = "battery"
    better = reading(generation=1, seq=7, time=T, time_source="ntp", values={"battery": 3.9})
    parts.take(message(better), message(reading(generation=1, seq=8, time=T, values={"battery": 3.8})))
    assert [r for r, _ in letters(parts)] == ["store-rejected", "store-rejected"]
    assert len(parts.values("marktplatz", "battery")) == 1
    store.refuses = "nothing"
    replay_all(parts)
    assert [v[1] for v in parts.values("marktplatz", "battery")] == [3.9, 3.8]
    assert letters(parts) == []


def replay_all(parts: Parts, now_ms: int = NOW_MS) -> None:
    box = DeadLetters(parts.ledger.engine)
    before = parts.ledger.cursor(parts.raw.id)
    box.want_replay(None)
    replay_wanted(box, parts.raw, now_ms)
    while batch := parts.raw.after(before):
        parts.pipeline.apply(batch)
        before = batch.id


def test_the_refused_half_of_a_reading_can_be_replayed(parts: Parts) -> None:
    body = {"air_temperature": 3.4, "battery": "3.9"}
    parts.take(message(reading(generation=1, seq=7, time=T, values=body)))
    with parts.ledger.engine.begin() as connection:  # as if the decoder had been mended
        payload = json.dumps(reading(generation=1, seq=7, time=T, values={"battery": 3.9})).encode()
        connection.execute(sa.update(dead_letters).values(payload=payload))
    replay_all(parts)
    assert [v[1] for v in parts.values("marktplatz", "battery")] == [3.9]
    assert [v[1] for v in parts.values("marktplatz", "air_temperature")] == [3.4]


def test_a_reading_refused_from_a_binary_frame_can_be_replayed(parts: Parts) -> None:
    """Here our own clock was the wrong one."""
    frame = [WireReading(1, 8, NOW_MS // 1000, None, "ntp", 0.5, {"air_temperature": 3.5}, ())]
    parts.take(Message("klimanetz/v1/raw/kn-1", encode(frame)[0], NOW_MS - 86_400_000))
    assert [r for r, _ in letters(parts)] == ["time-in-future"]
    replay_all(parts)
    assert [v[:2] for v in parts.values("marktplatz", "air_temperature")] == [(NOW_MS, 3.5)]


def test_a_death_between_write_and_ledger(parts: Parts) -> None:
    before = parts.ledger.apply
    parts.ledger.apply = lambda outcome: 1 / 0  # type: ignore[method-assign, assignment]
    with pytest.raises(ZeroDivisionError):
        parts.take(message(reading(generation=1, seq=1, time=T)), message(reading()))
    assert parts.store.count() == 2
    parts.ledger.apply = before  # type: ignore[method-assign]
    batch = parts.raw.after(0)
    assert batch is not None
    Pipeline(parts.store, parts.ledger, parts.registry, parts.raw.id).apply(batch)
    assert parts.store.count() == 2
    row = parts.ledger.delivery("kn-1")
    assert row is not None
    assert (row["received"], row["duplicates"]) == (2, 0)


def test_status_is_kept(parts: Parts) -> None:
    from cloud.ledger.device_status import last_status

    parts.take(Message("klimanetz/v1/status/kn-1", b'{"online": true}', NOW_MS))
    parts.take(Message("klimanetz/v1/status/kn-1", b'{"online": false}', NOW_MS + 1))
    row = last_status(parts.ledger.engine, "kn-1")
    assert row is not None
    assert json.loads(row["status"]) == {"online": False}


def test_the_raw_log_is_whole_after_a_kill(tmp_path: Path) -> None:
    """kill -9 right after `append` returned: PUBACK could have gone out."""
    script = (
        "import os, sys; from pathlib import Path; from cloud.ingest.message import Message\n"
        "from cloud.ingest.rawlog import RawLog\n"
        "log = RawLog(Path(sys.argv[1])); log.append([Message('klimanetz/v1/up/ä', b'\\x00\\xff' * 9, 1)])\n"
        "print(log.append([Message('t', b'', 2, True, 3)]), flush=True); os.kill(os.getpid(), 9)"
    )
    dead = subprocess.run([sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=False)
    assert (dead.stdout, dead.returncode) == ("2\n", -9), dead.stderr
    log = RawLog(tmp_path)
    first, second = log.after(0), log.after(1)
    assert first is not None
    assert second is not None
    assert (first.id, first.messages) == (1, [Message("klimanetz/v1/up/ä", b"\x00\xff" * 9, 1)])
    assert (second.id, second.messages) == (2, [Message("t", b"", 2, True, 3)])
    assert log.backlog({0: 0}) == 2
    assert log.forget(before_ms=10, applied={0: 0}) == 0, "what was not applied is never forgotten"
    assert log.forget(before_ms=10, applied={0: 2}) == 2
    with pytest.raises(RawLogUnavailable, match="another process uses"):
        RawLog(tmp_path)


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RawLogUnavailable, match=r"the raw log .* cannot be opened"):
        RawLog(tmp_path / "file" / "spool")


_MS = st.integers(0, 2**60)


@given(st.lists(st.builds(Message, st.text(max_size=50), st.binary(max_size=100), _MS, st.booleans(), _MS)))
def test_framing_round_trip(messages: list[Message]) -> None:
    assert list(unpack(pack(messages))) == messages


@settings(suppress_health_check=[HealthCheck.too_slow], max_examples=60)
@given(
    st.sampled_from(["klimanetz/v1/up/kn-1", "klimanetz/v1/raw/kn-1", "klimanetz/v1/status/kn-1"]),
    st.one_of(
        st.binary(max_size=60),
        st.recursive(st.none() | st.booleans() | st.floats() | st.text(), lambda x: st.lists(x) | st.dictionaries(
            st.sampled_from(["device", "values", "time", "seq", "generation", "link"]) | st.text(), x
        ), max_leaves=12).map(lambda x: json.dumps(x).encode()),
    ),
)  # fmt: skip
def test_no_payload_is_dropped_or_crashes(topic: str, payload: bytes) -> None:
    decoded = decode(Message(topic, payload, NOW_MS))
    assert decoded.readings or decoded.refusals or decoded.status
    with tempfile.TemporaryDirectory() as folder:
        parts = make(Path(folder))
        report = parts.take(Message(topic, payload, NOW_MS))
        assert report.stored == len(decoded.readings)
        assert report.refused == len(decoded.refusals)
        parts.registry.engine.dispose()
