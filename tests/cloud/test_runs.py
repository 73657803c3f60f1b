"""Runs come to what their readings come to one by one: the same stored, counted and acknowledged."""

import json
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloud.ingest.message import Message
from cloud.ingest.pipeline import Pipeline
from cloud.ingest.quick import QuickReader
from cloud.ingest.work import Report
from cloud.registry import imports
from cloud.store.model import PointsRejected
from schemas.models import utc_text_ms
from tests.cloud import ingest_parts
from tests.cloud.ingest_parts import NOW_MS, Parts

BEGAN_MS = NOW_MS - 40 * 900_000


@st.composite
def readings(draw: st.DrawFn) -> tuple[str, dict[str, Any]]:
    """Mostly in order, as `seq` says; sometimes late, doubled, better timed, uncounted or odd."""
    device = draw(st.sampled_from(["kn-1", "kn-2"]))
    seq = draw(st.integers(0, 12))
    body: dict[str, Any] = {"device": device, "values": {"air_temperature": draw(st.sampled_from([3.42, 7, 999.0]))}}
    shift_ms = draw(st.sampled_from([0, 0, 0, 0, 1, 5_000_000]))
    if draw(st.integers(0, 9)):
        body["time"] = utc_text_ms(BEGAN_MS + 900_000 * seq + shift_ms)
        body["time_source"] = draw(st.sampled_from(["ntp", "ntp", "ntp", "rtc", "gps", "device"]))
    if draw(st.integers(0, 5)):
        body |= {"seq": seq, "generation": draw(st.sampled_from([0, 0, 0, 1]))}
    return device, body


@st.composite
def batches(draw: st.DrawFn) -> list[list[Message]]:
    """Of messages, some of which are in order over long stretches."""
    found = []
    for _ in range(draw(st.integers(1, 3))):
        some = draw(st.lists(readings(), min_size=1, max_size=12))
        if draw(st.booleans()):
            some.sort(key=lambda one: (one[1].get("seq", 99), one[1].get("time", "")))
        found.append([Message(f"klimanetz/v1/up/{d}", json.dumps(body).encode(), NOW_MS) for d, body in some])
    return found


def come_to(folder: Path, sent: list[list[Message]], divided: bool, one_by_one: bool) -> object:
    """What the messages come to."""
    parts = ingest_parts.make(folder)
    pipeline = Pipeline(parts.store, parts.ledger, parts.registry, parts.raw.id, divided)
    if one_by_one:
        pipeline._reader = lambda _: QuickReader(lambda _: False)  # type: ignore[method-assign]
    reports = [_take(parts, pipeline, batch) for batch in sent]
    stored = {station: parts.values(station, "air_temperature") for station in ("marktplatz", "neustadt")}
    counts = [(r.stored, r.duplicates, r.moved, r.refused, r.acks) for r in reports]
    delivery = [parts.ledger.delivery(device) for device in ("kn-1", "kn-2")]
    identities = [sorted(parts.store.identities(device)) for device in ("kn-1", "kn-2")]
    parts.raw.close()
    parts.store.close()
    return stored, counts, delivery, identities


def _take(parts: Parts, pipeline: Pipeline, messages: list[Message]) -> Report:
    number = parts.raw.append(messages)
    batch = parts.raw.after(number - 1)
    assert batch is not None
    return pipeline.apply(batch)


@settings(max_examples=120, deadline=None)
@given(batches(), st.booleans())
def test_a_run_is_its_readings(sent: list[list[Message]], divided: bool) -> None:
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        assert come_to(Path(one), sent, divided, one_by_one=False) == come_to(
            Path(other), sent, divided, one_by_one=True
        )


def message(seq: int, **more: Any) -> Message:
    body = {"device": "kn-1", "seq": seq, "time": utc_text_ms(BEGAN_MS + 900_000 * seq), "time_source": "ntp",
            "values": {"air_temperature": 3.42}, **more}  # fmt: skip
    return Message("klimanetz/v1/up/kn-1", json.dumps(body).encode(), NOW_MS)


@pytest.mark.parametrize("divided", [True, False])
def test_a_run_that_is_sent_again_with_better_times_is_moved(tmp_path: Path, divided: bool) -> None:
    worse = [message(seq, time_source="rtc") for seq in (1, 2, 3)]
    better = [message(seq, time=utc_text_ms(BEGAN_MS + 900_000 * seq + 1000), time_source="gps") for seq in (1, 2, 3)]
    came_to = [come_to(tmp_path / name, [worse, better], divided, one_by_one=name == "b") for name in ("a", "b")]
    assert came_to[0] == came_to[1]
    assert [report[2] for report in came_to[0][1]] == [0, 3]  # type: ignore[index]


def test_what_the_store_refuses_of_a_run_is_put_aside(tmp_path: Path) -> None:
    parts = ingest_parts.make(tmp_path)
    write = parts.store.write

    def refuse(points: Any) -> None:
        bad = [p for p in points if p.seq == 2]
        write([p for p in points if p.seq != 2])
        if bad:
            raise PointsRejected(bad, "beyond retention")

    parts.store.write = refuse  # type: ignore[method-assign]
    arrays = [json.loads(message(seq).payload) for seq in (1, 2, 3)]
    report = parts.take(Message("klimanetz/v1/up/kn-1", json.dumps(arrays).encode(), NOW_MS), message(4))
    assert (report.stored, report.refused) == (3, 1)
    assert parts.ledger.delivery("kn-1")["gaps"] == [  # type: ignore[index]
        {"generation": 0, "first": 2, "last": 2, "count": 1, "stage": "upstream"}
    ]
    assert sorted(parts.store.identities("kn-1")) == [(0, 1), (0, 3), (0, 4)]


def test_a_run_crosses_a_move(tmp_path: Path) -> None:
    parts = ingest_parts.make(tmp_path)
    moved = utc_text_ms(BEGAN_MS + 900_000 * 3)
    imports.import_deployments(
        parts.registry, f"station,device,from,to\nmarktplatz,kn-1,2026-01-01,{moved}\nneustadt,kn-1,{moved},\n".encode()
    )
    parts.take(*[message(seq) for seq in range(6)])
    assert [len(parts.values(s, "air_temperature")) for s in ("marktplatz", "neustadt")] == [3, 3]


def test_different_devices_do_not_wait_for_one_another(tmp_path: Path) -> None:
    parts = ingest_parts.make(tmp_path)
    with ThreadPoolExecutor(2) as pool, parts.ledger.turn(["kn-1"]):
        other = pool.submit(lambda: parts.ledger.turn(["kn-2"]).__enter__())
        assert other.result(10) is None
        same = pool.submit(lambda: parts.ledger.turn(["kn-1"]).__enter__())
        with pytest.raises(TimeoutError):
            same.result(0.2)
