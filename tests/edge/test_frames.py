"""Frames: what is built comes back, what is cut or padded is refused, and garbage raises nothing but FrameError."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.lorawan import frames, mac
from edge.lorawan.frames import FrameError
from edge.lorawan.security import DOWN, UP

U32, EUI = st.integers(0, 2**32 - 1), st.integers(0, 2**64 - 1)
DATA_TYPES = (frames.UNCONFIRMED_UP, frames.UNCONFIRMED_DOWN, frames.CONFIRMED_UP, frames.CONFIRMED_DOWN)
DATA_FRAME = bytes.fromhex("4004030201030000020305016a3798f5b64dc039")  # 3 bytes of FOpts, port 1, 4 of payload
JOIN_REQUEST = bytes.fromhex("00040302010403020105040302050403022d106a990e12")
JOIN_ACCEPT = bytes.fromhex("20493eeb51fba2116f810edb3742975142")


@given(st.data())
def test_data_frames_come_back(data: st.DataObject) -> None:
    mtype, addr, fcnt = data.draw(st.sampled_from(DATA_TYPES)), data.draw(U32), data.draw(U32)
    adr, ack, other = (data.draw(st.booleans()) for _ in range(3))
    fport = data.draw(st.one_of(st.none(), st.integers(0, 255)))
    fopts = b"" if fport == 0 else data.draw(st.binary(max_size=15))
    payload = b"" if fport is None else data.draw(st.binary(max_size=225))
    up = mtype in (frames.UNCONFIRMED_UP, frames.CONFIRMED_UP)
    flags = {"adr_ack_req": other, "class_b": other} if up else {"f_pending": other}
    body = frames.build_data(mtype, addr, fcnt, fopts, fport, payload, adr=adr, ack=ack, **flags)
    got = frames.parse(body + b"mic!")
    assert got == frames.DataFrame(
        mtype, addr, adr, up and other, ack, other and not up, up and other, fcnt & 0xFFFF, fopts, fport, payload,
        b"mic!", body + b"mic!",
    )  # fmt: skip
    assert frames.conflict(got) == ""


@given(EUI, EUI, st.integers(0, 65535))
def test_join_requests_come_back(join_eui: int, dev_eui: int, dev_nonce: int) -> None:
    phy = frames.build_join_request(join_eui, dev_eui, dev_nonce) + b"mic!"
    assert frames.parse(phy) == frames.JoinRequest(join_eui, dev_eui, dev_nonce, b"mic!", phy)


@given(st.integers(0, 2**24 - 1), st.integers(0, 2**24 - 1), U32, st.integers(0, 7), st.integers(0, 15), st.booleans())
def test_join_accepts_come_back(nonce: int, net_id: int, addr: int, offset: int, low: int, listed: bool) -> None:
    cf_list = bytes(range(16)) if listed else b""
    phy = frames.build_join_accept(nonce, net_id, addr, offset, low, low, cf_list) + b"mic!"
    got = frames.parse_join_accept(phy)
    assert got == frames.JoinAccept(nonce, net_id, addr, offset, low, low, cf_list, b"mic!", phy)
    assert frames.parse(phy) == frames.EncryptedJoinAccept(phy)


@pytest.mark.parametrize("phy", [JOIN_REQUEST, JOIN_ACCEPT, DATA_FRAME[:11] + DATA_FRAME[-4:]])
def test_every_prefix_is_refused(phy: bytes) -> None:
    """The data frame here ends with its FOpts; where a payload follows, a prefix is a frame with a wrong MIC."""
    frames.parse(phy)
    for n in range(len(phy)):
        with pytest.raises(FrameError):
            frames.parse(phy[:n])


@pytest.mark.parametrize("phy", [JOIN_REQUEST, JOIN_ACCEPT])
def test_a_byte_too_many_is_refused(phy: bytes) -> None:
    with pytest.raises(FrameError):
        frames.parse(phy + b"\0")


@given(st.binary(max_size=300))
def test_garbage_raises_nothing_else(data: bytes) -> None:
    try:
        frame = frames.parse(data)
    except FrameError:
        return
    assert data[0] & 3 == 0
    assert frame.phy == data


def test_commands_in_both_places_are_named_on_parsing() -> None:
    frame = frames.parse(bytes.fromhex("40040302010100000200aabbccdd"))
    assert (frame.fport, frame.fopts) == (0, b"\x02")
    assert "FOpts" in frames.conflict(frame)


def test_bits_for_the_other_direction_are_refused() -> None:
    for flags in ({"adr_ack_req": True}, {"class_b": True}):
        with pytest.raises(FrameError, match="uplinks"):
            frames.build_data(frames.CONFIRMED_DOWN, 1, 1, **flags)
    with pytest.raises(FrameError, match="downlinks"):
        frames.build_data(frames.CONFIRMED_UP, 1, 1, f_pending=True)


def test_reserved_bits_are_ignored() -> None:
    assert frames.parse(bytes((DATA_FRAME[0] | 0x1C,)) + DATA_FRAME[1:]).fport == 1


def test_addresses_are_written_most_significant_byte_first() -> None:
    request = frames.parse(JOIN_REQUEST)
    assert frames.eui_text(request.join_eui) == "0102030401020304"
    assert frames.addr_text(0xFC00DC06) == "fc00dc06"
    assert frames.number("FC00dc06") == 0xFC00DC06
    assert frames.addr_text(1) == "00000001"
    assert frames.eui_text(1) == "0000000000000001"


# --- MAC commands


@given(st.sampled_from(mac.table()), st.data())
def test_every_command_comes_back(row: tuple, data: st.DataObject) -> None:
    cid, direction, name, size, fields = row
    payload = data.draw(st.binary(min_size=size, max_size=size))
    (command,) = mac.parse(bytes((cid,)) + payload, direction)
    assert (command.name, command.cid, set(command.fields)) == (name, cid, {f[0] for f in fields})
    built = mac.build(name, **command.fields)
    assert mac.parse(built, direction) == [command]  # reserved bits are not kept, everything else is
    assert mac.length(command) == len(built) == 1 + size


@given(st.binary(max_size=242), st.sampled_from((UP, DOWN)))
def test_parsed_commands_cover_every_byte(data: bytes, direction: int) -> None:
    assert sum(mac.length(command) for command in mac.parse(data, direction)) == len(data)


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("NoSuchReq", {}),
        ("DutyCycleReq", {"max_duty_cycle": 16}),
        ("DevStatusAns", {"margin": 32}),
        ("DevStatusAns", {"margin": -33}),
        ("NewChannelReq", {"frequency_hz": 868100050}),
        ("TxParamSetupReq", {"max_eirp_dbm": 9}),
        ("LinkCheckReq", {"margin": 1}),
    ],
)
def test_values_that_do_not_fit_are_refused(name: str, fields: dict) -> None:
    with pytest.raises(FrameError):
        mac.build(name, **fields)
