"""Facts from other implementations' tests, kept in tests/vectors/lorawan.json, and every prefix of every frame in it.

`test_lorawan_vectors` reads the larger collection where it is beside the checkout.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from edge.lorawan import counters, eu868, frames, mac, server
from edge.lorawan.airtime import lora_us
from edge.lorawan.device import Device, Ignored
from edge.lorawan.frames import FrameError
from edge.lorawan.security import DOWN, UP, crypt_payload, data_mic, session_keys
from edge.lorawan.session import Session
from gateway.lorawan.aes import aes
from gateway.lorawan.explain import annotate, explain

H = bytes.fromhex
FACTS: dict[str, Any] = json.loads((Path(__file__).parents[1] / "vectors" / "lorawan.json").read_text())
WAYS = {"up": UP, "down": DOWN}
KEYS = ("nwk_skey", "app_skey", "app_key")


def rows(name: str) -> Any:
    return pytest.mark.parametrize("row", FACTS[name], ids=lambda row: row.get("name", row.get("hex")))


def keys_of(row: dict[str, Any]) -> dict[str, bytes]:
    return {name: H(row[name]) for name in KEYS if name in row}


@rows("frames")
def test_frames(row: dict[str, Any]) -> None:
    got = explain(H(row["phy_hex"]), **keys_of(row))
    names = [command["name"] for command in got.get("mac_commands", ())]
    assert {**got, "command_names": names}.items() >= row["expect"].items()
    assert all(str(text) for text in got["notes"])
    assert (got["hint"] is None) is (got["mic_ok"] is not False)


@rows("refused")
def test_refused(row: dict[str, Any]) -> None:
    with pytest.raises(FrameError):
        frames.parse(H(row["phy_hex"]))


@rows("session_keys")
def test_session_keys(row: dict[str, Any]) -> None:
    keys = session_keys(aes(H(row["app_key"])), row["join_nonce"], row["net_id"], row["dev_nonce"])
    assert keys == (H(row["nwk_skey"]), H(row["app_skey"]))


@rows("data_mics")
def test_data_mics(row: dict[str, Any]) -> None:
    place = (WAYS[row["direction"]], frames.number(row["dev_addr"]), row["fcnt"])
    assert data_mic(aes(H(row["nwk_skey"])), *place, H(row["body_hex"])) == H(row["mic_hex"])


@rows("ciphers")
def test_ciphers(row: dict[str, Any]) -> None:
    place = (WAYS[row["direction"]], frames.number(row["dev_addr"]), row["fcnt"])
    assert crypt_payload(aes(H(row["app_skey"])), *place, H(row["plain_hex"])) == H(row["cipher_hex"])


def test_counters() -> None:
    for expected, fcnt16, full in FACTS["counters"]["rows"]:
        assert counters.reconstruct(expected, fcnt16) == full, (expected, fcnt16)


def test_time_on_air() -> None:
    for length, sf, us, checksum in FACTS["airtime"]["rows"]:
        for crc in {"crc_on": (True,), "crc_off": (False,), "both": (True, False)}[checksum]:
            assert lora_us(length, sf, crc=crc) == us, (length, sf)


@rows("mac_commands")
def test_mac_commands(row: dict[str, Any]) -> None:
    (command,) = mac.parse(H(row["hex"]), WAYS[row["direction"]])
    assert command.name.lower() == row["name"].lower()
    assert row["fields"].items() <= command.fields.items()
    assert mac.build(command.name, **command.fields) == H(row["hex"])


@rows("cf_lists")
def test_cf_lists(row: dict[str, Any]) -> None:
    assert list(eu868.parse_cf_list(H(row["hex"]))) == row["frequencies_hz"]


@rows("frames")
def test_every_prefix(row: dict[str, Any]) -> None:
    """Cut anywhere, a frame is a FrameError or a frame with a wrong MIC, for every reader of frames that there is."""
    phy, keys = H(row["phy_hex"]), keys_of(row)
    with_keys = len(phy) <= 64  # what was cut off is looked for, which takes a moment with long frames
    for n in range(len(phy)):
        cut = phy[:n]
        device = Device.abp(aes, int.from_bytes(phy[1:5], "little"), keys.get("nwk_skey", bytes(16)), bytes(16))
        assert isinstance(device.on_downlink(cut), Ignored)
        try:
            frame = frames.parse(cut)
        except FrameError:
            for read in (explain, annotate):
                with pytest.raises(FrameError):
                    read(cut, **keys)
            continue
        session = Session(getattr(frame, "dev_addr", 0), keys.get("nwk_skey", bytes(16)), bytes(16))
        assert isinstance(server.open_uplink(aes, session, frame), server.BadMic | server.Refused)
        assert explain(cut)["mic_ok"] is None
        assert sum(len(each.octets) for each in annotate(cut, **keys)) == n
        if with_keys and n > len(phy) - 3:
            assert explain(cut, **keys)["mic_ok"] in (None, False)
