"""What the gateway says of itself goes out as JSON, whatever it has counted."""

import json
import logging
from collections import Counter
from dataclasses import fields

import orjson
import pytest

from gateway.counters import LINE_MAX, Faults, GatewayCounters, note_read
from gateway.decode import Read
from gateway.lorawan.network import Outcome
from gateway.networks.mapping import Unmapped


def test_every_counter_becomes_json() -> None:
    counters = GatewayCounters()
    for field in fields(counters):
        value = getattr(counters, field.name)
        if isinstance(value, Counter):
            value.update(list(Outcome))
        else:
            setattr(counters, field.name, 7)
    said = json.loads(orjson.dumps(counters.as_dict()))
    assert said["outcomes"] == {outcome.value: 1 for outcome in Outcome}
    assert said["frames"] == 7


def test_what_others_call_their_values_cannot_write_log_lines(caplog: pytest.LogCaptureFixture) -> None:
    faults = Faults(logging.getLogger(__name__), lambda: 0)
    names = ("x\n2026 ERROR all is lost", "\x1b[2Jµ", "y" * 9000)
    note_read("kn-1", Read(unmapped=tuple(Unmapped(n, 1, "\r") for n in names)), GatewayCounters(), faults)
    lines = [r.getMessage() for r in caplog.records]
    assert [line.isprintable() for line in lines] == [True] * 3
    assert lines[0].startswith(r"kn-1 sends x\n2026 ERROR")
    assert r"sends \x1b[2Jµ = 1" in lines[1]
    assert len(lines[2]) == LINE_MAX
