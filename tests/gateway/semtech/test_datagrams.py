"""Semtech UDP: the collected real datagrams, what forwarders get wrong, and anything at all."""

import base64
import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.semtech.datagrams import (
    DatagramError,
    PullAck,
    PullData,
    PullResp,
    PushAck,
    PushData,
    TxAck,
    parse,
    pull_ack,
    pull_data,
    pull_resp,
    push_ack,
    push_data,
    tx_ack,
)
from gateway.semtech.objects import Crc, Rx, Tx

FACTS: dict[str, Any] = json.loads((Path(__file__).parents[2] / "vectors" / "semtech_udp.json").read_text())
EUI = "a84041ffff1ec1f5"
TOKEN = b"\x12\x34"


def pushed(body: Any) -> PushData:
    parsed = parse(push_data(TOKEN, EUI, body))
    assert isinstance(parsed, PushData)
    return parsed


def rxpk(**changes: Any) -> dict[str, Any]:
    whole = {
        "tmst": 708016819, "freq": 868.5, "chan": 2, "rfch": 1, "stat": 1, "modu": "LORA", "datr": "SF7BW125",
        "codr": "4/5", "rssi": -51, "lsnr": 7, "size": 16, "data": "QAEBAQGAAAABVfdjR6YrSw==",
    }  # fmt: skip
    return {k: v for k, v in (whole | changes).items() if v is not ...}


@pytest.mark.shared
def test_collected_datagrams(shared_data: Path) -> None:
    cases = json.loads((shared_data / "gwmp" / "gwmp_cases.json").read_text())["cases"]
    seen = 0
    for case in cases:
        expect = case["expect"]
        if "datagram_hex" in case:
            _check_datagram(case["name"], bytes.fromhex(case["datagram_hex"]), expect)
            seen += 1
        elif case["json_text"].startswith("{"):
            _check_object(case["name"], json.loads(case["json_text"]), expect)
            seen += 1
    assert seen == len(cases) - 1  # one case is a bare list of data rates, see test_data_rates


@pytest.mark.parametrize("fact", FACTS["datagrams"], ids=lambda fact: fact["name"])
def test_datagrams_of_others(fact: dict[str, Any]) -> None:
    _check_datagram(fact["name"], bytes.fromhex(fact["hex"]), fact["expect"])


@pytest.mark.parametrize("fact", FACTS["objects"], ids=lambda fact: fact["name"])
def test_objects_of_others(fact: dict[str, Any]) -> None:
    _check_object(fact["name"], fact["object"], fact["expect"])


def _check_datagram(name: str, datagram: bytes, expect: dict[str, Any]) -> None:
    if expect.get("error") and "type" not in expect:
        with pytest.raises(DatagramError):
            parse(datagram)
        return
    parsed = parse(datagram)
    kind = {"PUSH_DATA": PushData, "PULL_DATA": PullData, "TX_ACK": TxAck}[expect["type"]]
    assert isinstance(parsed, kind), name
    assert isinstance(parsed, PushData | PullData | TxAck)
    if "gateway" in expect:
        assert parsed.gateway == expect["gateway"], name
    if "version" in expect:
        assert parsed.version == expect["version"], name
    if "ack_hex" in expect:
        assert isinstance(parsed, PullData)
        assert pull_ack(parsed).hex() == expect["ack_hex"]
    if isinstance(parsed, TxAck):
        assert parsed.error == expect["error"], name
    if isinstance(parsed, PushData):
        assert len(parsed.frames) == expect.get("n_rxpk", 0)
        assert parsed.faults == ()


def _check_object(name: str, body: dict[str, Any], expect: dict[str, Any]) -> None:
    if "txpk" in body:
        parsed = parse(b"\x02\x00\x00\x03" + json.dumps(body).encode())
        assert isinstance(parsed, PullResp)
        tx = parsed.tx
        assert (tx.freq_hz, tx.sf, tx.power_dbm) == (expect["freq_hz"], expect["sf"], expect["powe"])
        assert (tx.tmst, tx.inverted, len(tx.phy)) == (None, expect["ipol"], expect["data_len"])
        return
    if "txpk_ack" in body:
        answer = parse(b"\x02\x00\x00\x05" + bytes(8) + json.dumps(body).encode())
        assert isinstance(answer, TxAck)
        assert answer.error == expect["error"]
        return
    parsed = pushed(body)
    assert parsed.faults == (), name
    if "lat" in expect:
        stat = parsed.stat
        assert stat is not None
        assert (stat.latitude, stat.longitude, stat.altitude_m) == (expect["lat"], expect["lon"], expect["alt"])
        if "time_utc" in expect:
            assert stat.time is not None
            assert stat.time.isoformat().replace("+00:00", "Z") == expect["time_utc"]
            assert (stat.received, stat.received_ok) == (expect["rxnb"], expect["rxok"])
    wanted = expect.get("rxpk") or ([expect] if "freq_hz" in expect else [])
    for frame, want in zip(parsed.frames, wanted, strict=False):
        _check_frame(name, frame, want)
    if "n_rxpk" in expect:
        assert len(parsed.frames) == expect["n_rxpk"], name
    if "antenna" in expect:
        assert [f.antenna for f in parsed.frames] == expect["antenna"]
        assert [f.rssi_dbm for f in parsed.frames] == expect["rssi"]
        assert [f.snr_db for f in parsed.frames] == expect["snr"]
        assert [f.channel for f in parsed.frames] == expect["channel"]


def _check_frame(name: str, frame: Rx, want: dict[str, Any]) -> None:
    seen = {
        "freq_hz": frame.freq_hz, "modu": frame.modulation, "sf": frame.sf, "bw": frame.bw_hz,
        "codr": frame.coding_rate, "rssi": frame.rssi_dbm, "lsnr": frame.snr_db, "snr": frame.snr_db,
        "datr_bps": frame.bitrate_bps, "data_len": len(frame.phy), "size": len(frame.phy), "phy_hex": frame.phy.hex(),
        "data_ascii": frame.phy.decode("latin-1"),
    }  # fmt: skip
    for key, value in want.items():
        assert seen[key] == value, (name, key)


def test_data_rates() -> None:
    lora, fsk, fhss = pushed(
        {"rxpk": [rxpk(), rxpk(datr=50000, modu="FSK"), rxpk(datr="M0CW137", modu="LR-FHSS")]}
    ).frames
    assert (lora.sf, lora.bw_hz, lora.bitrate_bps) == (7, 125000, None)
    assert (fsk.sf, fsk.bw_hz, fsk.bitrate_bps, fsk.modulation) == (None, None, 50000, "FSK")
    assert (fhss.sf, fhss.modulation) == (None, "LR-FHSS")
    assert pushed({"rxpk": [rxpk(datr=50000, modu=...)]}).frames[0].modulation == "FSK"


def test_checksum_is_reported_as_a_value() -> None:
    frames = pushed({"rxpk": [rxpk(stat=1), rxpk(stat=-1), rxpk(stat=0), rxpk(stat=...)]}).frames
    assert [f.crc for f in frames] == [Crc.OK, Crc.FAILED, Crc.NONE, Crc.OK]


def test_only_the_payload_is_required() -> None:
    (frame,) = pushed({"rxpk": [{"data": "QAEBAQGAAAABVfdjR6YrSw=="}]}).frames
    assert frame == Rx(gateway=EUI, phy=bytes.fromhex("40010101018000000155f76347a62b4b"))


def test_one_broken_object_does_not_spoil_the_others() -> None:
    broken: list[Any] = [
        rxpk(data=...),
        rxpk(data="a"),
        rxpk(data="\u00e4\u00f6"),
        rxpk(data=7),
        3,
        None,
        [],
        rxpk(data="A" * 400),
    ]
    parsed = pushed({"rxpk": [rxpk(), *broken, rxpk(rssi=-99)], "stat": 7})
    assert [f.rssi_dbm for f in parsed.frames] == [-51, -99]
    assert [f.split(":")[0] for f in parsed.faults] == ["rxpk[%d]" % n for n in range(1, 9)]
    assert parsed.stat is None
    assert pushed({"rxpk": {"a": 1}}).faults == ("rxpk is not a list",)


def test_nonsense_in_a_field_is_none_not_a_fault() -> None:
    (frame,) = pushed(
        {"rxpk": [rxpk(tmst=2**32, freq="868.1", rssi=True, lsnr="x", time="yesterday", chan=-1, datr="SF13BW125")]}
    ).frames
    assert (frame.tmst, frame.freq_hz, frame.rssi_dbm, frame.snr_db, frame.time, frame.channel, frame.sf) == (None,) * 7
    assert pushed({"rxpk": [rxpk(tmst=2**32 - 1)]}).frames[0].tmst == 2**32 - 1


def test_too_many_objects_are_named() -> None:
    parsed = pushed({"rxpk": [rxpk()] * 300})
    assert len(parsed.frames) == 256
    assert parsed.faults == ("more than 256 objects in rxpk",)


@pytest.mark.parametrize("length", range(12))
def test_every_truncated_header(length: int) -> None:
    with pytest.raises(DatagramError):
        parse(push_data(TOKEN, EUI, {})[:length])


@pytest.mark.parametrize(
    "datagram", [b"\x02\x00\x00\x06" + bytes(8), b"\x00\x00\x00\x00" + bytes(8), b"\x02ab\x00" + bytes(8) + b"[1]",
                 b"\x02ab\x00" + bytes(8) + b'{"rxpk":', b"\x02ab\x03{}", b"\x02ab\x00" + bytes(8) + b"[" * 9000]
)  # fmt: skip
def test_what_is_not_a_datagram_says_why(datagram: bytes) -> None:
    with pytest.raises(DatagramError, match=r"\w+ \w+"):
        parse(datagram)


def test_acknowledgements_repeat_version_and_token() -> None:
    for version in (1, 2):
        push = parse(push_data(TOKEN, EUI, {}, version))
        pull = parse(pull_data(TOKEN, EUI, version))
        assert isinstance(push, PushData)
        assert isinstance(pull, PullData)
        assert parse(push_ack(push)) == PushAck(version, TOKEN)
        assert parse(pull_ack(pull)) == PullAck(version, TOKEN)
    assert parse(tx_ack(TOKEN, EUI, "TOO_LATE")) == TxAck(2, TOKEN, EUI, "TOO_LATE")
    assert parse(tx_ack(TOKEN, EUI)) == TxAck(2, TOKEN, EUI)


def test_a_nul_instead_of_nothing() -> None:  # some gateways end, or fill, their datagrams so
    assert parse(tx_ack(TOKEN, EUI) + b"\0") == TxAck(2, TOKEN, EUI)
    assert parse(tx_ack(TOKEN, EUI, "TX_FREQ") + b"\0") == TxAck(2, TOKEN, EUI, "TX_FREQ")


def test_counter_of_a_downlink_wraps() -> None:
    sent = json.loads(pull_resp(TOKEN, Tx(b"x", 868100000, 7, tmst=2**32 + 5))[4:])["txpk"]
    assert (sent["tmst"], sent["imme"], sent["ipol"], sent["ncrc"], sent["datr"]) == (5, False, True, True, "SF7BW125")
    assert (sent["freq"], sent["size"]) == (868.1, 1)


@given(
    st.builds(
        Tx, phy=st.binary(max_size=255), freq_hz=st.integers(863_000_000, 870_000_000), sf=st.integers(7, 12),
        bw_hz=st.sampled_from([125000, 250000, 500000]), tmst=st.none() | st.integers(0, 2**32 - 1),
        power_dbm=st.integers(0, 27), inverted=st.booleans(),
    )
)  # fmt: skip
def test_downlinks_survive_the_round(tx: Tx) -> None:
    assert parse(pull_resp(TOKEN, tx)) == PullResp(2, TOKEN, tx)


@given(st.binary(max_size=255), st.sampled_from(["std", "url", "mixed"]), st.booleans())
def test_every_base64_dialect(phy: bytes, dialect: str, padded: bool) -> None:
    text = (base64.b64encode(phy) if dialect == "std" else base64.urlsafe_b64encode(phy)).decode()
    text = text.replace("_", "/") if dialect == "mixed" else text
    assert pushed({"rxpk": [rxpk(data=text if padded else text.rstrip("="))]}).frames[0].phy == phy


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=12,
)
FIELDS = [
    "time",
    "tmst",
    "freq",
    "chan",
    "rfch",
    "stat",
    "modu",
    "datr",
    "codr",
    "rssi",
    "lsnr",
    "size",
    "data",
    "rsig",
    "ant",
]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.dictionaries(st.sampled_from(FIELDS), JSON) | JSON, max_size=5), JSON)
def test_any_json_is_read_or_named(objects: list[Any], stat: Any) -> None:
    body = json.dumps({"rxpk": objects, "stat": stat}).encode()
    try:
        parsed = parse(b"\x02ab\x00" + bytes(8) + body)
    except DatagramError:
        return  # a lone surrogate in a text, which JSON forbids
    assert isinstance(parsed, PushData)
    assert len(parsed.frames) + len(parsed.faults) >= len(objects)


@settings(max_examples=500, deadline=None)
@given(st.binary(max_size=64) | st.binary(max_size=40).map(lambda b: b"\x02" + b))
def test_any_bytes_are_a_datagram_or_an_error(datagram: bytes) -> None:
    with contextlib.suppress(DatagramError):
        parse(datagram)
