"""The registry from the bench: the real application answers; and what a bad network makes of it."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from firmware.bench.identity.places import Place, arriving, standing
from firmware.bench.identity.registry import ChangedMeanwhile, KeyRefused, Offline, Refused
from tests.cloud.ingest_parts import message, reading
from tests.firmware.bench.served import KEY, OTAA, Served, answering

T1, T2, T3 = "2026-11-23T08:00:00Z", "2026-11-23T09:00:00Z", "2026-11-23T10:00:00Z"


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    served = Served(tmp_path)
    yield served
    served.parts.store.close()


def test_a_device_is_registered_and_deployed(served: Served) -> None:
    online = served.online()
    assert online.device("kn-7") is None
    assert online.put_device({"device": "kn-7", **OTAA}) == "added"
    assert online.put_device({"device": "kn-7", **OTAA}) == "unchanged"
    found = online.device("kn-7")
    assert found is not None
    assert found["app_key"] == KEY
    assert online.stays("kn-7") == []
    assert len(online.deploy(Place("neustadt", "kn-7", T1, 3.5, "mast"))) == 1
    assert online.deploy(Place("neustadt", "kn-7", T2)) == []
    (stay,) = online.stays("kn-7")
    assert (stay["from"], stay["to"], stay["height_m"], stay["note"]) == (T1, None, 3.5, "mast")
    online.deploy(Place("neustadt", "kn-7", T2, 4.0))
    assert online.stays("kn-7")[0]["height_m"] == 4.0
    online.deploy(Place("marktplatz", "kn-7", T2))
    assert [(s["station"], s["from"], s["to"]) for s in online.stays("kn-7")] == [
        ("neustadt", T1, T2),
        ("marktplatz", T2, None),
    ]
    assert online.standing_at("marktplatz", T3) == ["kn-1", "kn-7"]
    online.withdraw("kn-7", T3)
    assert online.standing_at("marktplatz", T3) == ["kn-1"]
    assert online.withdraw("kn-7", T3) == []


def test_a_stay_whose_start_nobody_knows_ends(served: Served) -> None:
    online = served.online()
    online.deploy(Place("neustadt", "kn-1", T1))
    assert [(s["station"], s["from"], s["to"]) for s in online.stays("kn-1")] == [
        ("marktplatz", None, T1),
        ("neustadt", T1, None),
    ]


def test_what_is_planned_stays(served: Served) -> None:
    online = served.online()
    online.put_stay({"station": "neustadt", "device": "kn-1", "from": T3})
    online.deploy(Place("neustadt", "kn-1", T1))
    assert [(s["from"], s["to"]) for s in online.stays("kn-1")] == [(None, T1), (T1, T3), (T3, None)]


def test_a_smaller_key_sees_no_keys(served: Served) -> None:
    served.online().put_device({"device": "kn-7", **OTAA})
    found = served.online("w").device("kn-7")
    assert found is not None
    assert found["dev_eui"] == OTAA["dev_eui"]
    assert "app_key" not in found
    with pytest.raises(KeyRefused, match="scope 'write', and this one is of 'read'"):
        served.online("r").put_device({"device": "kn-7", "codec": "senml"})
    with pytest.raises(KeyRefused, match="This needs a key"):
        served.online("nobody's").stays("kn-1")


def test_the_registrys_words_come_in_the_terminals_language(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    online = served.online()
    online.put_device({"device": "kn-7", **OTAA})
    with pytest.raises(Refused, match=r"gehört schon zum Gerät 'kn-7'"):
        online.put_device({"device": "kn-8", **OTAA})


def test_somebody_was_quicker(served: Served) -> None:
    online = served.online()
    online.device("kn-1")
    tag = online.tag
    served.online().put_device({"device": "kn-1", "codec": "senml"})
    with pytest.raises(ChangedMeanwhile):
        online.put_device({"device": "kn-1", "codec": "cayenne-lpp"}, tag)


def test_who_was_ever_heard(served: Served) -> None:
    online = served.online()
    served.parts.take(message(reading("kn-2", generation=1, seq=1), device="kn-2"))
    assert (online.heard("kn-1"), online.heard("kn-2"), online.heard("kn-99")) == (False, True, False)


def test_a_station(served: Served) -> None:
    online = served.online()
    assert online.station("nowhere") is None
    found = online.station("neustadt")
    assert found is not None
    assert (found["name"], found["latitude"], found["longitude"]) == ("Neustadt", 51.48, 11.92)


def test_no_network_is_an_answer() -> None:
    asked: list[str] = []
    waited: list[float] = []

    def nobody(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        raise httpx.ConnectTimeout("timed out")

    with pytest.raises(Offline, match=r"cannot be reached \(timed out\); go on with --manifest"):
        answering(nobody, waited.append).stays("kn-1")
    assert (len(asked), waited) == (3, [1.0, 2.0])


def test_a_passing_fault_is_tried_again() -> None:
    answers = iter([httpx.Response(503, text="busy"), httpx.Response(200, json={"deployments": []})])
    assert answering(lambda _: next(answers)).stays("kn-1") == []


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(200, html="<h1>Welcome to the hotel</h1>"),
        httpx.Response(302, headers={"location": "http://portal.example"}),
        httpx.Response(404, text="nginx"),
        httpx.Response(403, text="no"),
    ],
)
def test_a_portal_of_the_wifi_is_not_the_registry(answer: httpx.Response) -> None:
    with pytest.raises(Offline, match="sign-in page"):
        answering(lambda _: answer).put_device({"device": "kn-1"})


def test_a_stay_is_compared_by_time_not_by_text() -> None:
    stays = [{"station": "a", "device": "x", "from": "2026-11-23T08:00:00.500Z", "to": None}]
    assert standing(stays, "2026-11-23T08:00:00Z") is None
    assert standing(stays, "2026-11-23T08:00:01Z") == stays[0]
    rows = arriving(stays, Place("b", "x", "2026-11-23T08:00:00Z"))
    assert rows == [{"station": "b", "device": "x", "from": "2026-11-23T08:00:00Z", "to": "2026-11-23T08:00:00.500Z"}]
