"""Every row of the collected LoRaWAN material: frames, keys, counters, MAC commands, time on air."""

import json
from pathlib import Path
from typing import Any

import pytest

from edge.lorawan import counters, eu868, frames, mac, server
from edge.lorawan.airtime import lora_us
from edge.lorawan.frames import FrameError
from edge.lorawan.security import DOWN, UP, crypt_payload, data_mic, join_mic, session_keys
from edge.lorawan.session import Session
from gateway.lorawan.aes import aes
from gateway.lorawan.explain import explain

pytestmark = pytest.mark.shared

H = bytes.fromhex
KEY_NAMES = ("nwkskey", "appskey", "appkey")


def load(shared_data: Path, name: str) -> Any:
    return json.loads((shared_data / "lorawan" / name).read_text())


def key(row: dict[str, Any], name: str) -> bytes | None:
    return H(row[name]) if name in row else None


def check_explained(row: dict[str, Any]) -> set[str]:
    """Compare a whole frame's row with `explain`; the names of `expect` that were looked at."""
    phy, expect = H(row["phy_hex"]), row["expect"]
    high = row.get("fcnt32", 0) >> 16
    nwk = key(row, "nwkskey") or key(row, "snwksintkey")
    got = explain(phy, nwk, key(row, "appskey"), key(row, "appkey"), high)
    frame = frames.parse(phy)
    named = {
        "mtype": got["type"],
        "devaddr": got.get("dev_addr"),
        "adr": got.get("adr"),
        "ack": got.get("ack"),
        "adrackreq": got.get("adr_ack_req"),
        "fpending": got.get("f_pending"),
        "classb": got.get("class_b", False),
        "fopts": got.get("fopts_hex"),
        "foptslen": len(got.get("fopts_hex", "")) // 2,
        "fcnt16": got.get("fcnt", 0) & 0xFFFF,
        "fport": got.get("fport"),
        "frm_encrypted": got.get("encrypted_hex"),
        "frm_plain_hex": got.get("payload_hex"),
        "appeui": got.get("join_eui"),
        "deveui": got.get("dev_eui"),
        "devnonce": f"{got.get('dev_nonce') or 0:04x}",
        "devnonce_dec": got.get("dev_nonce"),
        "appnonce": f"{got.get('join_nonce') or 0:06x}",
        "appnonce_dec": got.get("join_nonce"),
        "netid": got.get("net_id"),
        "dlsettings": f"{(got.get('rx1_dr_offset') or 0) << 4 | (got.get('rx2_data_rate') or 0):02x}",
        "rxdelay": got.get("rx_delay"),
        "decrypted_phy": got.get("decrypted_hex"),
        "mic_valid": got["mic_ok"],
        "mic_valid_as_10": got["mic_ok"],
    }
    if "lorawan" in row:  # what only a 1.1 implementation can tell; `mic_valid_as_10` stays
        expect = {k: v for k, v in expect.items() if k not in ("mic_valid", "fopts_plain")}
    for name, wanted in expect.items():
        if name == "mic":
            assert right_mic(row, frame, got) == H(wanted), row["name"]
        elif name == "mac_commands":
            assert [c["name"] for c in got["mac_commands"]] == [c["cid"] for c in wanted], row["name"]
            check_command_fields(got["mac_commands"], wanted)
        elif name != "frm_plain_origin":
            assert named[name] == wanted, f"{row['name']}: {name}"
    return set(expect)


def check_command_fields(got: list[dict[str, Any]], wanted: list[dict[str, Any]]) -> None:
    ours = {
        "ChannelMaskACK": "channel_mask_ack",
        "DataRateACK": "data_rate_index_ack",
        "PowerACK": "tx_power_index_ack",
    }
    for command, want in zip(got, wanted, strict=True):
        for name in want.keys() & ours.keys():
            assert command[ours[name]] == want[name]
        if "raw" in want:
            fields = {k: v for k, v in command.items() if k != "name"}
            assert mac.build(command["name"], **fields)[1:] == H(want["raw"])


def right_mic(row: dict[str, Any], frame: Any, got: dict[str, Any]) -> bytes:
    """The MIC the row's frame should have: computed where there is a 1.0 key, else the one it carries."""
    app_key, nwk = key(row, "appkey"), key(row, "nwkskey")
    phy = H(got["decrypted_hex"]) if "decrypted_hex" in got else H(row["phy_hex"])
    if app_key:
        return bytes(join_mic(aes(app_key), phy[:-4]))
    if nwk:
        direction = UP if frames.is_uplink(frame.mtype) else DOWN
        return bytes(data_mic(aes(nwk), direction, frame.dev_addr, row["fcnt32"], phy[:-4]))
    return phy[-4:]


def check_other(row: dict[str, Any]) -> None:
    """Rows that are not a whole encrypted frame."""
    expect, name = row["expect"], row["name"]
    if "error" in expect or expect.get("mtype") == "Proprietary":
        with pytest.raises(FrameError):
            frames.parse(H(row["phy_hex"]))
    elif row.get("decrypted"):
        plain = H(row["phy_hex"])
        mic = join_mic(aes(H(row["appkey"])), plain[:-4])
        assert mic == H(expect["mic"])
        assert (mic == frames.parse_join_accept(plain).mic) is expect["mic_valid"]
    elif "netid" in row:
        nonce, net_id, dev_nonce = (int(row[k], 16) for k in ("appnonce", "netid", "devnonce"))
        keys = session_keys(aes(H(row["appkey"])), nonce, net_id, dev_nonce)
        assert keys == (H(expect["nwkskey"]), H(expect["appskey"]))
    elif "cipher" in expect:
        direction = UP if row["dir"] == "up" else DOWN
        args = (aes(H(row["appskey"])), direction, int(row["devaddr"], 16), row["fcnt32"])
        assert crypt_payload(*args, H(expect["plain"])) == H(expect["cipher"])
        assert crypt_payload(*args, H(expect["cipher"])) == H(expect["plain"])
    elif "payload_without_mic" in row:
        body = H(row["payload_without_mic"])
        mic = data_mic(aes(H(row["nwkskey"])), DOWN, int(row["devaddr"], 16), row["fcnt32"], body)
        assert mic == H(expect["mic"])
    elif "fhdr" in expect:
        flags = {"adr": True, "ack": True, "fopts": b"", "fport": None}
        built = frames.build_data(frames.UNCONFIRMED_DOWN, int(row["devaddr"], 16), row["fcnt32"], **flags)
        assert built[1:] == H(expect["fhdr"])
    else:
        raise AssertionError(f"nobody looked at {name}")


def test_every_vector(shared_data: Path) -> None:
    rows = load(shared_data, "lorawan_vectors.json")["vectors"]
    seen: set[str] = set()
    for row in rows:
        expect = row["expect"]
        whole = "phy_hex" in row and not row.get("decrypted") and "error" not in expect
        if whole and expect.get("mtype") != "Proprietary":
            seen |= check_explained(row)
        else:
            check_other(row)
    assert len(rows) >= 38
    assert {"frm_plain_hex", "mac_commands", "mic_valid_as_10", "decrypted_phy", "fpending"} <= seen


def test_lorawan_1_1_frames_are_refused(shared_data: Path) -> None:
    """Under any of their keys. (A 1.1 downlink without ACK has the MIC of 1.0, so only the marked ones count.)"""
    vectors = load(shared_data, "lorawan_vectors.json")["vectors"]
    rows = [row for row in vectors if row["expect"].get("mic_valid_as_10") is False]
    assert rows
    for row in rows:
        frame = frames.parse(H(row["phy_hex"]))
        for name in ("snwksintkey", "fnwksintkey", "appskey"):
            session = Session(frame.dev_addr, H(row[name]), bytes(16), fcnt_up=row["fcnt32"])
            assert server.open_uplink(aes, session, frame) == server.BadMic()


def test_every_counter(shared_data: Path) -> None:
    for row in load(shared_data, "fcnt_reconstruction.json")["cases"]:
        expected = row["next_expected_full"]
        full = counters.reconstruct(expected, row["received16"])
        assert full == row["expected_full"], row
        wanted = counters.RETRANSMISSION if row["why"] == "re-transmission" else counters.NEW
        assert counters.classify(expected, full) == wanted, row


def test_every_time_on_air(shared_data: Path) -> None:
    for row in load(shared_data, "airtime.json")["cases"]:
        cr = int(row["cr"][2:]) - 4
        for crc in {"crc_on": (True,), "crc_off": (False,), "both": (True, False)}[row["matches"]]:
            assert lora_us(row["payload"], row["sf"], row["bw"], cr, crc=crc) == row["expected_us"], row


def test_every_mac_command(shared_data: Path) -> None:
    for row in load(shared_data, "mac_commands.json")["commands"]:
        data, direction = H(row["bytes_hex"]), UP if row["direction"] == "up" else DOWN
        (command,) = mac.parse(data, direction)
        assert row["name"].lower().startswith(command.name.lower()), row
        fields = dict(row["fields"])
        if "Do not use this row as an oracle for margin" in row.get("note", ""):
            del fields["margin"]
        assert fields.items() <= command.fields.items(), row
        assert mac.build(command.name, **command.fields) == data


def test_every_cflist(shared_data: Path) -> None:
    for row in load(shared_data, "mac_commands.json")["cflist"]:
        wanted = tuple(row.get("freqs_hz", ()))
        assert eu868.parse_cf_list(H(row["hex"])) == wanted
        if wanted:
            assert eu868.build_cf_list(wanted) == H(row["hex"])


def test_every_framing_case(shared_data: Path) -> None:
    for row in load(shared_data, "mac_commands.json")["framing_cases"]:
        direction = UP if row["direction"] == "up" else DOWN
        if "bytes_hex" in row:  # the bytes are no single command of this direction
            commands = mac.parse(H(row["bytes_hex"]), direction)
            assert len(commands) != 1, row
            continue
        phy = b"\x60" + H(row["fhdr_hex"]) + bytes(4)
        if isinstance(row["expect"], str) and row["expect"].startswith("error"):
            with pytest.raises(FrameError, match="FOpts"):
                frames.parse(phy)
            continue
        frame = frames.parse(phy)
        commands = mac.parse(frame.fopts, direction)
        if isinstance(row["expect"], dict):
            got = explain(frame.phy)
            named = {**got, "devaddr": got["dev_addr"], "fpending": got["f_pending"], "fopts": got["fopts_hex"]}
            assert {k: named[k] for k in row["expect"] if k != "fcnt16"} == {
                k: v for k, v in row["expect"].items() if k != "fcnt16"
            }
        else:
            assert [c.name for c in commands] == ["LinkCheckAns", mac.UNKNOWN, mac.UNKNOWN]
            assert [c.cid for c in commands[1:]] == [0x4E, 0x4F]
            assert commands[0].fields == {"margin": 7, "gateway_count": 9}
