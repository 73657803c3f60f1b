"""What the gateway says of itself goes out as JSON, whatever it has counted."""

import json
from collections import Counter
from dataclasses import fields

import orjson

from gateway.counters import GatewayCounters
from gateway.network import Outcome


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
