"""Simulated stations on a real socket: they join together, are answered as radio allows, and lose nothing on disk."""

import asyncio
import base64
import json
import os
import time
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from edge.lorawan import eu868, frames
from gateway.lorawan.aes import aes
from simulators import air as air_module
from simulators.air import STATIONS_A_GATEWAY, Air
from simulators.fleet import JOINS_AT_ONCE, Fleet, FleetFileError
from tests.simulators.network import PAUSE_S, Network, network

STATIONS = 64  # three quarters of them on LoRaWAN
NOW_S = 1_795_344_300


class Broker:
    """Takes what Wi-Fi stations publish."""

    def __init__(self) -> None:
        self.messages: list[str] = []

    async def publish(self, topic: str, payload: str, qos: int) -> None:
        self.messages.append(topic)


def keys(fleet: Fleet) -> dict[str, str]:
    return {one.dev_eui: one.app_key for one in fleet.identities if one.dev_eui and one.app_key}


def radios(fleet: Fleet) -> list[Any]:
    return [station for station in fleet.stations if station.lorawan is not None]


async def joined(fleet: Fleet, answers: Any = lambda _: True, history: int = 0) -> Network:
    async with network(keys(fleet), answers) as (one, address):
        air = Air(fleet.stations)
        await air.open(address)
        await fleet.join(air)
        if history:
            await fleet.history([NOW_S + 900 * n for n in range(history)], air, Broker())  # type: ignore[arg-type]
        return one


def test_stations_join_together_and_each_gets_its_own_answer(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path / "fleet.json", STATIONS, aes)
    began = time.monotonic()
    one = asyncio.run(joined(fleet))
    took_s = time.monotonic() - began
    assert took_s < len(radios(fleet)) * PAUSE_S / 4
    assert 1 < one.most_waiting <= JOINS_AT_ONCE
    for station in radios(fleet):
        ours, theirs = station.lorawan.session, one.sessions[station.dev_eui]
        assert (ours.dev_addr, ours.nwk_skey, ours.app_skey) == (theirs.dev_addr, theirs.nwk_skey, theirs.app_skey)
    again = Fleet(tmp_path / "fleet.json", STATIONS, aes)
    assert [s.to_dict() for s in again.stations] == [s.to_dict() for s in fleet.stations]


def test_an_answer_to_an_earlier_request_is_not_heard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would open with the same key and give other session keys than the network's."""
    monkeypatch.setattr(air_module, "RX_WAIT_S", 0.3)
    fleet = Fleet(tmp_path / "fleet.json", 1, aes)
    one = asyncio.run(joined(fleet, lambda n: n > 1))
    (station,) = radios(fleet)
    assert one.requests == 2
    assert station.lorawan.session.app_skey == one.sessions[station.dev_eui].app_skey


def test_nobody_lets_them_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(air_module, "RX_WAIT_S", 0.01)
    fleet = Fleet(tmp_path / "fleet.json", 2, aes)
    with pytest.raises(TimeoutError, match="kn-0001, kn-0002"):
        asyncio.run(joined(fleet, lambda _: False))


def test_a_gateway_can_give_every_answer_it_is_asked_for(tmp_path: Path) -> None:
    """One transmission at a time, both windows of a frame at the slowest data rate included."""
    fleet = Fleet(tmp_path / "fleet.json", 12, aes)
    one = asyncio.run(joined(fleet, history=20))
    heard = Counter(gateway for gateway, _ in one.rxpk)
    assert len(heard) == len(radios(fleet)) / STATIONS_A_GATEWAY
    longest_us = 1_000_000 + eu868.airtime_us(frames.JOIN_ACCEPT_LENGTHS[1], 0, uplink=False)
    for gateway in heard:
        counters = [rxpk["tmst"] for eui, rxpk in one.rxpk if eui == gateway and "tmst" in rxpk]
        assert all((after - before) % 2**32 > longest_us for before, after in pairwise(counters))


def test_of_what_is_sent_at_once_only_the_last_can_be_answered(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path / "fleet.json", 3, aes)
    one = asyncio.run(joined(fleet, history=6))
    by_address: dict[int, list[bool]] = {}
    for _, rxpk in one.rxpk:
        frame = frames.parse(base64.b64decode(rxpk["data"]))
        if isinstance(frame, frames.DataFrame):
            by_address.setdefault(frame.dev_addr, []).append("tmst" in rxpk)
    assert list(by_address.values()) == [[False, True, False, False, False, True]] * 3  # two, then twice as many


def test_what_is_saved_is_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bytes before the name, the name before `save` returns."""
    path, new = tmp_path / "fleet.json", tmp_path / "fleet.new"
    synced: list[tuple[str, bool]] = []
    real = os.fsync

    def fsync(handle: int) -> None:
        inode = os.fstat(handle).st_ino
        if new.exists() and inode == new.stat().st_ino:
            assert json.loads(new.read_text())["seed"] == fleet.seed
            synced.append(("bytes", path.exists()))
        elif inode == tmp_path.stat().st_ino:
            synced.append(("folder", path.exists()))
        real(handle)

    fleet = Fleet(path, 4, aes)
    monkeypatch.setattr(os, "fsync", fsync)
    fleet.save()
    assert synced == [("bytes", False), ("folder", True)]


@pytest.mark.parametrize(
    "text",
    [
        "", "{", "[]", "null", '"x"', '{"seed": 1}', '{"seed": "1", "devices": {}}', '{"seed": 1, "devices": []}',
        '{"seed": 1, "devices": {"kn-0001": 5}}', '{"seed": 1, "devices": {"kn-0001": {"app_key": "zz"}}}',
        '{"seed": 1, "devices": {"kn-0001": {"state": {"radio": {"session": {"a": 1}}}}}}',
        '{"seed": 1, "devices": {}, "outbox": {"frames": ["4"]}}',
    ],
)  # fmt: skip
def test_a_broken_file_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "fleet.json"
    path.write_text(text)
    with pytest.raises(FleetFileError, match=r"fleet\.json is not what a fleet has stored"):
        Fleet(path, 4, aes)
