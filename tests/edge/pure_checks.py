"""Checks of the LoRaWAN core that need nothing but an AES: pytest runs them on CPython, MicroPython runs this file.

Plain asserts, no imports beyond `edge`. Vectors: RFC 4493 section 4; frames, counters and commands from the tests of
lora-packet, brocaar/lorawan and lorawan-stack (facts only).
"""

from edge.crypto import cmac, cmac_by_ecb
from edge.lorawan import adr, airtime, counters, eu868, frames, mac, server
from edge.lorawan.control import EU868, Control
from edge.lorawan.device import Device, Downlink, Ignored, Joined
from edge.lorawan.duty import DutyCycle
from edge.lorawan.frames import FrameError
from edge.lorawan.link import Link, handle
from edge.lorawan.security import DOWN, UP, crypt_payload, data_mic, decrypt_join_accept, join_mic, session_keys
from edge.lorawan.session import Session

H = bytes.fromhex
RFC4493_KEY = H("2b7e151628aed2a6abf7158809cf4f3c")
RFC4493_MESSAGE = H(
    "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"
    "30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710"
)
RFC4493_MACS = (
    (0, "bb1d6929e95937287fa37d129b756746"),
    (16, "070a16b46b4d4144f79bdd9dd04a287c"),
    (40, "dfa66747de9ae63030ca32611497c827"),
    (64, "51f0bebf7e3b9d92fc49741779363cfe"),
)
NWK, APP = H("44024241ed4ce9a68c6a8bc055233fd3"), H("ec925802ae430ca77fd3dd73cb2cc588")
APP_KEY = H("00112233445566778899aabbccddeeff")


def raises(function, *args, **named):
    """The text of the FrameError that the call must raise."""
    try:
        function(*args, **named)
    except FrameError as error:
        return str(error)
    raise AssertionError("no FrameError")


def check_cmac(aes):
    key = aes(RFC4493_KEY)
    for n, expected in RFC4493_MACS:
        assert cmac(key, RFC4493_MESSAGE[:n]) == H(expected), n
        assert cmac_by_ecb(key, RFC4493_MESSAGE[:n]) == H(expected), n


def check_known_uplink(aes):
    phy = H("40f17dbe4900020001954378762b11ff0d")
    frame = frames.parse(phy)
    assert (frame.mtype, frame.dev_addr, frame.fcnt16, frame.fport) == (frames.UNCONFIRMED_UP, 0x49BE7DF1, 2, 1)
    assert data_mic(aes(NWK), UP, frame.dev_addr, 2, phy[:-4]) == frame.mic == H("2b11ff0d")
    assert crypt_payload(aes(APP), UP, frame.dev_addr, 2, frame.frm_payload) == b"test"
    result = server.open_uplink(aes, Session(0x49BE7DF1, NWK, APP, fcnt_up=2), frame)
    assert result.payload == b"test"
    assert result.session.fcnt_up == 3


def check_known_join(aes):
    app = aes(APP_KEY)
    plain = decrypt_join_accept(app, H("20493eeb51fba2116f810edb3742975142"))
    accept = frames.parse_join_accept(plain)
    assert (accept.join_nonce, accept.net_id, accept.dev_addr) == (5704647, 0x221101, 0x02031980)
    assert join_mic(app, plain[:-4]) == accept.mic == H("43485bbc")
    keys = session_keys(aes(H("98929b92c49edba9676d646d3b612456")), 0x376338, 0xAABBCC, 0xF18E)
    assert keys == (H("4e3d6e6afbcc67af2ba3c8e8ec4acf4b"), H("610897aa6f1460623443b527d3ac6a9d"))


def check_broken_frames(aes):
    assert raises(frames.parse, b"").find("empty") >= 0
    assert raises(frames.parse, H("800403020100ff01020304")).find("too short") >= 0
    assert raises(frames.parse, H("810403020100ff0102030405")).find("version") >= 0
    assert raises(frames.parse, H("e0008b658839")).find("Proprietary") >= 0
    assert raises(frames.parse, bytes((6 << 5,)) + bytes(18)).find("Rejoin") >= 0
    build = frames.build_data
    assert raises(build, frames.UNCONFIRMED_UP, 1, 0, fopts=b"\x02", fport=0, frm_payload=b"\x02")
    assert raises(build, frames.UNCONFIRMED_UP, 1, 0, fopts=bytes(16))
    assert raises(build, frames.UNCONFIRMED_UP, 1, 0, frm_payload=b"x")
    assert raises(build, frames.UNCONFIRMED_UP, 1, 0, fport=1, frm_payload=bytes(243))


def check_counters(aes):
    for expected, fcnt16, full in (
        (1, 1, 1), (65536, 0, 65536), (0, 1, 1), (65537, 2, 65538), (2, 1, 1), (65537, 0, 65536), (65536, 65535, 65535),
        (0, 65535, 65535), (0, 0, 0),
    ):  # fmt: skip
        assert counters.reconstruct(expected, fcnt16) == full, (expected, fcnt16)
    assert counters.classify(5, 5) == counters.NEW
    assert counters.classify(5, 4) == counters.RETRANSMISSION
    assert counters.classify(5, 3) == counters.REPLAY
    assert counters.classify(5, 1 << 32) == counters.EXHAUSTED
    assert counters.earlier(70000, 69000 & 0xFFFF) == 69000
    assert counters.earlier(70000, 70000 & 0xFFFF) == 70000 - 65536
    assert counters.earlier(10, 11) == counters.earlier(10, 10) == counters.earlier(0, 0) == -1


def check_mac_commands(aes):
    for direction, data, name, fields in (
        (DOWN, "040d", "DutyCycleReq", {"max_duty_cycle": 13}),
        (UP, "060022", "DevStatusAns", {"battery": 0, "margin": -30}),
        (DOWN, "092f", "TxParamSetupReq", {"max_eirp_dbm": 36, "uplink_dwell": False, "downlink_dwell": True}),
        (DOWN, "0a04ffff42", "DlChannelReq", {"channel_index": 4, "frequency_hz": 439091100}),
        (DOWN, "0d0100000000", "DeviceTimeAns", {"gps_seconds": 1, "fraction_256ths": 0}),
    ):
        commands = mac.parse(H(data), direction)
        assert [(c.name, c.fields) for c in commands] == [(name, fields)], data
        assert mac.build(name, **fields) == H(data)
    assert [c.name for c in mac.parse(H("0207"), DOWN)] == [mac.INCOMPLETE]
    assert [c.name for c in mac.parse(H("0207094e02"), DOWN)] == ["LinkCheckAns", mac.UNKNOWN, mac.UNKNOWN]


def check_airtime(aes):
    for n, sf, us in ((10, 7, 41216), (10, 8, 72192), (10, 9, 144384), (10, 12, 991232), (17, 7, 51456)):
        assert airtime.lora_us(n, sf) == us
    assert eu868.airtime_us(17, 5) == 51456
    assert eu868.airtime_us(12, 7) == 23 * 160


def check_join_and_talk(aes):
    """Both roles back to back: a join, uplinks and downlinks in both directions, over a loss of power each time."""
    stored = None
    session = None
    for join in range(2):
        device = Device(aes, 0x0102030405060708, 0xA84041FFFF1EC1F5, APP_KEY, stored)
        request = frames.parse(device.join_request())
        answer = server.accept_join(
            aes, request, APP_KEY, join + 1, 0x000013, 0x26011234 + join, last_dev_nonce=join - 1 if join else None,
            rx1_dr_offset=2, rx2_data_rate=3, rx_delay=5, cf_list=eu868.build_cf_list((867100000, 867300000)),
        )  # fmt: skip
        assert device.on_join_accept(answer.phy) == Joined(0x26011234 + join)
        assert isinstance(device.on_join_accept(answer.phy), Ignored)  # no join is under way any more
        session = answer.session
        assert device.session == session
        assert device.link.channels[3][:2] == [867100000, 867100000]
        assert device.link.rx_delay_s == 5
        assert (device.link.rx1_dr_offset, device.link.rx2_dr) == (2, 3)
        for i in range(3):
            stored = device.to_dict()
            device = Device(aes, 0x0102030405060708, 0xA84041FFFF1EC1F5, APP_KEY, stored)
            session = talk(aes, device, Session.from_dict(session.to_dict()), i)
        stored = device.to_dict()


def talk(aes, device, session, i):
    payload = bytes(range(i, i + 17 * i))
    phy = device.uplink(payload, 2, confirmed=i == 1)
    frame = frames.parse(phy)
    result = server.open_uplink(aes, session, frame)
    assert (result.payload, result.fport, result.fcnt, result.confirmed) == (payload, 2, i, i == 1)
    answers = [(c.name, c.fields) for c in result.mac]
    assert answers == ([("DevStatusAns", {"battery": 200, "margin": -7})] if i else [])
    session = result.session
    assert server.open_uplink(aes, session, frame) == server.Retransmission(i, i == 1)
    assert server.open_uplink(aes, session.advanced(fcnt_up=i + 2), frame) == server.Replay(i)
    forged = frames.parse(phy[:-1] + bytes((phy[-1] ^ 1,)))
    assert server.open_uplink(aes, session.advanced(fcnt_up=i), forged) == server.BadMic()
    phy, session = server.downlink(aes, session, b"down", 10, ack=result.confirmed, fopts=mac.build("DevStatusReq"))
    heard = device.on_downlink(phy, battery=200, margin_db=-7)
    assert isinstance(heard, Downlink)
    assert (heard.payload, heard.fport, heard.ack, heard.fcnt) == (b"down", 10, i == 1, i)
    assert isinstance(device.on_downlink(phy), Ignored)
    assert device.room() == 48  # the answer to DevStatusReq goes up next
    return session


def check_mac_answers(aes):
    device = Device.abp(aes, 0x26010001, NWK, APP)
    session = Session(0x26010001, NWK, APP)
    requests = mac.build("LinkADRReq", data_rate_index=5, tx_power_index=2, channel_mask=7, nb_trans=2)
    requests += mac.build("RXTimingSetupReq", delay=3) + mac.build("DevStatusReq")
    phy, session = server.downlink(aes, session, requests, 0)
    assert isinstance(device.on_downlink(phy, battery=254, margin_db=12), Downlink)
    assert (device.link.dr, device.link.tx_power, device.link.nb_trans, device.link.rx_delay_s) == (5, 2, 2, 3)
    names = []
    for _ in range(2):
        result = server.open_uplink(aes, session, frames.parse(device.uplink(b"x", 1)))
        session = result.session
        names.append([c.name for c in result.mac])
    assert names == [["LinkADRAns", "RXTimingSetupAns", "DevStatusAns"], ["RXTimingSetupAns"]]
    assert Link(device.link.to_dict()).to_dict() == device.link.to_dict()


def check_adr(aes):
    good = [[n, 5.0] for n in range(adr.HISTORY)]
    assert adr.decide(0, 0, 1, good[1:]) == (0, 0, 1)  # too few to judge
    assert adr.decide(0, 0, 1, good) == (5, 1, 1)  # 18 dB above need and margin: five rates and 2 dB of power
    assert adr.decide(5, 4, 1, [[n, -9.0] for n in range(adr.HISTORY)]) == (5, 1, 1)  # and back
    lossy = [[2 * n, -10.0] for n in range(adr.HISTORY)]
    assert adr.decide(0, 0, 1, lossy) == (1, 0, 3)  # every other one is lost: three times each


def check_duty(aes):
    duty = DutyCycle()
    assert duty.allows(868100000, 36000000, 0)
    duty.sent(868100000, 35000000, 30)
    assert duty.wait_s(868100000, 1000000, 60) == 0
    assert duty.wait_s(868100000, 2000000, 60) == 61 * 60 - 60
    duty = DutyCycle.from_dict(duty.to_dict())
    assert duty.used_us(eu868.sub_band(868300000), 3600) == 35000000
    assert duty.used_us(eu868.sub_band(868300000), 3661) == 0
    assert duty.wait_s(868650000, 1, 0) is None  # nobody's


def check_control(aes):
    """The network's picture of a radio and the radio itself meet, by the bytes that go over the air."""
    control, link = Control(), Link()
    answers = b""
    for fcnt in range(80):
        control = Control(control.to_dict())
        control.heard(mac.parse(answers, UP), fcnt, link.dr, 12.0 - 2 * link.tx_power, 0)
        asked = control.requests(EU868, fcnt, True, 0)
        assert len(asked) <= 15
        answers = b"".join([answer for answer, _ in handle(link, mac.parse(asked, DOWN))])
    control.heard(mac.parse(answers, UP), 80, link.dr, None, 0)
    assert control.link.to_dict() == link.to_dict()
    assert (link.dr, link.tx_power) == (5, 5)
    assert [channel[0] for channel in link.channels if channel][3:] == list(EU868.channels_hz)


CHECKS = (
    check_cmac, check_known_uplink, check_known_join, check_broken_frames, check_counters, check_mac_commands,
    check_airtime, check_join_and_talk, check_mac_answers, check_adr, check_duty, check_control,
)  # fmt: skip


if __name__ == "__main__":
    from edge.aes_micropython import aes as device_aes

    for check in CHECKS:
        check(device_aes)
        print("ok", check.__name__)
