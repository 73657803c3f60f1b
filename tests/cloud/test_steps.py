"""Rate of change at the door: spikes are doubted, returns are not, and nobody forgets over a restart."""

import re
from pathlib import Path
from unittest.mock import Mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.ingest.pipeline import Pipeline
from cloud.judge import COARSE, FAILED_STEP, is_step
from cloud.store.model import StoreUnavailable
from schemas.models import utc_text_ms
from schemas.quantities import QUANTITIES
from tests.cloud import ingest_parts
from tests.cloud.ingest_parts import NOW_MS, Parts, message
from tests.conftest import ROOT

MINUTE = 60_000


def send(parts: Parts, *temperatures: float, first: int = 1, minutes: int = 15, **more: object) -> None:
    """Readings one after the other, each at its minute, in one batch."""
    at = NOW_MS - 500 * MINUTE
    parts.take(*[
        message({"device": "kn-1", "seq": seq, "time": utc_text_ms(at + seq * minutes * MINUTE), "time_source": "ntp",
                 "values": {"air_temperature": t, "battery": 3.9}, **more})
        for seq, t in enumerate(temperatures, first)
    ])  # fmt: skip


def letters(parts: Parts) -> list[str]:
    return [quality for _, _, quality in parts.values("marktplatz", "air_temperature")]


def test_a_spike_is_doubted_and_the_return_is_not(tmp_path: Path) -> None:
    parts = ingest_parts.make(tmp_path)
    send(parts, 10.0, 11.0, 35.0, 11.5, 12.0)
    assert letters(parts) == [COARSE, COARSE, FAILED_STEP, COARSE, COARSE]
    assert [q for _, _, q in parts.values("marktplatz", "battery")] == [COARSE] * 5


@pytest.mark.parametrize("restarted", [False, True])
def test_the_reading_before_may_be_of_another_batch_and_before_a_restart(tmp_path: Path, restarted: bool) -> None:
    parts = ingest_parts.make(tmp_path)
    send(parts, 10.0)
    if restarted:
        parts.pipeline = Pipeline(parts.store, parts.ledger, parts.registry, parts.raw.id)
    send(parts, 35.0, 11.0, first=2)
    assert letters(parts) == [COARSE, FAILED_STEP, COARSE]


def test_what_another_replica_stored_meanwhile_is_the_reading_before(tmp_path: Path) -> None:
    parts = ingest_parts.make(tmp_path)
    send(parts, 10.0)
    ours, parts.pipeline = parts.pipeline, Pipeline(parts.store, parts.ledger, parts.registry, "another", divided=True)
    send(parts, 20.0, first=2)
    parts.pipeline = ours
    send(parts, 33.0, first=3)
    assert letters(parts) == [COARSE, COARSE, COARSE], "13 K from 20 °C in a quarter of an hour, not 23 from 10 °C"


def test_a_level_that_stays_is_accepted_after_an_hour(tmp_path: Path) -> None:
    parts = ingest_parts.make(tmp_path)
    send(parts, 10.0, 35.0, 35.0, 35.0, 35.0, 35.0, 35.0)
    assert letters(parts) == [COARSE, *[FAILED_STEP] * 4, COARSE, COARSE]


def test_out_of_range_is_failed_and_no_measure_for_the_next(tmp_path: Path) -> None:
    parts = ingest_parts.make(tmp_path)
    send(parts, 10.0, 999.0, 11.0)
    assert letters(parts) == [COARSE, "X range", COARSE]


def test_late_readings_are_compared_among_themselves(tmp_path: Path) -> None:
    parts = ingest_parts.make(tmp_path)
    send(parts, 10.0, first=20)
    send(parts, -30.0, -29.0, 15.0, first=1)
    assert letters(parts) == [COARSE, COARSE, FAILED_STEP, COARSE]


def test_what_a_run_is_worth_its_readings_are_worth_one_by_one(tmp_path: Path) -> None:
    one, other = ingest_parts.make(tmp_path / "a"), ingest_parts.make(tmp_path / "b")
    temperatures = [10.0, 10.5, 40.0, 40.0, 11.0, 11.0, -20.0, 12.0]
    send(one, *temperatures)
    for seq, t in enumerate(temperatures, 1):
        send(other, t, first=seq)
    assert letters(one) == letters(other)


@given(st.sampled_from(QUANTITIES), st.integers(0, 2 * 3_600_000), st.floats(-1e6, 1e6))
def test_more_time_allows_no_less(quantity: object, between_ms: int, difference: float) -> None:
    name = quantity.name  # type: ignore[attr-defined]
    if not is_step(name, between_ms, difference):
        assert not is_step(name, between_ms + 60_000, difference)
    assert is_step(name, between_ms, difference) == is_step(name, between_ms, -difference)


def test_the_docs_have_the_limits_of_the_table() -> None:
    rows = re.findall(r"^\| `(\w+)` \| ([\d.]+) (\S+) \| ([\d.]+) \S+ \|$", (ROOT / "docs/api.md").read_text(), re.M)
    told = {name: (float(minute), unit, float(hour)) for name, minute, unit, hour in rows}
    assert told == {q.name: (q.step_minute, q.unit, q.step_hour) for q in QUANTITIES if q.step_minute}


def test_the_first_readings_of_a_device_are_not_compared_with_an_attempt_that_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = ingest_parts.make(tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(parts.store, "write", Mock(side_effect=StoreUnavailable("away")))
        with pytest.raises(StoreUnavailable):
            send(parts, 5.0, 12.0, 19.0, 26.0)
    batch = parts.raw.after(0)
    assert batch is not None
    parts.pipeline.apply(batch)
    assert letters(parts) == [COARSE] * 4


@pytest.mark.parametrize("restarted", [False, True])
def test_what_an_attempt_that_died_had_written_is_not_the_reading_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, restarted: bool
) -> None:
    parts = ingest_parts.make(tmp_path)
    send(parts, 5.0)
    with monkeypatch.context() as patched:
        patched.setattr(parts.ledger, "apply", Mock(side_effect=StoreUnavailable("killed")))
        with pytest.raises(StoreUnavailable):
            send(parts, 12.0, 19.0, 26.0, first=2)
    if restarted:
        parts.pipeline = Pipeline(parts.store, parts.ledger, parts.registry, parts.raw.id)
    batch = parts.raw.after(1)
    assert batch is not None
    parts.pipeline.apply(batch)
    assert letters(parts) == [COARSE] * 4


def test_what_is_remembered_has_bounds_whatever_devices_name_their_channels(tmp_path: Path) -> None:
    parts = ingest_parts.make(tmp_path)
    for n in range(60):
        values = {f"air_temperature@{n}-{k}": 10.0 for k in range(64)}
        parts.take(*[
            message({"device": "kn-1", "seq": 100 * n + k, "time": utc_text_ms(NOW_MS - 10**8 + 100_000 * n + 1000 * k),
                     "values": {channel: value}})
            for k, (channel, value) in enumerate(values.items())
        ])  # fmt: skip
    steps = parts.pipeline._steps
    assert len(steps._last["kn-1"].values) <= 256
    assert len(steps._limits) <= 2560
    assert ("air_temperature@59-63", (NOW_MS - 10**8 + 59 * 100_000 + 63_000, 10.0)) in steps._last[
        "kn-1"
    ].values.items()
