"""What is read quickly is read as `decode` and `judge` would: the same readings, or left to them."""

import json
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from cloud.ingest.decode import decode
from cloud.ingest.item import identity
from cloud.ingest.message import Message
from cloud.ingest.place import time_ms
from cloud.ingest.quick import QuickReader
from cloud.ingest.sort import source_rank
from cloud.judge import judge
from tests.cloud.ingest_parts import NOW_MS

PLAIN = {
    "device": "kn-1", "generation": 1, "seq": 4711, "time": "2026-11-22T10:15:00Z", "time_source": "ntp",
    "time_uncertainty_s": 0.5, "values": {"air_temperature": 3.42, "soil_moisture@30cm": 22},
    "link": {"via": "lorawan", "gateway": "a84041ffff1ec1f5", "rssi_dbm": -101, "sf": 9, "gateways": ["a", "b"]},
    "status": ["battery_low"], "index": 0,
}  # fmt: skip
ODD: st.SearchStrategy[Any] = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), st.just([]), st.just({}), st.just("x"),
    st.sampled_from([-1, 0, 1, 1.0, 2**53, 2**70, 1e308, "1", "2026-11-22T10:15:00.123Z", "2026-11-22T10:15:00+01:00",
                     "2026-02-30T10:15:00Z", "2099-01-01T00:00:00Z", "2001-01-01T00:00:00Z", "2026-11-22t10:15:00z",
                     "2026-11-22T10:15:60Z", "２026-11-22T10:15:00Z", "gps", "receiver", ["a", 1], {"a": [["b"]]},
                     {"co2": -5.0}, {"co2": 1e9}, {"co2": True}, {"nonsense": 1.0}, {"sf": 13}, {"sf": "9"}])
)  # fmt: skip
KEYS = [*PLAIN, "index", "more", "Device"]


@st.composite
def payloads(draw: st.DrawFn) -> bytes:
    """A plain reading or some, with something odd in it."""
    readings = []
    for _ in range(draw(st.integers(1, 3))):
        one = {key: PLAIN[key] for key in PLAIN if key in ("device", "time", "values") or draw(st.booleans())}
        for key in draw(st.lists(st.sampled_from(KEYS), max_size=2)):
            one[key] = draw(ODD)
        readings.append(one)
    alone = len(readings) == 1 and draw(st.booleans())
    text = json.dumps(
        readings[0] if alone else readings, ensure_ascii=draw(st.booleans()), indent=draw(st.sampled_from([None, 1]))
    )
    for _ in range(draw(st.integers(0, 2))):  # and something odd in the text
        at = draw(st.integers(0, len(text)))
        piece = draw(st.sampled_from(["", '"', ",", "0", "}", " ", "\\", '"seq":9,', '"battery":1,', "e5", "-"]))
        text = text[:at] + piece + text[at + draw(st.integers(0, 1)) :]
    return text.encode("utf-8", "surrogatepass")


@settings(max_examples=1500, deadline=None)
@given(payloads(), st.sampled_from([0, NOW_MS - 10**9]))
@example(json.dumps(PLAIN).encode(), 0)
@example(b'{"device":"kn-1","time":"2026-11-22T10:15:00Z","values":{"battery":1,"battery":2}}', 0)
@example(b'{"device":"kn-1","time":"2026-11-22T10:15:00Z","seq":1.0,"values":{"battery":1}}', 0)
@example(b'{"device":"kn-1","time":"2026-11-22T10:15:00Z","values":{"battery":1},"link":{"a":{"b":1,"b":2}}}', 0)
@example(b'{"device":"kn-1","time":"2026-11-22T10:15:00Z","values":{"battery":1,"battery":2},"link":{"x":[1]}}', 0)
@example(b'{"device":"kn-1","time":"2026-11-22T10:15:00Z","values":{"battery":1}' + b" " * (1 << 20) + b"}", 0)
def test_what_is_read_quickly_is_read_right(payload: bytes, earlier_ms: int) -> None:
    message = Message("klimanetz/v1/up/kn-1", payload, NOW_MS - earlier_ms)
    quick = QuickReader(lambda device: device == "kn-1").read("kn-1", message)
    if quick is None:
        return
    decoded = decode(message)
    assert not decoded.refusals
    assert not decoded.owed
    assert [(q.generation, q.seq, q.time_ms, q.rank, q.values, q.quality) for q in quick] == [
        (r.generation, r.seq, time_ms(r), source_rank(r.time_source), r.values, judge(r.values))
        for r in decoded.readings
    ]
    assert all(type(value) is float for q in quick for value in q.values.values())
    assert all((identity(r) is None) == (q.seq is None) for q, r in zip(quick, decoded.readings, strict=True))


def test_the_common_messages_are_read_quickly() -> None:
    reader = QuickReader(lambda device: device == "kn-1")
    for body in (
        PLAIN,
        [PLAIN, {**PLAIN, "seq": 4712}],
        {"device": "kn-1", "time": PLAIN["time"], "values": {"battery": 4}},
    ):
        message = Message("klimanetz/v1/up/kn-1", json.dumps(body).encode(), NOW_MS)
        assert reader.device(message.topic) == "kn-1"
        assert reader.read("kn-1", message) is not None


def test_strangers_and_other_topics_are_left_to_decode() -> None:
    reader = QuickReader(lambda device: device == "kn-1")
    topics = (
        "klimanetz/v1/up/kn-2",
        "klimanetz/v1/raw/kn-1",
        "klimanetz/v1/status/kn-1",
        "nonsense",
        "klimanetz/v1/up/ä",
    )
    assert [reader.device(topic) for topic in topics] == [None] * 5
