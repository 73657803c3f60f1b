"""Why a MIC is wrong: each mistake is made here, and must be named with its way out; what is not one must not be."""

import json
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from edge.crypto import cmac
from edge.lorawan import eu868, frames, mac, server
from edge.lorawan.device import Device
from edge.lorawan.security import DOWN, UP, crypt_payload, data_mic, encrypt_join_accept, join_mic
from edge.lorawan.session import Session
from gateway.lorawan.aes import aes
from gateway.lorawan.explain import explain
from klimanetz.cli.lorawan import app

H = bytes.fromhex
NWK, APP, APP_KEY = H("44024241ed4ce9a68c6a8bc055233fd3"), H("ec925802ae430ca77fd3dd73cb2cc588"), bytes(range(16))
ADDR, JOIN_EUI, DEV_EUI = 0x26011BDA, 0x0102030405060708, 0xA84041FFFF1EC1F5
OTHER = bytes(15) + b"\x01"


def uplink(fcnt: int = 7, nwk: bytes = NWK, direction: int = UP, addr: int = ADDR, mtype: int = 2) -> bytes:
    payload = crypt_payload(aes(APP), direction, addr, fcnt, b"reading")
    body = frames.build_data(mtype, addr, fcnt, mac.build("LinkCheckReq"), 1, payload)
    return bytes(body + data_mic(aes(nwk), direction, addr, fcnt, body))


def why(phy: bytes, nwk: bytes | None = NWK, app_skey: bytes | None = None, **more: Any) -> tuple[dict[str, Any], str]:
    """(hint, all notes) of a frame that must not verify."""
    values = explain(phy, nwk, app_skey, **more)
    assert values["mic_ok"] is not True
    assert values["hint"] is not None
    json.dumps(values)
    return values["hint"], "; ".join(values["notes"])


def test_a_right_frame_needs_no_reason() -> None:
    values = explain(uplink(), NWK, APP)
    assert (values["mic_ok"], values["hint"], values["notes"]) == (True, None, [])


@pytest.mark.parametrize("high", [1, 1023, 1024, 65535])
def test_the_upper_half_of_the_counter(high: int) -> None:
    hint, notes = why(uplink(7 | high << 16))
    assert hint == {"reason": "fcnt_high", "fcnt_high": high, "fcnt": 7 | high << 16}
    assert f"give --fcnt-high {high}" in notes
    assert explain(uplink(7 | high << 16), NWK, fcnt_high=high)["mic_ok"] is True
    assert why(uplink(7), fcnt_high=high)[0]["fcnt_high"] == 0


def test_a_key_with_its_bytes_reversed() -> None:
    hint, notes = why(uplink(), NWK[::-1])
    assert hint == {"reason": "key_reversed", "fcnt_high": 0}
    assert f"--nwk-skey {NWK.hex()}" in notes
    hint, notes = why(uplink(7 | 3 << 16), NWK[::-1])
    assert hint == {"reason": "key_reversed", "fcnt_high": 3}
    assert "--fcnt-high 3" in notes


def test_keys_under_each_other_s_name() -> None:
    hint, notes = why(uplink(), APP, NWK)
    assert hint["reason"] == "keys_swapped"
    assert "swap --nwk-skey and --app-skey" in notes
    assert why(uplink(), APP, NWK[::-1])[0]["reason"] == "keys_swapped_and_reversed"
    hint, notes = why(uplink(), None, NWK)
    assert (hint["reason"], "give it as --nwk-skey" in notes) == ("keys_swapped", True)
    assert why(uplink(nwk=APP_KEY), NWK, app_key=APP_KEY)[0]["reason"] == "app_key_as_nwk_skey"


@pytest.mark.parametrize("option", ["nwk_skey", "app_skey", "app_key"])
def test_the_app_key_instead_of_the_session_s(option: str) -> None:
    device = Device(aes, JOIN_EUI, DEV_EUI, APP_KEY)
    device.dev_nonce = 5
    answer = server.accept_join(aes, frames.parse(device.join_request()), APP_KEY, 3, 0x13, ADDR)
    device.on_join_accept(answer.phy)
    values = explain(device.uplink(b"x", 1), **{option: APP_KEY})
    hint = values["hint"]
    assert hint.items() >= {"reason": "app_key_given", "join_nonce": 3, "net_id": "000013", "dev_nonce": 5}.items()
    keys = (H(hint["nwk_skey"]), H(hint["app_skey"]))
    assert keys == (device.session.nwk_skey, device.session.app_skey)
    assert f"--nwk-skey {hint['nwk_skey']} --app-skey {hint['app_skey']}" in "; ".join(values["notes"])


def test_bytes_in_the_wrong_order() -> None:
    turned = int.from_bytes(ADDR.to_bytes(4, "big"), "little")
    assert why(uplink(addr=turned)[:1] + uplink(addr=ADDR)[1:5] + uplink(addr=turned)[5:])[0] == {
        "reason": "dev_addr_reversed", "dev_addr": "da1b0126"
    }  # fmt: skip  # the frame was signed with the address the other way round
    body = uplink()[:-4]
    signed_otherwise = body + data_mic(aes(NWK), UP, turned, 7, body)
    assert why(signed_otherwise)[0]["reason"] == "dev_addr_reversed"
    swapped = body + data_mic(aes(NWK), UP, ADDR, 0x0700, body)
    assert why(swapped)[0] == {"reason": "fcnt_reversed", "fcnt": 0x0700}
    hint, notes = why(uplink()[:-4] + uplink()[:-5:-1])
    assert hint == {"reason": "mic_reversed", "mic_hex": uplink()[-4:].hex()}
    assert "reversed" in notes


def test_the_other_direction() -> None:
    hint, notes = why(uplink(direction=DOWN))
    assert hint == {"reason": "direction"}
    assert "that of a downlink" in notes


@settings(deadline=None, max_examples=25)
@given(st.data())
def test_one_byte_wrong_missing_or_too_many(data: st.DataObject) -> None:
    phy = uplink()
    at, value = data.draw(st.integers(1, len(phy) - 1)), data.draw(st.integers(0, 255))
    changed = phy[:at] + bytes((value,)) + phy[at + 1 :]
    if changed != phy and at != 5:  # of FCtrl the length may be hit, so that it is no frame any more
        hint, notes = why(changed)
        # a counter's upper bits, or a byte of a palindrome, may be told by another name
        assert hint["reason"] in ("wrong_byte", "fcnt_reversed", "dev_addr_reversed")
        if hint["reason"] == "wrong_byte":
            assert (hint["at"], hint["is"], hint["should_be"]) == (at, value, phy[at])
            assert f"byte {at} is {phy[at]:02x} and not {value:02x}" in notes
    lost = phy[:at] + phy[at + 1 :]
    if at > 8:
        hint, _ = why(lost)
        assert (hint["reason"], hint["frame_hex"]) == ("missing_byte", phy.hex())
    added = phy[:at] + bytes((value,)) + phy[at:]
    if at > 8:
        hint, _ = why(added)
        assert hint["reason"] in ("extra_byte", "extra_bytes")
        assert hint["frame_hex"] == phy.hex()


@pytest.mark.parametrize("tail", ["00", "0a0d", "ffffffffffffffff"])
def test_something_behind_the_frame(tail: str) -> None:
    hint, _ = why(uplink() + H(tail))
    assert hint == {"reason": "extra_bytes", "extra_hex": tail, "frame_hex": uplink().hex()}


def test_lorawan_1_1_uplinks_and_downlinks() -> None:
    up = H("4004030201a0010001a694642615f842c4b9")  # brocaar/lorawan (MIT), TestPHYPayloadMACPayloadLoRaWAN11
    hint, notes = why(up, H("02" * 15 + "03"))
    assert hint == {"reason": "lorawan_1_1", "key": "FNwkSIntKey"}
    assert "LoRaWAN 1.1" in notes
    assert "1.0.4" in notes
    session = Session(ADDR, NWK, APP, fcnt_down=9)
    body = server.downlink(aes, session, b"x", 10, ack=True)[0][:-4]
    head = b"\x49" + (513).to_bytes(2, "little") + bytes(2) + b"\x01"
    block = head + ADDR.to_bytes(4, "little") + (9).to_bytes(4, "little") + bytes((0, len(body)))
    hint, _ = why(body + cmac(aes(NWK), block + body)[:4])
    assert hint == {"reason": "lorawan_1_1", "conf_fcnt": 513}


def test_what_cannot_be_told_says_what_was_tried() -> None:
    began = time.perf_counter()
    hint, notes = why(uplink(), OTHER, APP)
    assert time.perf_counter() - began < 10, "a technician waits for it"
    assert hint["reason"] == "unknown"
    assert len(hint["tried"]) == 6
    assert all(each in notes for each in hint["tried"])
    assert "joined again" in notes
    hint, notes = why(uplink()[:-4] + b"\xee" * 4)
    assert "eeeeeeee looks like a placeholder" in notes


# --- joins


def request(app_key: bytes = APP_KEY, head: bytes | None = None) -> bytes:
    body = frames.build_join_request(JOIN_EUI, DEV_EUI, 0x1234) if head is None else head
    return bytes(body + join_mic(aes(app_key), body))


def accept(app_key: bytes = APP_KEY) -> tuple[bytes, bytes]:
    """(plain with its MIC, as on the air)"""
    body = frames.build_join_accept(1, 0x13, ADDR, cf_list=eu868.build_cf_list((867100000,)))
    plain = body + join_mic(aes(app_key), body)
    return plain, encrypt_join_accept(aes(app_key), plain)


@pytest.mark.parametrize("phy", [request(), accept()[1]], ids=["request", "accept"])
def test_the_key_of_a_join(phy: bytes) -> None:
    assert explain(phy, app_key=APP_KEY)["hint"] is None
    hint, notes = why(phy, None, app_key=APP_KEY[::-1])
    assert (hint["reason"], f"--app-key {APP_KEY.hex()}" in notes) == ("key_reversed", True)
    for option in ("nwk", "app_skey"):
        hint, notes = why(phy, **{"nwk": None, **{option: APP_KEY}}, app_key=OTHER)
        assert (hint["reason"], "give it as --app-key" in notes) == ("key_misnamed", True)
    hint, notes = why(phy, APP_KEY)  # no AppKey at all
    assert hint["reason"] == "key_misnamed"
    hint, notes = why(phy, None, app_key=OTHER)
    assert hint["reason"] == "unknown"
    assert "another device's AppKey" in notes
    assert explain(phy, NWK)["hint"] is None


@pytest.mark.parametrize("wrong", ["JoinEUI", "DevEUI", "DevNonce", "swapped"])
def test_euis_in_the_wrong_order(wrong: str) -> None:
    phy = request()
    turned = {
        "JoinEUI": phy[:1] + phy[8:0:-1] + phy[9:],
        "DevEUI": phy[:9] + phy[16:8:-1] + phy[17:],
        "DevNonce": phy[:17] + phy[18:16:-1] + phy[19:],
        "swapped": phy[:1] + phy[9:17] + phy[1:9] + phy[17:],
    }[wrong]
    hint, notes = why(turned, None, app_key=APP_KEY)
    assert hint == {"reason": "eui_order", "join_eui": f"{JOIN_EUI:016x}", "dev_eui": f"{DEV_EUI:016x}"}
    assert wrong in notes


def test_the_mic_of_a_join() -> None:
    phy = request()
    assert why(phy[:-4] + phy[:-5:-1], None, app_key=APP_KEY)[0]["reason"] == "mic_reversed"
    hint, _ = why(phy[:-1] + bytes((phy[-1] ^ 1,)), None, app_key=APP_KEY)
    assert (hint["reason"], hint["at"]) == ("wrong_byte", 22)
    for at in (1, 20):
        broken = bytearray(accept()[1])
        broken[at] ^= 0x40
        hint, _ = why(bytes(broken), None, app_key=APP_KEY)
        assert (hint["reason"], hint["at"]) == ("wrong_byte", at)


def test_join_accepts_that_are_not_encrypted_as_they_should() -> None:
    plain, _ = accept()
    assert why(plain, None, app_key=APP_KEY)[0]["reason"] == "not_encrypted"
    forward = plain[:1] + aes(APP_KEY).ecb(plain[1:])
    assert why(forward, None, app_key=APP_KEY)[0]["reason"] == "cipher_direction"
    body = plain[:-4]
    turned = encrypt_join_accept(aes(APP_KEY), body + join_mic(aes(APP_KEY), body)[::-1])
    assert why(turned, None, app_key=APP_KEY)[0]["reason"] == "mic_reversed"


def test_a_join_accept_that_may_be_of_1_1() -> None:
    plain, _ = accept()
    asks = plain[:11] + bytes((plain[11] | 0x80,)) + plain[12:]
    _, notes = why(encrypt_join_accept(aes(APP_KEY), asks[:-4] + b"\1\2\3\4"), None, app_key=APP_KEY)
    assert "LoRaWAN 1.1" in notes
    _, notes = why(encrypt_join_accept(aes(APP_KEY), plain[:-4] + b"\1\2\3\4"), None, app_key=APP_KEY)
    assert "OptNeg" not in notes


@settings(deadline=None, max_examples=30)
@given(st.binary(min_size=16, max_size=16), st.binary(min_size=16, max_size=16), st.integers(0, 2**16 - 1))
def test_a_wrong_key_is_never_explained_away(nwk: bytes, other: bytes, fcnt: int) -> None:
    if nwk in (other, other[::-1]):
        return
    hint, _ = why(uplink(fcnt, nwk), other)
    assert hint["reason"] == "unknown" or "two bytes" in explain(uplink(fcnt, nwk), other)["notes"][-1].lower()


def test_people_read_it_on_80_columns() -> None:
    done = CliRunner(env={"COLUMNS": "80"}).invoke(app, ["decode", uplink().hex(), "--nwk-skey", NWK[::-1].hex()])
    assert done.exit_code == 0
    assert max(map(len, done.stdout.splitlines())) <= 80
    text = " ".join(done.stdout.split())
    assert f"- The MIC fits with the NwkSKey's bytes reversed: give --nwk-skey {NWK.hex()}" in text
    done = CliRunner(env={"COLUMNS": "80"}).invoke(app, ["decode", uplink().hex(), "--nwk-skey", OTHER.hex(), "--json"])
    assert json.loads(done.stdout)["hint"]["reason"] == "unknown"
