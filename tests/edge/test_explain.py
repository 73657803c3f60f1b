"""`klimanetz lorawan decode`: the JSON that scripts rely on, the table, the errors."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from edge.lorawan import eu868, frames, mac, server
from edge.lorawan.device import Device
from edge.lorawan.frames import FrameError
from edge.lorawan.session import Session
from gateway.lorawan.aes import aes
from gateway.lorawan.explain import annotate, explain
from klimanetz.cli.lorawan import app

H = bytes.fromhex
UPLINK = "40f17dbe4900020001954378762b11ff0d"  # lora-packet's README
NWK, APP = "44024241ed4ce9a68c6a8bc055233fd3", "ec925802ae430ca77fd3dd73cb2cc588"
PORT_0 = "40040302010000000069369eee6aa508"  # brocaar/lorawan, MAC commands on port 0
JOIN_REQUEST = "00040302010403020105040302050403022d106a990e12"
JOIN_ACCEPT, APP_KEY = "20493eeb51fba2116f810edb3742975142", "00112233445566778899aabbccddeeff"


def run(*arguments: str) -> Any:
    return CliRunner(env={"COLUMNS": "80"}).invoke(app, ["decode", *arguments])


def decoded(*arguments: str) -> dict[str, Any]:
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.output
    values: dict[str, Any] = json.loads(result.stdout)
    return values


def shown(*arguments: str) -> str:
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    assert max(map(len, result.stdout.splitlines())) <= 80
    return result.stdout


def test_uplink_with_keys_in_either_case() -> None:
    values = decoded(UPLINK.upper(), "--nwk-skey", NWK.upper(), "--app-skey", APP)
    assert values.items() >= {
        "type": "UnconfirmedDataUp", "dev_addr": "49be7df1", "fcnt": 2, "adr": False, "ack": False, "fport": 1,
        "fopts_hex": "", "mac_commands": [], "payload_hex": "74657374", "mic_ok": True,
    }.items()  # fmt: skip


def test_uplink_without_keys_says_what_would_help() -> None:
    values = decoded(UPLINK)
    assert values["mic_ok"] is None
    assert values["payload_hex"] is None
    assert values["encrypted_hex"] == "95437876"
    assert "NwkSKey" in values["notes"][0]
    assert "AppSKey" in values["notes"][1]


def test_wrong_key_or_counter_is_a_wrong_mic() -> None:
    assert decoded(UPLINK, "--nwk-skey", APP)["mic_ok"] is False
    values = decoded(UPLINK, "--nwk-skey", NWK, "--fcnt-high", "1")
    assert (values["mic_ok"], values["fcnt"]) == (False, 65538)
    assert "WRONG" in shown(UPLINK, "--nwk-skey", NWK, "--fcnt-high", "1")


def test_upper_half_of_the_counter() -> None:
    device = Device.abp(aes, 0x01020304, H(NWK), H(APP))
    device.session = device.session.advanced(fcnt_up=0x30002)
    phy = device.uplink(b"high", 1).hex()
    values = decoded(phy, "--nwk-skey", NWK, "--app-skey", APP, "--fcnt-high", "3")
    assert (values["fcnt"], values["payload_hex"], values["mic_ok"]) == (0x30002, b"high".hex(), True)


def test_port_0_opens_with_the_network_key() -> None:
    values = decoded(PORT_0, "--nwk-skey", "01" * 16)
    assert [c["name"] for c in values["mac_commands"]] == ["LinkCheckReq", "LinkADRAns"]
    assert (values["payload_hex"], values["fport"], values["mic_ok"]) == ("020305", 0, True)
    closed = decoded(PORT_0, "--app-skey", "01" * 16)
    assert closed["payload_hex"] is None
    assert closed["mac_commands"] == []
    assert "LinkCheckReq" in shown(PORT_0, "--nwk-skey", "01" * 16)


def test_downlink_has_the_other_direction() -> None:
    session = Session(0x01020304, H(NWK), H(APP), fcnt_down=9)
    phy, _ = server.downlink(aes, session, b"hello", 10, fopts=mac.build("LinkCheckAns", margin=7, gateway_count=2))
    values = decoded(phy.hex(), "--nwk-skey", NWK, "--app-skey", APP)
    assert (values["type"], values["mic_ok"], values["payload_hex"]) == ("UnconfirmedDataDown", True, b"hello".hex())
    assert values["mac_commands"] == [{"name": "LinkCheckAns", "margin": 7, "gateway_count": 2}]
    assert values["f_pending"] is False


def test_join_request() -> None:
    values = decoded(JOIN_REQUEST, "--app-key", "01" * 16)
    assert values.items() >= {
        "type": "JoinRequest", "join_eui": "0102030401020304", "dev_eui": "0203040502030405", "dev_nonce": 4141,
        "mic_ok": True,
    }.items()  # fmt: skip
    assert decoded(JOIN_REQUEST)["mic_ok"] is None
    assert "0203040502030405" in shown(JOIN_REQUEST)


def test_join_accept() -> None:
    values = decoded(JOIN_ACCEPT, "--app-key", APP_KEY)
    assert values.items() >= {
        "type": "JoinAccept", "join_nonce": 5704647, "net_id": "221101", "dev_addr": "02031980", "rx1_dr_offset": 0,
        "rx2_data_rate": 0, "rx_delay": 0, "cf_list": [], "mic_ok": True,
    }.items()  # fmt: skip
    closed = decoded(JOIN_ACCEPT)
    assert closed.keys() >= {"join_nonce", "net_id", "dev_addr", "rx_delay", "cf_list"}
    assert closed["mic_ok"] is None
    assert decoded(JOIN_ACCEPT, "--app-key", "00" * 16)["mic_ok"] is False
    assert "needs the AppKey" in shown(JOIN_ACCEPT)


def test_join_accept_with_channels() -> None:
    request = frames.parse(Device(aes, 1, 2, H(APP_KEY)).join_request())
    hz = (867100000, 867300000, 867500000, 867700000, 867900000)
    answer = server.accept_join(aes, request, H(APP_KEY), 1, 0x13, 1, cf_list=eu868.build_cf_list(hz))
    assert decoded(answer.phy.hex(), "--app-key", APP_KEY)["cf_list"] == list(hz)
    assert "867.9" in shown(answer.phy.hex(), "--app-key", APP_KEY)


def test_commands_in_both_places_are_named() -> None:
    assert any("drops this frame" in note for note in decoded("40040302010100000200aabbccdd")["notes"])


def test_the_longest_frame_fits_80_columns() -> None:
    device = Device.abp(aes, 1, H(NWK), H(APP))
    device.link.dr = 5
    text = shown(device.uplink(bytes(242), 1).hex(), "--nwk-skey", NWK, "--app-skey", APP)
    assert "correct" in text


@pytest.mark.parametrize("frame", ["", "zz", "4", "40", "e0008b658839", "810403020100ff0102030405", UPLINK[:20]])
def test_what_is_not_a_frame_exits_1(frame: str) -> None:
    result = run(frame, "--json")
    assert result.exit_code == 1
    assert list(json.loads(result.stdout)) == ["error"]
    result = run(frame)
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr.startswith("Not a LoRaWAN frame: ")
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [(), (UPLINK, "--nwk-skey", "11"), (UPLINK, "--app-key", "x" * 32), (UPLINK, "--fcnt-high", "65536")],
)
def test_wrong_use_exits_2(arguments: tuple[str, ...]) -> None:
    assert run(*arguments).exit_code == 2


def test_help_has_an_example() -> None:
    assert "Example: klimanetz lorawan decode" in run("--help").stdout


KEYS = st.one_of(st.none(), st.binary(min_size=16, max_size=16))


@given(st.one_of(st.binary(max_size=260), st.sampled_from([H(UPLINK), H(PORT_0), H(JOIN_ACCEPT)])), KEYS, KEYS, KEYS)
def test_rows_cover_every_byte_once_and_garbage_is_only_a_frame_error(
    phy: bytes, nwk: bytes | None, app_skey: bytes | None, app_key: bytes | None
) -> None:
    try:
        values = explain(phy, nwk, app_skey, app_key)
    except FrameError:
        with pytest.raises(FrameError):
            annotate(phy, nwk, app_skey, app_key)
        return
    json.dumps(values)
    at = 0
    for offset, length, octets, field, meaning in annotate(phy, nwk, app_skey, app_key):
        assert (offset, 2 * length) == (at, len(octets))
        assert field
        assert meaning
        at += length
    assert at == len(phy)
