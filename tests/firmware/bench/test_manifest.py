"""A trip without a network, and its merge: nothing is lost, nothing is done twice, and both sides of a conflict told."""

import json
import os
import stat
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest

from firmware.bench.identity import manifest as manifests
from firmware.bench.identity.exporting import export
from firmware.bench.identity.manifest import BadManifest, Manifest
from firmware.bench.identity.merge import Merged, merge
from firmware.bench.identity.places import Place
from firmware.bench.identity.registry import Offline
from firmware.bench.identity.trip import Trip
from firmware.bench.trouble import BenchError, WrongUse
from tests.cloud.ingest_parts import message, reading
from tests.firmware.bench.served import NOW, OTAA, Served, answering

T1, T2, T3 = "2026-11-23T08:00:00Z", "2026-11-23T09:00:00Z", "2026-11-23T10:00:00Z"
OTHER = {**OTAA, "dev_eui": "70b3d57ed0009999"}


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    served = Served(tmp_path)
    served.online().put_device({"device": "kn-7", **OTAA, "station": "marktplatz"})
    yield served
    served.parts.store.close()


@pytest.fixture
def trip(served: Served, tmp_path: Path) -> Trip:
    path = tmp_path / "trip.json"
    manifests.write(export(served.online(), NOW), path)
    minutes = count()
    return Trip(path, "AB", lambda: f"2026-11-23T08:{next(minutes):02}:00Z")


def settle(served: Served, trip: Trip, side: Any = None, key: str = "a") -> Merged:
    """As the command does it: from the file, and to it."""
    manifest = manifests.read(trip.path)
    return merge(manifest, served.online(key), lambda: manifests.write(manifest, trip.path), side)


def words(merged: Merged) -> tuple[list[str], int, int, int]:
    written = [f"{done.what} {change}" for done, change in merged.written]
    return written, len(merged.there), len(merged.left), len(merged.conflicts)


def test_what_is_in_it(served: Served, trip: Trip) -> None:
    assert stat.S_IMODE(os.stat(trip.path).st_mode) == 0o600
    said = json.loads(trip.path.read_text())
    assert (said["format"], said["url"], said["exported"]) == ("klimanetz-trip-1", "http://testserver", NOW)
    assert said["revision"].startswith('"r')
    assert {row["device"] for row in said["devices"]} == {"kn-1", "kn-2", "kn-7"}
    assert said["heard"] == {"kn-1": False, "kn-2": False, "kn-7": False}
    served.parts.take(message(reading("kn-2", generation=1, seq=1), device="kn-2"))
    some = export(served.online(), NOW, ["kn-2"])
    assert ([row["device"] for row in some.devices], some.heard) == (["kn-2"], {"kn-2": True})
    with pytest.raises(WrongUse, match="kn-99"):
        export(served.online(), NOW, ["kn-2", "kn-99"])


def test_a_trip_goes_into_the_registry_once(served: Served, trip: Trip) -> None:
    assert trip.put_device({"device": "kn-8", **OTHER}) == "added"
    assert trip.put_device({"device": "kn-8", **OTHER}) == "unchanged"
    trip.deploy(Place("neustadt", "kn-8", T1, 3.0, "mast"))
    trip.withdraw("kn-7", T1)
    trip.tell("provisioned", "kn-8", {"mac": "24:58:7c:00:00:01"})
    assert trip.standing_at("neustadt", T2) == ["kn-2", "kn-8"]
    assert trip.standing_at("marktplatz", T2) == ["kn-1"]
    assert trip.device("kn-8") == {"device": "kn-8", **OTHER}
    assert trip.station("neustadt")
    again = Trip(trip.path, "CD", lambda: T3)  # another run of the program
    assert again.standing_at("neustadt", T2) == ["kn-2", "kn-8"]
    again.deploy(Place("marktplatz", "kn-8", T2))

    merged = settle(served, trip)
    assert words(merged) == (["device added", "deploy added", "withdraw changed", "deploy added"], 0, 0, 0)
    online = served.online()
    assert [(s["station"], s["from"], s["to"]) for s in online.stays("kn-8")] == [
        ("neustadt", T1, T2),
        ("marktplatz", T2, None),
    ]
    assert online.stays("kn-8")[0]["note"] == "mast"
    assert [(s["station"], s["to"]) for s in online.stays("kn-7")] == [("marktplatz", T1)]
    tag = online.tag
    assert words(settle(served, trip)) == ([], 0, 0, 0)
    assert served.online().stays("kn-1") and online.tag == tag
    done = manifests.read(trip.path).done
    assert [(one.what, one.technician, one.settled) for one in done] == [
        ("device", "AB", "merged"),
        ("deploy", "AB", "merged"),
        ("withdraw", "AB", "merged"),
        ("provisioned", "AB", ""),
        ("deploy", "CD", "merged"),
    ]


def test_a_merge_that_was_cut_off_does_the_rest(served: Served, trip: Trip) -> None:
    trip.put_device({"device": "kn-8", **OTHER})
    trip.deploy(Place("neustadt", "kn-8", T1))
    manifest = manifests.read(trip.path)
    online, real = served.online(), served.client
    calls = count()

    class Cut(httpx.BaseTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            if next(calls) > 2:
                raise httpx.ConnectError("cable")
            answer = real.request(request.method, request.url, content=request.read(), headers=dict(request.headers))
            return httpx.Response(
                answer.status_code,
                content=answer.content,
                headers={name: value for name, value in answer.headers.items() if name in ("content-type", "etag")},
            )

    online._client = httpx.Client(transport=Cut())
    with pytest.raises(Offline):
        merge(manifest, online, lambda: manifests.write(manifest, trip.path))
    assert [one.settled for one in manifests.read(trip.path).done] == ["merged", ""]
    assert words(settle(served, trip)) == (["deploy added"], 0, 0, 0)
    assert words(settle(served, trip)) == ([], 0, 0, 0)


def test_what_was_written_and_not_marked_is_there_already(served: Served, trip: Trip) -> None:
    trip.put_device({"device": "kn-8", **OTHER})
    trip.deploy(Place("neustadt", "kn-8", T1))
    trip.withdraw("kn-7", T2)
    manifest = manifests.read(trip.path)
    merge(manifest, served.online(), lambda: None)  # the laptop died before it wrote the marks
    assert words(settle(served, trip)) == ([], 3, 0, 0)


def test_both_changed_the_same_device(served: Served, trip: Trip) -> None:
    trip.put_device({"device": "kn-7", "app_key": "11" * 16, "codec": "senml"})
    trip.deploy(Place("neustadt", "kn-1", T1))
    served.online().put_device({"device": "kn-7", "app_key": "22" * 16})
    merged = settle(served, trip)
    assert words(merged) == (["deploy added"], 0, 0, 1)
    (conflict,) = merged.conflicts
    assert conflict.reason == "somebody else changed app_key of kn-7"
    assert (conflict.mine["app_key"], conflict.theirs) == ("…1111", {"app_key": "…2222"})
    assert conflict.base and conflict.base["app_key"] == "…0f0f"
    assert words(settle(served, trip)) == ([], 0, 0, 1)  # it stays until somebody says
    left = settle(served, trip, "theirs")
    assert words(left) == ([], 0, 1, 0)
    assert words(settle(served, trip, "mine")) == ([], 0, 0, 0)
    found = served.online().device("kn-7")
    assert found and (found["app_key"], found["codec"]) == ("22" * 16, "klimanetz")


def test_mine_stands(served: Served, trip: Trip) -> None:
    trip.put_device({"device": "kn-7", "app_key": "11" * 16})
    trip.deploy(Place("neustadt", "kn-7", T1))
    online = served.online()
    online.put_device({"device": "kn-7", "app_key": "22" * 16, "codec": "senml"})
    online.deploy(Place("neustadt", "kn-7", T2))
    merged = settle(served, trip)
    assert words(merged) == ([], 0, 0, 2)
    assert merged.conflicts[1].reason == "kn-7 stands elsewhere in the registry by now"
    assert merged.conflicts[1].theirs and merged.conflicts[1].theirs["from"] == T2
    assert words(settle(served, trip, "mine")) == (["device changed", "deploy added"], 0, 0, 0)
    found = online.device("kn-7")
    assert found and (found["app_key"], found["codec"]) == ("11" * 16, "senml")  # what I left alone is theirs
    assert [(s["station"], s["from"], s["to"]) for s in online.stays("kn-7")] == [
        ("marktplatz", None, T1),
        ("neustadt", T1, T2),
        ("neustadt", T2, None),
    ]


def test_both_changed_different_columns(served: Served, trip: Trip) -> None:
    trip.put_device({"device": "kn-7", **OTAA, "app_key": "11" * 16})
    served.online().put_device({"device": "kn-7", "codec": "senml"})
    assert words(settle(served, trip)) == (["device changed"], 0, 0, 0)
    found = served.online().device("kn-7")
    assert found and (found["app_key"], found["codec"]) == ("11" * 16, "senml")


def test_a_double_eui_is_named_with_both_sides(served: Served, trip: Trip) -> None:
    trip.put_device({"device": "kn-8", **OTHER})
    trip.deploy(Place("neustadt", "kn-8", T1))
    trip.deploy(Place("neustadt", "kn-1", T1))
    served.online().put_device({"device": "kn-9", **OTHER, "app_key": "22" * 16})
    merged = settle(served, trip)
    assert words(merged) == (["deploy added"], 0, 0, 2)  # the rest goes on
    conflict, follows = merged.conflicts
    assert "already belongs to device 'kn-9'" in conflict.reason
    assert conflict.theirs and (conflict.mine["device"], conflict.theirs["device"]) == ("kn-8", "kn-9")
    assert OTHER["app_key"] not in str(merged.conflicts)
    assert "'kn-8' is not registered" in follows.reason


def test_a_smaller_key_merges_what_it_may(served: Served, trip: Trip) -> None:
    trip.put_device({"device": "kn-8", **OTHER})
    trip.put_device({"device": "kn-7", "app_key": "11" * 16})
    assert words(settle(served, trip, key="w")) == (["device added", "device changed"], 0, 0, 0)


def test_a_station_that_is_not_in_it(trip: Trip) -> None:
    before = trip.path.read_bytes()
    with pytest.raises(WrongUse, match="station 'zoo' is not in"):
        trip.deploy(Place("zoo", "kn-7", T1))
    with pytest.raises(WrongUse, match="DevEUI 70b3d57ed0001234 already belongs to device 'kn-7'"):
        trip.put_device({"device": "kn-8", **OTAA})
    assert trip.path.read_bytes() == before


WRONG: list[tuple[Any, list[str]]] = [
    ({"devices": [{"device": "a", **OTAA}, {"device": "b", **OTAA}]}, ["DevEUI 70b3d57ed0001234 belongs to a and to b"]),
    ({"devices": [{"device": "a", **OTAA, "app_key": "0f"}]}, ["device a has a wrong app_key"]),
    ({"devices": [{"device": "a", "activation": "mqtt"}] * 2}, ["device a is in it twice"]),
    ({"stations": [{"station": "zoo", "name": "Zoo", "latitude": 95.0, "longitude": 11.9, "private": ""}]},
     ["station zoo has a wrong latitude"]),
    ({"deployments": [{"station": "zoo", "device": "a", "from": None}]},
     ["a deployment of a at zoo, one of which is not in it"]),
    ({"devices": [{"device": "a", "activation": "magic"}, {"device": "b b", "activation": "mqtt"}]},
     ["device a has a wrong activation", "device b b has a wrong device"]),
]  # fmt: skip


@pytest.mark.parametrize(("parts", "faults"), WRONG)
def test_all_that_is_wrong_is_named(tmp_path: Path, parts: Any, faults: list[str]) -> None:
    path = tmp_path / "trip.json"
    manifests.write(Manifest(NOW, **parts), path)
    with pytest.raises(BadManifest) as refused:
        manifests.read(path)
    assert refused.value.faults == faults


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "{}", '{"format": "klimanetz-backup-1"}', '{"format": "klimanetz-trip-1", "x": 1}', "\udcff"],
)
def test_what_is_no_manifest(tmp_path: Path, text: str) -> None:
    path = tmp_path / "trip.json"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(WrongUse, match=r"trip\.json is not the manifest of a trip"):
        manifests.read(path)
    with pytest.raises(WrongUse, match="cannot be read"):
        manifests.read(tmp_path / "none.json")


def test_a_full_disk_loses_nothing(trip: Trip, monkeypatch: pytest.MonkeyPatch) -> None:
    trip.deploy(Place("neustadt", "kn-7", T1))
    before = trip.path.read_bytes()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(BenchError, match="cannot be written: No space left on device"):
        trip.withdraw("kn-7", T2)
    assert trip.path.read_bytes() == before
    assert trip.standing_at("neustadt", T3) == ["kn-2", "kn-7"]


def test_no_network_leaves_no_file_behind(tmp_path: Path) -> None:
    def nobody(_: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("no route")

    with pytest.raises(Offline):
        export(answering(nobody), NOW)
