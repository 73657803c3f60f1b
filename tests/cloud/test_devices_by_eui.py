"""A device that sends before anybody registered it, under its DevEUI, and is registered under a name of its own."""

import json
from pathlib import Path

import pytest

from cloud.ingest.message import Message
from cloud.ingest.replay import replay_waiting, replay_wanted
from cloud.ledger.dead_letters import DeadLetters
from cloud.registry import imports
from tests.cloud.ingest_parts import NOW_MS, Parts, make, message, reading

EUI = "eui-a8404187d187106e"
STATIONS = b"station,name,latitude,longitude\ncs,ChirpStack,51.5,11.9\n"
DEVICES = b"device,station,activation,dev_eui,codec\nlse01,cs,otaa,A8404187D187106E,dragino/lse01\n"
HOMELESS = b"device,activation,dev_eui,codec\nlse01,otaa,A8404187D187106E,dragino/lse01\n"


@pytest.fixture
def parts(tmp_path: Path) -> Parts:
    parts = make(tmp_path)
    imports.import_stations(parts.registry, STATIONS)
    return parts


def uplink(seq: int, device: str = EUI) -> Message:
    time = f"2026-11-22T10:{seq:02}:00Z"
    return message(reading(device, generation=0x260B, seq=seq, time=time, time_source="network"), device=device)


def follow(parts: Parts, cursor: int) -> None:
    while batch := parts.raw.after(cursor):
        parts.pipeline.apply(batch)
        cursor = batch.id


def box(parts: Parts) -> DeadLetters:
    return DeadLetters(parts.ledger.engine)


def devices_in_store(parts: Parts) -> list[tuple[str, str]]:
    return sorted({(latest.station, latest.device) for latest in parts.store.latest()})


def test_what_waits_is_stored_under_the_registered_name(parts: Parts) -> None:
    report = parts.take(uplink(1), uplink(2))
    assert list(report.acks[EUI][0x260B]) == [(1, 2)]
    assert [row["device"] for row in box(parts).unknown()] == [EUI]
    imports.import_devices(parts.registry, DEVICES)
    assert box(parts).unknown() == [], "somebody has registered it"
    assert replay_waiting(box(parts), parts.raw, parts.registry, NOW_MS) == 2
    follow(parts, 1)
    assert box(parts).newest(10) == []
    assert len(parts.values("cs", "air_temperature")) == 2
    assert devices_in_store(parts) == [("cs", "lse01")]


def test_both_names_are_one_identity(parts: Parts) -> None:
    """The gateway's copy of the registry may be older than ours, and what it spools it publishes again."""
    imports.import_devices(parts.registry, DEVICES)
    first = parts.take(uplink(1))
    assert list(first.acks[EUI][0x260B]) == [(1, 1)], "the gateway holds it under this name"
    second = parts.take(uplink(1, "lse01"), uplink(2, "lse01"))
    assert (second.stored, second.duplicates) == (1, 1)
    row = parts.ledger.delivery("lse01")
    assert row is not None
    assert (row["received"], row["missing"]) == (2, 0)
    assert parts.ledger.delivery(EUI) is None


def test_topic_and_payload_may_use_either_name(parts: Parts) -> None:
    imports.import_devices(parts.registry, DEVICES)
    for n, (topic, body) in enumerate([(EUI, "lse01"), ("lse01", EUI)]):
        parts.take(Message(uplink(n, topic).topic, uplink(n, body).payload, NOW_MS))
    assert devices_in_store(parts) == [("cs", "lse01")]
    other = uplink(5, "eui-0000000000000000")
    parts.take(Message(uplink(5).topic, other.payload, NOW_MS))
    assert [letter["reason"] for letter in box(parts).newest(10)] == ["device-mismatch"]


def test_a_wanted_replay_works(parts: Parts) -> None:
    """Also of what was never whole: here a value that had no channel yet."""
    bad = json.dumps(reading(EUI, generation=1, seq=3, values={"foo": 1})).encode()
    parts.take(uplink(1), Message(f"klimanetz/v1/up/{EUI}", bad, NOW_MS))
    imports.import_devices(parts.registry, DEVICES)
    box(parts).want_replay(None)
    replay_wanted(box(parts), parts.raw, NOW_MS)
    follow(parts, 1)
    assert devices_in_store(parts) == [("cs", "lse01")]
    assert [(x["device"], x["reason"]) for x in box(parts).newest(10)] == [("lse01", "bad-value")]


def test_registered_and_nowhere_it_waits_for_a_deployment(parts: Parts) -> None:
    parts.take(uplink(1))
    imports.import_devices(parts.registry, HOMELESS)
    assert box(parts).unknown() == []
    assert replay_waiting(box(parts), parts.raw, parts.registry, NOW_MS) == 0
    report = parts.take(uplink(2))
    assert list(report.acks[EUI][0x260B]) == [(2, 2)]
    imports.import_deployments(parts.registry, b"station,device,from\ncs,lse01,2026-01-01\n")
    assert replay_waiting(box(parts), parts.raw, parts.registry, NOW_MS) == 2
    follow(parts, 2)
    assert len(parts.values("cs", "air_temperature")) == 2


def test_a_device_that_was_adopted_under_its_eui_keeps_that_name(parts: Parts) -> None:
    imports.import_devices(parts.registry, f"device,station,dev_eui\n{EUI},cs,{EUI[4:]}\n".encode())
    parts.take(uplink(1))
    assert devices_in_store(parts) == [("cs", EUI)]
