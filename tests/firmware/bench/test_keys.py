"""Identities: a DevEUI that is nobody else's, keys that nobody guesses, and the file that the board reads."""

from pathlib import Path

import pytest

from edge.lorawan.device import Device as RadioDevice
from firmware.bench.identity import keys
from firmware.bench.trouble import WrongUse
from schemas.models import Activation, Device


def test_a_mac_becomes_an_eui() -> None:
    assert keys.dev_eui_of_mac("24:58:7C:12:34:56") == "24587cfffe123456"
    assert keys.dev_eui_of_mac("24587c123456") == "24587cfffe123456"


@pytest.mark.parametrize("mac", ["", "24:58:7c:12:34", "25:58:7c:12:34:56", "ff:ff:ff:ff:ff:ff", "0" * 12, "kn-0007"])
def test_what_is_no_mac(mac: str) -> None:
    with pytest.raises(WrongUse):
        keys.dev_eui_of_mac(mac)


def test_chance_lies_in_nobodys_oui() -> None:
    made = {keys.dev_eui_by_chance() for _ in range(500)}
    assert len(made) == 500
    assert {int(eui[:2], 16) & 3 for eui in made} == {2}  # one device, locally administered
    assert {len(eui) for eui in made} == {16}


def test_keys_are_not_alike() -> None:
    made = {keys.key() for _ in range(500)}
    assert (len(made), {len(key) for key in made}) == (500, {32})
    assert all(int(keys.dev_addr(), 16) < 1 << 25 for _ in range(500))
    assert "import random" not in Path(keys.__file__).read_text()


def test_only_what_lacks_is_made() -> None:
    given = Device(device="kn-7", activation=Activation.OTAA, dev_eui="70b3d57ed0001234", app_key="0f" * 16)
    made = keys.completed(given, "24:58:7c:12:34:56")
    assert (made.dev_eui, made.join_eui, made.app_key) == ("70b3d57ed0001234", keys.JOIN_EUI, "0f" * 16)
    assert keys.completed(made, None) == made
    bare = keys.completed(Device(device="kn-7", activation=Activation.OTAA), "24:58:7c:12:34:56")
    assert bare.dev_eui == "24587cfffe123456"
    assert bare.app_key != "0f" * 16
    personal = keys.completed(Device(device="kn-7", activation=Activation.ABP), None)
    assert None not in (personal.dev_eui, personal.dev_addr, personal.nwk_skey, personal.app_skey)
    assert personal.app_key is None


@pytest.mark.parametrize("activation", [Activation.OTAA, Activation.ABP])
def test_the_device_takes_its_identity(activation: Activation) -> None:
    made = keys.completed(Device(device="kn-7", activation=activation), "24:58:7c:12:34:56")
    identity = keys.identity_of(made, 3)
    assert (identity["device"], identity["activation"], identity["generation"]) == ("kn-7", activation.value, 3)
    if activation is Activation.OTAA:
        RadioDevice(
            None, int(identity["join_eui"], 16), int(identity["dev_eui"], 16), bytes.fromhex(identity["app_key"])
        )
        assert "dev_addr" not in identity
    else:
        assert "app_key" not in identity
        assert {len(identity["nwk_skey"]), len(identity["app_skey"]), len(identity["dev_addr"])} == {32, 8}


def test_an_mqtt_device_has_no_radio_keys() -> None:
    identity = keys.identity_of(Device(device="kn-7", activation=Activation.MQTT, app_key="0f" * 16), 1, "secret")
    assert identity == {"device": "kn-7", "activation": "mqtt", "mqtt_password": "secret", "generation": 1}
