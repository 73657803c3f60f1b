"""Exports for The Things Stack and ChirpStack, held against what these publish of their forms."""

import csv
import io
import json
import re
from typing import Any

import pytest

from firmware.bench.identity import exports_chirpstack as chirpstack
from firmware.bench.identity import exports_things_stack as stack
from firmware.bench.identity.exports import CannotExport, Leaving, leaving
from firmware.bench.trouble import WrongUse
from schemas.models import Activation, Device
from tests.firmware.bench import published

APPLICATION, PROFILE, TENANT = ("52f14cd4-c6f1-4fbd-8f87-4025e1d4924%d" % n for n in range(3))
JOINS = Device(device="kn-0007", activation=Activation.OTAA, dev_eui="70b3d57ed0001234", join_eui="00000000000000aa",
               app_key="0f" * 16, nwk_skey="ee" * 16)  # fmt: skip
FIXED = Device(device="KN_0008", activation=Activation.ABP, dev_eui="70b3d57ed0001235", dev_addr="01a2b3c4",
               nwk_skey="11" * 16, app_skey="22" * 16, app_key="ee" * 16)  # fmt: skip
WIFI = Device(device="kn-9", activation=Activation.MQTT)


@pytest.fixture
def going() -> Leaving:
    return leaving([(JOINS, "marktplatz"), (FIXED, 'the "old"; mast'), (WIFI, None)])


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text), delimiter=";", strict=True))


@pytest.mark.parametrize("kind", ["otaa", "abp"])
def test_the_things_stacks_csv(going: Leaving, kind: str) -> None:
    text = stack.csv_text(getattr(going, kind), going)
    header = text.splitlines()[0]
    assert header.count(";") == len(header.split(";")) - 1 > 5
    assert "," not in header
    (row,) = rows(text)
    assert set(row) <= published.CSV_COLUMNS
    assert set(row) >= published.CSV_REQUIRED
    assert "" not in row.values()  # an empty cell is set there as any other
    assert bool(set(row) & published.CSV_SIGNS_OF_JOINING) == (kind == "otaa")
    assert re.fullmatch(published.DEVICE_ID, row["id"])
    assert row["lorawan_version"] in published.MAC_VERSIONS
    assert row["lorawan_phy_version"] in published.PHY_VERSIONS_OF_1_0_4
    assert row["frequency_plan_id"] in published.FREQUENCY_PLANS
    lengths = {"dev_eui": 16, "join_eui": 16, "app_key": 32, "dev_addr": 8, "app_s_key": 32, "f_nwk_s_int_key": 32}
    for column, length in lengths.items():
        if column in row:
            assert re.fullmatch("[0-9A-F]{%d}" % length, row[column]), column
    assert "EE" * 16 not in text  # a key that has no place there
    assert row.get("rx1_delay", "RX_DELAY_1") in published.RX_DELAYS


def test_what_stands_in_the_csv(going: Leaving) -> None:
    (joins,), (fixed,) = (rows(stack.csv_text(devices, going)) for devices in (going.otaa, going.abp))
    assert (joins["id"], joins["dev_eui"], joins["join_eui"], joins["app_key"]) == (
        "kn-0007", "70B3D57ED0001234", "00000000000000AA", "0F" * 16,
    )  # fmt: skip
    assert (fixed["id"], fixed["name"], fixed["join_eui"]) == ("kn-0008", "KN_0008", "0" * 16)
    assert (fixed["dev_addr"], fixed["app_s_key"], fixed["f_nwk_s_int_key"]) == ("01A2B3C4", "22" * 16, "11" * 16)
    assert fixed["description"] == 'klimanetz, the "old"; mast'


def test_the_things_stacks_json(going: Leaving) -> None:
    joins, fixed = (json.loads(line) for line in stack.json_lines(going, "EU_863_870_TTN").splitlines())
    for one in (joins, fixed):
        assert set(one) <= published.JSON_DEVICE
        assert one["frequency_plan_id"] in published.FREQUENCY_PLANS
        assert re.fullmatch(published.DEVICE_ID, one["ids"]["device_id"])
        assert "EE" * 16 not in json.dumps(one)
    assert (joins["supports_join"], joins["root_keys"]["app_key"]["key"]) == (True, "0F" * 16)
    assert "session" not in joins
    assert "root_keys" not in fixed
    assert fixed["supports_join"] is False
    assert fixed["session"]["keys"] == {"app_s_key": {"key": "22" * 16}, "f_nwk_s_int_key": {"key": "11" * 16}}
    assert fixed["mac_settings"]["rx1_delay"] in published.RX_DELAYS


def test_names_become_ids_of_theirs_and_stay_different() -> None:
    names = ("kn.0007", "kn-0007", "a", "x" * 64, "ok-1", "Zoo__7")
    devices = [
        Device(device=name, activation=Activation.OTAA, dev_eui=f"{n:016x}", app_key="0f" * 16)
        for n, name in enumerate(names)
    ]
    ids = list(stack.identifiers(devices).values())
    assert ids == ["kn-0007", "eui-0000000000000001", "eui-0000000000000002", "eui-0000000000000003", "ok-1", "zoo-7"]
    assert all(re.fullmatch(published.DEVICE_ID, one) and len(one) <= published.DEVICE_ID_MAX for one in ids)


def calls(text: str) -> list[tuple[str, str, dict[str, Any]]]:
    """(path, what, body) of each line."""
    out = []
    for line in text.splitlines():
        call = json.loads(line)
        assert set(call) == {"post", "body"}
        ((what, body),) = call["body"].items()
        out.append((call["post"], what, body))
    return out


def test_chirpstacks_calls(going: Leaving) -> None:
    made = calls(chirpstack.json_lines(going, APPLICATION, PROFILE, TENANT))
    assert [what for _, what, _ in made] == ["device", "deviceKeys", "device", "deviceActivation"]
    for path, what, body in made:
        assert set(body) <= published.CHIRPSTACK[what]
        assert path == published.CHIRPSTACK_PATHS[what].format(eui=body["devEui"])
        assert "ee" * 16 not in json.dumps(body)
    (_, _, device), (_, _, keys), (_, _, second), (_, _, session) = made
    assert (device["applicationId"], device["deviceProfileId"], second["deviceProfileId"]) == (
        APPLICATION,
        PROFILE,
        TENANT,
    )
    assert keys == {
        "devEui": JOINS.dev_eui,
        "nwkKey": JOINS.app_key,
    }  # 1.0.x: the AppKey is the network's root key there
    assert session["nwkSEncKey"] == session["sNwkSIntKey"] == session["fNwkSIntKey"] == "11" * 16
    assert (session["devAddr"], session["appSKey"], session["fCntUp"]) == ("01a2b3c4", "22" * 16, 0)


def test_chirpstacks_profiles(going: Leaving) -> None:
    made = calls(chirpstack.profiles(going, TENANT))
    assert [(path, body["supportsOtaa"]) for path, _, body in made] == [
        ("/api/device-profiles", True),
        ("/api/device-profiles", False),
    ]
    for _, what, body in made:
        assert set(body) <= published.CHIRPSTACK[what]
        for name, allowed in published.CHIRPSTACK_ENUMS.items():
            assert body[name] in allowed
    assert "abpRx1Delay" not in made[0][2]
    only = leaving([(JOINS, None)])
    assert len(calls(chirpstack.profiles(only, TENANT))) == 1


def test_an_id_that_is_none(going: Leaving) -> None:
    with pytest.raises(WrongUse, match="--abp-profile needs an id of ChirpStack"):
        chirpstack.json_lines(going, APPLICATION, PROFILE, "abp")
    chirpstack.json_lines(leaving([(JOINS, None)]), APPLICATION, PROFILE, "")  # not needed there


def test_who_cannot_go_is_named_and_nobody_goes() -> None:
    bare = Device(device="kn-1", activation=Activation.OTAA, dev_eui="70b3d57ed0001234")
    half = Device(device="kn-2", activation=Activation.ABP, dev_addr="01a2b3c4", nwk_skey="11" * 16)
    with pytest.raises(CannotExport) as refused:
        leaving([(JOINS, None), (bare, None), (half, None)])
    assert refused.value.faults == ["kn-1 lacks app_key", "kn-2 lacks dev_eui, app_skey"]
    with pytest.raises(CannotExport, match="there is no LoRaWAN device among them"):
        leaving([(WIFI, None)])
    assert leaving([(JOINS, None), (WIFI, None)]).left_out == [WIFI]
