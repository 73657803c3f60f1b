"""`klimanetz lorawan decode`: the JSON that scripts rely on, the table, the errors."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from edge.lorawan import eu868, frames, mac, server
from edge.lorawan.device import Device
from edge.lorawan.frames import FrameError
from edge.lorawan.session import Session
from gateway.lorawan.aes import aes
from gateway.lorawan.explain import annotate, explain
from gateway.lorawan.explain.bits import DL_SETTINGS, FCTRL_DOWN, FCTRL_UP, MHDR, RX_DELAY, bits
from klimanetz.cli.lorawan import STYLES, app

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


@pytest.mark.parametrize(
    "frame", ["", "40", "e0008b658839", "810403020100ff0102030405", UPLINK[:20], "U29tZSB0ZXh0IG9mIG5vIHVzZQ"]
)
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
    [
        ("zz",),
        ("4",),
        (),
        (UPLINK, "--nwk-skey", "11"),
        (UPLINK, "--app-key", "x" * 32),
        (UPLINK, "--fcnt-high", "65536"),
    ],
)
def test_wrong_use_exits_2(arguments: tuple[str, ...]) -> None:
    assert run(*arguments).exit_code == 2


def test_help_has_an_example() -> None:
    assert "Example: klimanetz lorawan decode" in run("--help").stdout


BITS = """
 0  80           MHDR          data of a device, to be confirmed
    100.....       frame type  ConfirmedDataUp
    ...000..       RFU         reserved, 0
    ......00       major       LoRaWAN R1
 1  34 12 01 26  DevAddr       26011234
                   network     NwkID 0x13, type 0
 5  c3           FCtrl         flags
    1.......       ADR         on: the network may set the data rate
    .1......       ADRACKReq   yes: is anybody there? answer soon
    ..0.....       ACK         no: nothing is confirmed
    ...0....       ClassB      no
    ....0011       FOptsLen    3 bytes of MAC commands follow
 6  07 00        FCnt          frame 7
 8  06 fe 39     FOpts         DevStatusAns: so I am
    fe             battery     100 % (254 of 254)
    ..111001       margin      SNR -7 dB of the request
11  02           FPort         2: the application's (ours: readings sent again)
12  00 01 02     FRMPayload    encrypted, needs the AppSKey
"""


def test_every_bit_is_said() -> None:
    fopts = mac.build("DevStatusAns", battery=254, margin=-7)
    body = frames.build_data(frames.CONFIRMED_UP, 0x26011234, 7, fopts, 2, b"\0\1\2", adr=True, adr_ack_req=True)
    wide = CliRunner(env={"COLUMNS": "120"}).invoke(app, ["decode", body.hex() + "00" * 4]).stdout
    lines = [line.rstrip() for line in wide.splitlines()]
    assert lines[0] == "ConfirmedDataUp from 26011234, frame 7, port 2, 3 bytes of payload"
    assert lines[3:21] == BITS.splitlines()[1:]
    assert lines[21] == "15  00 00 00 00  MIC           not checked, needs the NwkSKey"
    assert "".join("".join(BITS.split())) in "".join(shown(body.hex() + "00" * 4).split())  # nothing lost at 80


@pytest.mark.parametrize(
    ("direction", "name", "fields", "words"),
    [
        ("down", "LinkCheckAns", {"margin": 20, "gateway_count": 1}, ["20 dB above the need", "heard by 1 gateway"]),
        ("down", "LinkADRReq", {"data_rate_index": 5, "tx_power_index": 2, "channel_mask": 0xFF, "nb_trans": 3},
         ["DR5: SF7, 125 kHz", "2: 12 dBm EIRP", "channels 0, 1, 2, 3, 4, 5, 6, 7 on", "each uplink 3 times"]),
        ("down", "LinkADRReq", {"data_rate_index": 15, "tx_power_index": 15, "channel_mask_control": 6},
         ["stays as it is", "all channels on"]),
        ("up", "LinkADRAns", {"channel_mask_ack": True}, ["accepted", "REFUSED"]),
        ("down", "DutyCycleReq", {"max_duty_cycle": 7}, ["at most 1/128 of the time (0.781 %)"]),
        ("down", "RXParamSetupReq", {"rx2_data_rate_index": 3, "rx2_frequency_hz": 869525000},
         ["DR3: SF9, 125 kHz", "869.525 MHz", "RX1 as the uplink"]),
        ("up", "DevStatusAns", {"battery": 0, "margin": 5}, ["on mains", "SNR 5 dB"]),
        ("down", "NewChannelReq", {"channel_index": 4, "frequency_hz": 867300000, "max_dr": 5},
         ["channel 4", "867.3 MHz", "DR0: SF12, 125 kHz"]),
        ("down", "NewChannelReq", {"channel_index": 4}, ["take the channel away"]),
        ("down", "RXTimingSetupReq", {"delay": 5}, ["RX1 opens 5 s after the uplink"]),
        ("down", "TxParamSetupReq", {"max_eirp_dbm": 16, "uplink_dwell": True}, ["16 dBm", "at most 400 ms"]),
        ("down", "DlChannelReq", {"channel_index": 1, "frequency_hz": 433000000}, ["433 MHz, outside EU868"]),
        ("down", "DeviceTimeAns", {"gps_seconds": 1479424518, "fraction_256ths": 64},
         ["2026-11-22 23:15:00 UTC", "0.250 s"]),
    ],
)  # fmt: skip
def test_mac_commands_in_words(direction: str, name: str, fields: dict[str, int], words: list[str]) -> None:
    kind = frames.UNCONFIRMED_UP if direction == "up" else frames.UNCONFIRMED_DOWN
    body = frames.build_data(kind, 1, 0, mac.build(name, **fields))
    text = " ".join(shown(body.hex() + "00" * 4).split())
    assert all(each in text for each in (name, *words)), text


def test_every_field_of_every_command_has_words() -> None:
    for _, direction, name, size, fields in mac.table():
        kind = frames.UNCONFIRMED_DOWN if direction else frames.UNCONFIRMED_UP
        rows = annotate(frames.build_data(kind, 1, 0, mac.build(name)) + bytes(4))
        (row,) = [row for row in rows if row.field == "FOpts"]
        assert (len(row.octets), len(row.parts)) == (1 + size, len(fields))
        assert row.meaning.startswith(name)
        assert all(len(part.field) <= 13 and part.field and part.meaning for part in row.parts)


def test_bits_of_a_join_accept() -> None:
    request = frames.parse(Device(aes, 1, 2, H(APP_KEY)).join_request())
    answer = server.accept_join(
        aes, request, H(APP_KEY), 9, 0x13, 0x26011234, rx1_dr_offset=2, rx2_data_rate=3, rx_delay=5,
        cf_list=eu868.build_cf_list((867100000, 0)),
    )  # fmt: skip
    text = " ".join(shown(answer.phy.hex(), "--app-key", APP_KEY).split())
    for words in (
        "0....... OptNeg not set: LoRaWAN 1.0", ".010.... RX1DROffset RX1 2 data rates below the uplink",
        "....0011 RX2DataRate DR3: SF9, 125 kHz", "....0101 Del RX1 after 5 s, RX2 after 6 s",
        "channel 3: 867.1 MHz", "channel 4: none", "CFListType 0: frequencies",
    ):  # fmt: skip
        assert words in text


def test_colours_on_a_terminal_only(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    assert "\x1b[" not in run(UPLINK).stdout
    monkeypatch.setenv("FORCE_COLOR", "1")  # what a terminal would get
    assert "\x1b[1;31mWRONG" in run(UPLINK, "--nwk-skey", APP, "--app-skey", APP).stdout
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[1;31m" not in run(UPLINK, "--nwk-skey", APP).stdout


KEYS = st.one_of(st.none(), st.binary(min_size=16, max_size=16))


@settings(deadline=None, max_examples=60)
@given(st.one_of(st.binary(max_size=260), st.sampled_from([H(UPLINK), H(PORT_0), H(JOIN_ACCEPT)])), KEYS, KEYS, KEYS)
def test_rows_cover_every_byte_once_and_garbage_is_only_a_frame_error(
    phy: bytes, nwk: bytes | None, app_skey: bytes | None, app_key: bytes | None
) -> None:
    try:
        rows = annotate(phy, nwk, app_skey, app_key)
    except FrameError:
        with pytest.raises(FrameError):
            explain(phy, nwk, app_skey, app_key)
        return
    json.dumps(explain(phy, nwk, app_skey, app_key))
    at = 0
    for row in rows:
        assert row.at == at
        assert row.field
        assert row.meaning
        assert row.kind in STYLES
        at += len(row.octets)
    assert at == len(phy)


@given(st.integers(0, 255), st.sampled_from([MHDR, FCTRL_UP, FCTRL_DOWN, DL_SETTINGS, RX_DELAY]))
def test_the_parts_of_a_byte_are_its_bits(value: int, fields: Any) -> None:
    shown_bits = [part.shown for part in bits(value, fields)]
    assert [next(b for b in column if b != ".") for column in zip(*shown_bits, strict=True)] == list(f"{value:08b}")
    assert all(sum(b != "." for b in column) == 1 for column in zip(*shown_bits, strict=True))
