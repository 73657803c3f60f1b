from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gateway.codecs.codec import Decoded
from schemas.models import Link, TimeSource
from schemas.readings import RECEPTION_S, to_readings
from schemas.wire import TIME_SOURCES, WireReading, decode, encode

RECEIVED = datetime(2026, 11, 22, 10, 15, 7, tzinfo=UTC)
LINK = Link(via="lorawan", gateway="a84041ffff1ec1f5", sf=9, fcnt=120)


def wire(**some: Any) -> WireReading:
    fields: dict[str, Any] = {
        "generation": 1, "seq": 4711, "time_s": None, "age_s": None, "time_source": "none", "uncertainty_s": None,
        "values": {"air_temperature": 3.42}, "status": 0,
    }  # fmt: skip
    return WireReading(**(fields | some))


def test_a_frame_as_a_message() -> None:
    time_s = int(RECEIVED.timestamp()) - 7
    payload, _ = encode(
        [
            wire(time_s=time_s, time_source="ntp", uncertainty_s=0.5, status=("reboot",)),
            wire(seq=4710, time_s=time_s - 900, time_source="ntp", uncertainty_s=0.5),
        ]
    )
    newest, before = to_readings("kn-0007", decode(payload).readings, RECEIVED, LINK)
    assert newest.model_dump(mode="json", exclude_none=True) == {
        "device": "kn-0007", "generation": 1, "seq": 4711, "index": 0, "time": "2026-11-22T10:15:00Z",
        "time_source": "ntp", "time_uncertainty_s": 0.5, "values": {"air_temperature": 3.42}, "status": ["reboot"],
        "link": {"via": "lorawan", "gateway": "a84041ffff1ec1f5", "sf": 9, "fcnt": 120},
    }  # fmt: skip
    assert (before.seq, before.index, before.status) == (4710, 0, [])
    assert before.time == RECEIVED - timedelta(seconds=907)


def test_an_age_is_counted_back_from_the_reception() -> None:
    (reading,) = to_readings("kn-0007", [wire(age_s=100)], RECEIVED, LINK)
    assert reading.time == RECEIVED - timedelta(seconds=100)
    assert reading.time_source is TimeSource.RECEIVER
    assert reading.time_uncertainty_s == pytest.approx(RECEPTION_S + 1)
    (told,) = to_readings("kn-0007", [wire(age_s=100, uncertainty_s=5)], RECEIVED, LINK)
    assert told.time_uncertainty_s == RECEPTION_S + 5


def test_without_any_time_it_is_the_receivers() -> None:
    (reading,) = to_readings("kn-0007", [wire()], RECEIVED, LINK)
    assert (reading.time, reading.time_source, reading.time_uncertainty_s) == (RECEIVED, TimeSource.RECEIVER, None)


@pytest.mark.parametrize("source", TIME_SOURCES)
def test_every_time_source_of_the_wire_is_one_of_the_message(source: str) -> None:
    (reading,) = to_readings("kn-0007", [wire(time_s=1795342500, time_source=source)], RECEIVED)
    assert reading.time_source == ("device" if source == "none" else source)
    assert reading.link is None


def test_what_has_no_seq_is_told_apart_by_its_place_in_the_frame() -> None:
    decoded = [
        Decoded(values={"co2": 1.0}, time_s=1795342500.25, time_source="device"),
        Decoded(values={}, unmapped={"door": True}),
        Decoded(values={"co2": 2.0}),
    ]
    readings = to_readings("kn-0007", decoded, RECEIVED, LINK)
    assert [(r.index, r.generation, r.seq, r.status) for r in readings] == [
        (0, None, None, None),
        (2, None, None, None),
    ]
    assert readings[0].time == datetime(2026, 11, 22, 10, 15, 0, 250000, tzinfo=UTC)


def test_the_oldest_that_a_frame_can_say_is_still_a_time() -> None:
    (reading,) = to_readings("kn-0007", [wire(age_s=2**31 - 1)], RECEIVED, LINK)
    assert reading.time is not None
    assert reading.time.year == 1958


def test_a_device_without_a_name_is_refused() -> None:
    with pytest.raises(ValueError, match="1 to 64"):
        to_readings("", [wire()], RECEIVED, LINK)
