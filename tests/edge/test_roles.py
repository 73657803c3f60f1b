"""Device and network back to back: whatever one says the other understands, and nothing else is believed."""

import json
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.lorawan import eu868, frames, mac, server
from edge.lorawan.device import Device, Downlink, Ignored, Joined
from edge.lorawan.frames import FrameError
from edge.lorawan.security import DOWN, UP, data_mic, join_mic
from edge.lorawan.session import Session
from gateway.lorawan.aes import aes

KEY = st.binary(min_size=16, max_size=16)
ADDR, NONCE24 = st.integers(0, 2**32 - 1), st.integers(0, 2**24 - 1)
EUI = st.integers(0, 2**64 - 1)
APP_KEY, NWK, APP = b"a" * 16, b"n" * 16, b"p" * 16


def pair(fcnt: int = 0) -> tuple[Device, Session]:
    device = Device.abp(aes, 0x26010001, NWK, APP)
    device.link.dr = 5
    session = Session(0x26010001, NWK, APP, fcnt_up=fcnt, fcnt_down=fcnt)
    device.session = session
    return device, session


def opened(session: Session, phy: bytes) -> Any:
    return server.open_uplink(aes, session, frames.parse(phy))


def stored(device: Device) -> dict[str, Any]:
    """What a device keeps, as it comes back from a file."""
    back: dict[str, Any] = json.loads(json.dumps(device.to_dict()))
    return back


# --- join


@given(EUI, EUI, KEY, NONCE24, NONCE24, ADDR, st.integers(0, 5), st.integers(0, 5), st.integers(0, 15))
def test_a_join_gives_both_the_same_session(
    join_eui: int, dev_eui: int, key: bytes, nonce: int, net_id: int, addr: int, offset: int, rx2: int, delay: int
) -> None:
    device = Device(aes, join_eui, dev_eui, key)
    request = frames.parse(device.join_request())
    assert (request.join_eui, request.dev_eui, request.dev_nonce) == (join_eui, dev_eui, 0)
    settings = {"rx1_dr_offset": offset, "rx2_data_rate": rx2, "rx_delay": delay}
    answer = server.accept_join(aes, request, key, nonce, net_id, addr, **settings)
    assert device.on_join_accept(answer.phy) == Joined(addr)
    assert device.session == answer.session
    assert Session.from_dict(json.loads(json.dumps(answer.session.to_dict()))) == answer.session
    (_, _, dr), rx2_window = device.link.windows(device.link.channels[0])
    assert (dr, rx2_window) == (0, ((delay or 1) + 1, eu868.RX2_HZ, rx2))


def test_dev_nonce_rises_over_power_loss_and_never_repeats() -> None:
    device = Device(aes, 1, 2, APP_KEY)
    for expected in range(3):
        assert frames.parse(device.join_request()).dev_nonce == expected
        device = Device(aes, 1, 2, APP_KEY, stored(device))
    device.dev_nonce = 0xFFFF
    device.join_request()
    with pytest.raises(FrameError, match="new AppKey"):
        device.join_request()


def test_joins_that_are_refused() -> None:
    device = Device(aes, 1, 2, APP_KEY)
    first, second = (frames.parse(device.join_request()) for _ in range(2))
    accept = server.accept_join
    assert accept(aes, first, b"x" * 16, 1, 0, 1) == server.BadMic()
    for named in ({"last_dev_nonce": 1}, {"last_dev_nonce": 0}, {"used_dev_nonces": {0, 7}}):
        refused = accept(aes, first, APP_KEY, 1, 0, 1, **named)
        assert isinstance(refused, server.Refused)
        assert "DevNonce 0" in refused.reason
    assert isinstance(accept(aes, second, APP_KEY, 1, 0, 1, last_dev_nonce=0), server.JoinAnswer)


def test_join_accepts_that_are_ignored() -> None:
    device = Device(aes, 1, 2, APP_KEY)
    answer = server.accept_join(aes, frames.parse(device.join_request()), APP_KEY, 7, 0, 1)
    other = server.accept_join(aes, frames.parse(Device(aes, 1, 2, NWK).join_request()), NWK, 7, 0, 1)
    for phy in (answer.phy[:-1] + b"\0", other.phy, b"", b"\x20", answer.phy + b"\0", answer.phy[:-1]):
        assert isinstance(device.on_join_accept(phy), Ignored)
    assert device.session is None
    assert device.on_join_accept(answer.phy) == Joined(1)
    device.join_request()
    assert device.on_join_accept(answer.phy) == Ignored("this JoinAccept was used before")


def test_encryption_of_a_join_accept_needs_only_the_forward_cipher_on_the_device() -> None:
    answer = server.accept_join(aes, frames.parse(Device(aes, 1, 2, APP_KEY).join_request()), APP_KEY, 7, 0, 1)
    plain = answer.phy[:1] + aes(APP_KEY).ecb(answer.phy[1:])
    assert join_mic(aes(APP_KEY), plain[:-4]) == plain[-4:]


# --- data


@given(st.lists(st.tuples(st.binary(max_size=200), st.integers(1, 223), st.booleans()), max_size=8), st.data())
def test_uplinks_and_downlinks_come_back(uplinks: list[tuple[bytes, int, bool]], data: st.DataObject) -> None:
    start = data.draw(st.sampled_from((0, 65533, 65535, 2**32 - 300000)))
    device, session = pair(start)
    for payload, port, confirmed in uplinks:
        lost = data.draw(st.integers(0, 3))
        for _ in range(lost):
            device.uplink(b"lost", 1)
        result = opened(session, device.uplink(payload, port, confirmed))
        assert (result.payload, result.fport, result.confirmed) == (payload, port, confirmed)
        session = result.session
        assert session.fcnt_up == device.session.fcnt_up
        phy, session = server.downlink(aes, session, payload[:40], port, ack=confirmed, confirmed=not confirmed)
        heard = device.on_downlink(phy)
        assert (heard.payload, heard.fport, heard.ack, heard.confirmed) == (
            payload[:40],
            port,
            confirmed,
            not confirmed,
        )
        answer = opened(session, device.uplink())
        assert answer.ack is not confirmed  # the device acknowledges what asked for it, once
        session = answer.session


@given(st.binary(min_size=1, max_size=60), st.data())
def test_one_wrong_bit_or_a_cut_is_not_believed(payload: bytes, data: st.DataObject) -> None:
    device, session = pair()
    up = device.uplink(payload, 1)
    down, _ = server.downlink(aes, session, payload, 1)
    for phy in (up, down):
        bit = data.draw(st.integers(0, 8 * len(phy) - 1))
        flipped = bytearray(phy)
        flipped[bit // 8] ^= 1 << bit % 8
        for broken in (bytes(flipped), *(phy[:n] for n in range(len(phy)))):
            assert isinstance(device.on_downlink(broken), Ignored)
            try:
                result = opened(session, broken)
            except FrameError:
                continue
            assert isinstance(result, (server.BadMic, server.Refused))
    assert opened(session, bytes((up[0] | 4,)) + up[1:]) == server.BadMic()  # ignored bits are under the MIC too


def test_again_old_and_foreign_uplinks() -> None:
    device, session = pair()
    sent = [device.uplink(b"%d" % i, 1, confirmed=True) for i in range(4)]
    for phy in sent:
        session = opened(session, phy).session
    assert opened(session, sent[3]) == server.Retransmission(3, True)
    assert opened(session, sent[1]) == server.Replay(1)
    assert opened(Session(0x26010001, APP, NWK), sent[0]) == server.BadMic()
    assert opened(Session(0x26010002, NWK, APP), sent[0]) == server.BadMic()
    down, _ = server.downlink(aes, session, b"", 1)
    assert isinstance(opened(session, down), server.Refused)


def test_a_replay_from_before_the_roll_over_is_named() -> None:
    device, session = pair(65530)
    old = device.uplink(b"old", 1)
    for _ in range(10):
        session = opened(session, device.uplink(b"", 1)).session
    assert session.fcnt_up == 65541
    assert opened(session, old) == server.Replay(65530)


def test_commands_in_both_places_are_dropped_by_both() -> None:
    device, session = pair()
    for mtype, direction in ((frames.UNCONFIRMED_UP, UP), (frames.UNCONFIRMED_DOWN, DOWN)):
        body = bytearray(frames.build_data(mtype, session.dev_addr, 0, b"\x02", 1, b"\x02"))
        body[9] = 0  # the port
        phy = bytes(body) + data_mic(aes(NWK), direction, session.dev_addr, 0, bytes(body))
        if direction == UP:
            assert isinstance(opened(session, phy), server.Refused)
        else:
            assert device.on_downlink(phy) == Ignored("MAC commands both in FOpts and on port 0")


def test_counters_that_run_out() -> None:
    device, session = pair(2**32 - 1)
    last = device.uplink(b"last", 1)
    session = opened(session, last).session
    with pytest.raises(FrameError, match="join again"):
        device.uplink(b"", 1)
    assert opened(session, last) == server.Retransmission(2**32 - 1, False)
    _, session = server.downlink(aes, session, b"", 1)
    with pytest.raises(FrameError, match="join again"):
        server.downlink(aes, session, b"", 1)


def test_what_a_device_cannot_send_is_refused_and_costs_no_counter() -> None:
    device, _ = pair()
    for payload, port in ((b"x", None), (b"x", 0), (b"x", 225), (bytes(243), 1)):
        with pytest.raises(FrameError):
            device.uplink(payload, port)
    assert device.session.fcnt_up == 0
    with pytest.raises(FrameError, match="joined"):
        Device(aes, 1, 2, APP_KEY).uplink(b"", 1)


def test_a_session_keeps_everything_but_its_counters() -> None:
    session = Session(1, NWK, APP, 2, 3, 4, 5, 1, 3, 9)
    assert session.advanced() == session
    moved = session.advanced(fcnt_up=7, fcnt_down=8).to_dict()
    assert moved == {**session.to_dict(), "fcnt_up": 7, "fcnt_down": 8}


def test_keys_are_not_in_a_repr_and_abp_state_follows_its_keys() -> None:
    device, session = pair()
    device.uplink(b"", 1)
    assert NWK.hex() not in repr(session)
    assert APP.hex() not in repr(session)
    assert Device.abp(aes, 0x26010001, NWK, APP, stored(device)).session.fcnt_up == 1
    assert Device.abp(aes, 0x26010001, APP, NWK, stored(device)).session.fcnt_up == 0


def test_ten_thousand_random_frames_between_the_roles() -> None:
    """5,000 each way in random sessions with 32-bit counters; a bit that flips on the way is never believed."""
    r = random.Random(874)
    for _ in range(5_000):
        device, session = pair(r.choice((0, r.getrandbits(16), r.getrandbits(31))))
        payload, port, confirmed = r.randbytes(r.randint(0, 220)), r.randint(1, 223), r.random() < 0.5
        up = device.uplink(payload, port, confirmed)
        result = opened(session, up)
        assert (result.payload, result.fport, result.confirmed) == (payload, port, confirmed)
        down, _ = server.downlink(aes, device.session, payload, port, ack=confirmed)
        for phy, hear in ((up, lambda phy, to=session: opened(to, phy)), (down, device.on_downlink)):
            bit = r.randrange(8 * len(phy) - 32, 8 * len(phy))  # in the MIC: the others are tried above
            flipped = bytearray(phy)
            flipped[bit // 8] ^= 1 << bit % 8
            assert isinstance(hear(bytes(flipped)), server.BadMic | Ignored)
        heard = device.on_downlink(down)
        assert (heard.payload, heard.fport, heard.ack) == (payload, port, confirmed)


# --- MAC commands


def ask(device: Device, session: Session, requests: bytes, **named: Any) -> tuple[list[Any], Session]:
    """The network asks on port 0; what the device answers with its next uplink."""
    phy, session = server.downlink(aes, session, requests, 0)
    assert isinstance(device.on_downlink(phy, **named), Downlink)
    result = opened(session, device.uplink(b"x", 1))
    return result.mac, result.session


def test_a_block_of_link_adr_requests_is_taken_as_a_whole() -> None:
    device, session = pair()
    good = mac.build("LinkADRReq", data_rate_index=3, tx_power_index=1, channel_mask=3, nb_trans=3)
    bad = mac.build("LinkADRReq", data_rate_index=3, tx_power_index=1, channel_mask=1 << 9, nb_trans=1)
    answers, session = ask(device, session, good + bad)
    refused = {"channel_mask_ack": False, "data_rate_index_ack": True, "tx_power_index_ack": True}
    assert [(a.name, a.fields) for a in answers] == [("LinkADRAns", refused)] * 2
    assert (device.link.dr, device.link.nb_trans, len(device.link.usable_channels())) == (5, 1, 3)
    answers, session = ask(device, session, good)
    assert all(answers[0].fields.values())
    assert (device.link.dr, device.link.tx_power, device.link.nb_trans) == (3, 1, 3)
    assert len(device.link.usable_channels()) == 2
    answers, session = ask(device, session, mac.build("LinkADRReq", data_rate_index=9, channel_mask=7))
    assert not answers[0].fields["data_rate_index_ack"]
    assert device.link.dr == 3
    keep = mac.build("LinkADRReq", data_rate_index=15, tx_power_index=15, channel_mask_control=6)
    answers, session = ask(device, session, keep)
    assert all(answers[0].fields.values())
    assert (device.link.dr, device.link.tx_power, len(device.link.usable_channels())) == (3, 1, 3)


def test_channels_come_and_go_but_not_the_default_ones() -> None:
    device, session = pair()
    new = mac.build("NewChannelReq", channel_index=3, frequency_hz=867100000, min_dr=0, max_dr=5)
    answers, session = ask(device, session, new)
    assert all(answers[0].fields.values())
    assert len(device.link.usable_channels()) == 4
    down = mac.build("DlChannelReq", channel_index=3, frequency_hz=869100000)
    answers, session = ask(device, session, down)
    assert all(answers[0].fields.values())
    assert device.link.windows(device.link.channels[3])[0] == (1, 869100000, 5)
    answers, session = ask(
        device, session, mac.build("NewChannelReq", channel_index=0, frequency_hz=867100000, max_dr=5)
    )
    refusals = [a.fields for a in answers if a.name == "NewChannelAns"]
    assert refusals == [{"frequency_ack": False, "data_rate_ack": False}]
    answers, session = ask(
        device, session, mac.build("NewChannelReq", channel_index=3, frequency_hz=433000000, max_dr=5)
    )
    assert answers[-1].fields == {"frequency_ack": False, "data_rate_ack": True}
    answers, session = ask(device, session, mac.build("NewChannelReq", channel_index=3))
    assert device.link.channels[3] is None
    assert len(device.link.usable_channels()) == 3


def test_sticky_answers_are_repeated_until_heard() -> None:
    device, session = pair()
    request = mac.build("RXParamSetupReq", rx1_dr_offset=1, rx2_data_rate_index=3, rx2_frequency_hz=869525000)
    answers, session = ask(device, session, request + mac.build("DevStatusReq"), battery=7, margin_db=-40)
    assert [a.name for a in answers] == ["RXParamSetupAns", "DevStatusAns"]
    assert answers[1].fields == {"battery": 7, "margin": -32}
    device = Device.abp(aes, 0x26010001, NWK, APP, stored(device))
    for _ in range(2):
        result = opened(session, device.uplink(b"x", 1))
        session = result.session
        assert [a.name for a in result.mac] == ["RXParamSetupAns"]
    phy, session = server.downlink(aes, session)
    device.on_downlink(phy)
    assert opened(session, device.uplink(b"x", 1)).mac == []


def test_more_answers_than_fit_go_with_the_next_uplinks() -> None:
    device, session = pair()
    phy, session = server.downlink(aes, session, mac.build("DevStatusReq") * 12, 0)
    device.on_downlink(phy)
    counts = []
    for _ in range(4):
        result = opened(session, device.uplink(b"x", 1))
        session = result.session
        counts.append(len(result.mac))
    assert counts == [5, 5, 2, 0]


def test_unknown_and_foreign_requests_are_not_answered() -> None:
    device, session = pair()
    answers, _ = ask(device, session, mac.build("TxParamSetupReq", max_eirp_dbm=16) + b"\x80\x06")
    assert answers == []


def test_the_network_may_be_asked_for_the_time() -> None:
    device, session = pair()
    device.request("DeviceTimeReq")
    result = opened(session, device.uplink(b"x", 1))
    assert [c.name for c in result.mac] == ["DeviceTimeReq"]
    fopts = mac.build("DeviceTimeAns", gps_seconds=1400000000, fraction_256ths=128)
    phy, _ = server.downlink(aes, result.session, fopts=fopts)
    assert device.on_downlink(phy).mac[0].fields == {"gps_seconds": 1400000000, "fraction_256ths": 128}


@settings(deadline=None)
@given(st.integers(0, 5), st.integers(0, 7))
def test_a_device_that_nobody_hears_gets_louder_and_slower(dr: int, power: int) -> None:
    device, session = pair()
    device.link.dr, device.link.tx_power = dr, power
    device.link.channels[0][4] = False
    asked = 0
    for i in range(64 + 32 * 8):
        result = opened(session, device.uplink(b"", 1))
        session = result.session
        assert result.adr_ack_req is (i >= 64)
        asked += result.adr_ack_req
    assert asked == 256
    assert (device.link.dr, device.link.tx_power, len(device.link.usable_channels())) == (0, 0, 3)
    phy, session = server.downlink(aes, session)
    device.on_downlink(phy)
    assert opened(session, device.uplink(b"", 1)).adr_ack_req is False
